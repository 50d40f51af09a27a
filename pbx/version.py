"""Which version this is."""

from __future__ import annotations

from importlib import metadata


def version() -> str:
    """The installed version; "unknown" when run from a folder without being installed."""
    try:
        return metadata.version("voronka")
    except metadata.PackageNotFoundError:
        return "unknown"
