"""``pbx web``: the page without the engine."""

from __future__ import annotations

import click

from pbx.engine.tuning import without_collections
from pbx.errors import PbxError
from pbx.settings import read_web_settings


@click.command()
def web() -> None:
    """Serve the page and the API on their own, until SIGTERM.

    pbx run does so beside the engine, unless VORONKA_WEB=off. The log, the plan, the engine's
    state folder, host and port come from VORONKA_* environment variables (docs/running.md);
    who may come in is said by pbx users.

    Example: VORONKA_WEB_PORT=8180 pbx web
    """
    with without_collections():
        from pbx.web.serve import serve  # here: slow to import

    try:
        serve(read_web_settings())
    except (PbxError, OSError) as error:
        raise click.ClickException(str(error)) from error
