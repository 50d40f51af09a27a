"""``pbx pause`` and ``pbx unpause``: a manager gets no calls for a while."""

from __future__ import annotations

import click

from pbx.cli.output import told
from pbx.control import ask
from pbx.settings import state_dir

_ASK_S = 10.0


@click.command()
@click.argument("agent", metavar="MANAGER")
@click.option("--reason", required=True, help="Why; it stands in the log with your name.")
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON object.")
def pause(agent: str, reason: str, json_wanted: bool) -> None:
    """Give MANAGER, a key of the plan, no calls until pbx unpause.

    In a talk the pause begins when it is over; it outlasts a restart of the engine, which is found
    by $VORONKA_STATE_DIR.

    Example: pbx pause ivanov --reason lunch
    """
    request: dict[str, object] = {"command": "pause", "agent": agent, "reason": reason}
    reply = ask(state_dir(), request, timeout_s=_ASK_S)
    state = str(reply.get("state"))
    words = "paused" if state in ("paused", "offline") else f"paused when no longer {state}"
    told({"agent": agent, "state": state}, words, json_wanted)


@click.command()
@click.argument("agent", metavar="MANAGER")
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON object.")
def unpause(agent: str, json_wanted: bool) -> None:
    """Give MANAGER, a key of the plan, calls again; a wrap-up ends early.

    Example: pbx unpause ivanov
    """
    reply = ask(state_dir(), {"command": "unpause", "agent": agent}, timeout_s=_ASK_S)
    state = str(reply.get("state"))
    told({"agent": agent, "state": state}, f"not paused: {state}", json_wanted)
