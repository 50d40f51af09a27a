"""``pbx version``."""

from __future__ import annotations

import click

from pbx import version as program


@click.command()
def version() -> None:
    """Print which version this is.

    Example: pbx version
    """
    click.echo(f"voronka {program.version()}")
