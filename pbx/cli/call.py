"""``pbx call ID``: one call's whole story."""

from __future__ import annotations

import click

from pbx.cli.options import db_option, open_log, tz_option, zone
from pbx.errors import JournalError


@click.command()
@click.argument("call_id", metavar="ID")
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON object.")
@db_option
@tz_option
def call(call_id: str, json_wanted: bool, db: str | None, tz: str | None) -> None:
    """Tell the story of the call ID (as pbx calls shows it) from beginning to end.

    Each step in the menus with the key pressed, the waits, whom each offer rang and why, who was
    left out for what reason, every leg, and the end. Times are seconds from the call's beginning.

    Example: pbx call 1795463763.12
    """
    from pbx.journal.queries import call_story  # here: slow to import

    local = zone(tz)
    story = call_story(open_log(db), call_id)
    if story is None:
        raise JournalError(f"no call {call_id!r} in this log")
    if json_wanted:
        from pbx.cli.output import as_json

        click.echo(as_json(story))
    else:
        from pbx.cli.tables import make_console
        from pbx.cli.timeline import render_story

        render_story(story, make_console(), zone=local)
