"""What goes on now as tables in a terminal; times go on between two messages."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from types import TracebackType
from typing import Self

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pbx.cli.options import now_utc
from pbx.cli.output import shown
from pbx.cli.tables import make_console
from pbx.live.board import Message
from pbx.live.rows import Row

STAGES = {
    "waiting": "red",
    "ringing": "yellow",
    "calling": "yellow",
    "menu": "",
    "talking": "blue",
    "outside": "magenta",
}
"""In the order in which they matter, and their colour."""
STATES = {
    "free": "green",
    "reserved": "yellow",
    "ringing": "yellow",
    "talking": "blue",
    "wrap_up": "magenta",
    "paused": "dim",
    "offline": "dim",
}
CALLS = 30
"""Shown at once."""
A_SECOND = 4
"""Times that the screen is drawn anew."""


class Screen:
    """Shows the newest picture.  ``moving``: until it is left, in place; else one after another."""

    def __init__(self, *, moving: bool, console: Console | None = None) -> None:
        self._console = console or make_console()
        self._picture: Message | None = None
        self._live = (
            Live(
                console=self._console,
                get_renderable=self._drawn,
                refresh_per_second=A_SECOND,
                screen=self._console.is_terminal,
            )
            if moving
            else None
        )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, picture: Message | None) -> None:
        """This is what goes on; None: the engine is not there."""
        self._picture = picture
        if self._live is None:
            self._console.print(self._drawn())

    def _drawn(self) -> RenderableType:
        return drawn(self._picture, now_utc())


def drawn(picture: Message | None, now: datetime) -> RenderableType:
    """The picture as it is at ``now``."""
    if picture is None:
        return Text("the engine is not there", style="red")
    parts: list[RenderableType] = [_head(picture)]
    if picture["calls"]:
        parts.append(_calls(picture, now))
    if picture["queues"]:
        parts.append(_queues(picture["queues"], now))
    if picture["agents"]:
        parts.append(_agents(picture["agents"], now))
    return Group(*parts)


def _head(picture: Message) -> Text:
    stages = [call["stage"] for call in picture["calls"]]
    text = Text()
    for stage, style in STAGES.items():
        text.append(f"{stages.count(stage)} {stage}   ", style=style if stage in stages else "dim")
    if not picture["ready"]:
        text.append("takes no calls", style="red")
    if (today := picture["today"]) is not None:
        level = today["service_level_of_offered"]
        text.append(
            f"\ntoday: {today['offered']} calls, {today['answered']} answered"
            f" ({'-' if level is None else f'{level:.0%}'} within 20 s), {today['lost']} lost,"
            f" {today['open_missed']} to call back"
        )
    return text


def _calls(picture: Message, now: datetime) -> Table:
    names = {row["id"]: row["name"] or row["id"] for row in picture["agents"]}
    order = list(STAGES)
    calls = sorted(
        picture["calls"], key=lambda one: (order.index(one["stage"]), _began(one), one["id"])
    )
    table = _table("stage", "time", "client", "queue", "manager")
    for call in calls[:CALLS]:
        who = [call["agent"]] if call["agent"] else call["agents_rung"]
        table.add_row(
            Text(call["stage"], style=STAGES[call["stage"]]),
            _since(_began(call), now),
            _plain(f"{call['number'] or 'withheld'} {call['name']}".strip()),
            _plain(call["queue"] or ""),
            _plain(", ".join(names.get(one, one) for one in who)),
        )
    if len(calls) > CALLS:
        table.add_row("", "", Text(f"and {len(calls) - CALLS} more", style="dim"), "", "")
    return table


def _began(call: Row) -> str:
    waits = call["stage"] in ("waiting", "ringing")
    return str(call["waiting_since"] if waits and call["waiting_since"] else call["since"])


def _queues(queues: Iterable[Row], now: datetime) -> Table:
    table = _table("queue", "waiting", "longest", "free", "at work")
    for queue in queues:
        waits = Text(str(queue["waiting"]), style="red" if queue["waiting"] else "dim")
        longest = _since(queue["longest_since"], now)
        name, free, there = _plain(queue["name"]), str(queue["free"]), str(queue["on_duty"])
        table.add_row(name, waits, longest, free, there)
    return table


def _agents(agents: Iterable[Row], now: datetime) -> Table:
    table = _table("manager", "state", "since", "department", "")
    for agent in agents:
        note = agent["reason"] if agent["state"] == "paused" else ""
        if not agent["reachable"] and agent["state"] != "offline":
            note = "phone unreachable"
        table.add_row(
            _plain(agent["name"] or agent["id"]),
            Text(agent["state"].replace("_", " "), style=STATES[agent["state"]]),
            _since(agent["since"], now),
            _plain(agent["department"]),
            Text(shown(note), style="dim"),
        )
    return table


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for column in columns:
        right = column in ("time", "waiting", "longest", "free", "at work", "since")
        table.add_column(column, justify="right" if right else "left", no_wrap=True)
    return table


def _plain(text: str) -> Text:
    """What somebody else has written: no style is made of it."""
    return Text(shown(text))


def _since(at: str | None, now: datetime) -> str:
    """``0:07``, ``2:03:00``."""
    if at is None:
        return ""
    seconds = max(0, int((now - datetime.fromisoformat(at)).total_seconds()))
    minutes, s = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{s:02}" if hours else f"{minutes}:{s:02}"
