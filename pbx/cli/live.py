"""``pbx live``: what goes on now, in a terminal."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import aclosing
from pathlib import Path

import click

from pbx.settings import state_dir


@click.command()
@click.option(
    "--json", "json_wanted", is_flag=True, help="Print the engine's messages, one a line."
)
@click.option("--once", is_flag=True, help="Show it once and end.")
def live(json_wanted: bool, once: bool) -> None:
    """Show calls, queues and managers as they are, until Ctrl-C.

    With --json every message is a line, as docs/live.md tells them; `null` is an engine that is
    not there. With --once it exits with 1 when there is none. The engine is found by
    $VORONKA_STATE_DIR.

    Example: pbx live --once
    """
    with contextlib.suppress(KeyboardInterrupt):
        there = asyncio.run(_follow(state_dir(), json_wanted, once))
        if not there:
            raise click.ClickException(f"no engine listens in {state_dir()}")


async def _follow(folder: Path, json_wanted: bool, once: bool) -> bool:
    """Whether the engine was there, when shown once."""
    # Here, not above: slow to import.
    from pbx.cli.live_screen import Screen
    from pbx.cli.output import as_line
    from pbx.live.client import follow
    from pbx.live.picture import Picture

    picture = Picture()
    async with aclosing(follow(folder)) as messages:
        if json_wanted:
            async for message in messages:
                click.echo(as_line(message))
                if once:
                    return message is not None
            return True
        with Screen(moving=not once) as screen:
            async for message in messages:
                if message is not None:
                    picture.take(message)
                if once and message is None:
                    return False
                screen.show(picture.snapshot() if message is not None else None)
                if once:
                    return True
    return True
