"""``pbx click``: a manager's phone rings, then the client is called."""

from __future__ import annotations

import click

from pbx.cli.output import as_json
from pbx.click_words import WORDS
from pbx.control import ask
from pbx.settings import state_dir


@click.command(name="click")
@click.argument("agent", metavar="MANAGER")
@click.argument("number")
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")
@click.pass_context
def click_to_call(context: click.Context, agent: str, number: str, json_wanted: bool) -> None:
    """Ring the manager's phones, then call NUMBER through the trunk, and join both.

    MANAGER is a key of the plan. Exits with 0 when the phones ring, 1 when it is refused; the
    call is in pbx calls. The engine is found by $VORONKA_STATE_DIR.

    Example: pbx click ivanov +79161234567
    """
    request: dict[str, object] = {"command": "click", "agent": agent, "number": number}
    reply = ask(state_dir(), request, timeout_s=10.0)
    result = str(reply.get("result", ""))
    if json_wanted:
        click.echo(as_json({"result": result, "accepted": bool(reply.get("accepted"))}))
    else:
        click.echo(WORDS.get(result, result))
    context.exit(0 if reply.get("accepted") else 1)
