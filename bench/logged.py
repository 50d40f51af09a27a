"""A log of calls that were really routed: a made-up time, told to the journal as production does.

What is replayed from it can be compared with what made it, call by call.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from pbx.journal import port
from pbx.journal.batch import write_changes
from pbx.journal.port import Stamped
from pbx.journal.rows import RowMaker
from pbx.simulate.callers import Caller
from pbx.simulate.world import Ending, Setting, World
from routing import facts
from routing.plan import RoutingPlan
from routing.strategy import Registry
from routing.values import AgentId, CallId, Outcome, Seconds

_OUTCOMES = {
    Ending.ANSWERED: Outcome.ANSWERED,
    Ending.ABANDONED: Outcome.ABANDONED_WAITING,
    Ending.OVERFLOW: Outcome.OVERFLOW,
    Ending.IN_MENU: Outcome.ABANDONED_IN_MENU,
}
_AT_ONCE = 20_000


class _Journal:
    """Makes entries of what a world tells."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self.entries: list[tuple[Seconds, port.Entry]] = []

    def told(self, now: Seconds, fact: facts.Fact) -> None:
        self.entries.append((now, fact))

    def seen(self, caller: Caller, how: Ending, waited_s: Seconds, agent: AgentId | None) -> None:
        call_id = CallId(f"c{caller.no + 1}")
        came = self._setting.start + caller.at_s
        number, menu_s = caller.number, caller.menu_s or 0.0
        began = port.CallStarted(call_id, caller.target.did, number, number, "", "", "ru")
        self.entries.append((came, began))
        for key in caller.keys or ():
            self.entries.append((came, port.MenuStep(call_id, "menu", "menu", key, f"key {key}")))
        talk_s = caller.talk_s if how is Ending.ANSWERED else 0.0
        ends = came + menu_s + waited_s + talk_s
        over = port.CallEnded(call_id, _OUTCOMES[how], False, waited_s, talk_s, "16", "menu")
        self.entries.append((ends, over))


def route(
    log: Engine,
    setting: Setting,
    routing: RoutingPlan,
    who: Sequence[Caller],
    *,
    registry: Registry,
    seed: int,
) -> None:
    """Play ``who`` (numbered in order, each with keys) and write what happened to the log."""
    write(log, played(setting, routing, who, registry=registry, seed=seed))


def played(
    setting: Setting,
    routing: RoutingPlan,
    who: Sequence[Caller],
    *,
    registry: Registry,
    seed: int,
) -> list[tuple[Seconds, port.Entry]]:
    """What the journal is told of ``who`` (numbered in order, each with keys), in order."""
    journal = _Journal(setting)
    world = World(
        setting,
        routing,
        who,
        registry=registry,
        seed=seed,
        seen=journal.seen,
        told=journal.told,
    )
    world.run()
    # At the same time a call begins before all else of it.
    return sorted(
        journal.entries, key=lambda one: (one[0], not isinstance(one[1], port.CallStarted))
    )


def write(log: Engine, entries: Iterable[tuple[Seconds, port.Entry]]) -> None:
    """As the journal's writer does."""
    rows = RowMaker()
    numbered = enumerate(entries)
    while some := list(itertools.islice(numbered, _AT_ONCE)):
        changes = (
            change
            for n, (at, entry) in some
            for change in rows.rows(f"e{n:09}", Stamped(aware(at), entry))
        )
        with log.begin() as connection:
            write_changes(connection, changes)


def aware(at: Seconds) -> datetime:
    """Core time as the log has it."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at)
