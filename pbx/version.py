"""Which version this is."""

from __future__ import annotations

import functools
from importlib import metadata


@functools.cache
def version() -> str:
    """The installed version; "unknown" when run from a folder without being installed.

    Looked up once: each page names it, and the packages' folders are read for it."""
    try:
        return metadata.version("voronka")
    except metadata.PackageNotFoundError:
        return "unknown"
