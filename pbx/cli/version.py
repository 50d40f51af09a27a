"""``pbx version``."""

from __future__ import annotations

import click

from pbx import version as program


@click.command()
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON object.")
def version(json_wanted: bool) -> None:
    """Print which version this is.

    Example: pbx version
    """
    from pbx.cli.output import told  # here: slow to import

    told({"version": program.version()}, f"voronka {program.version()}", json_wanted)
