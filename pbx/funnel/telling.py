"""Stage events as programs and managers tell them: one way in for all of them.

House rules: all of a batch or nothing, every mistake told with its place; an event told again is
known, and nothing that is written ever changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import IntegrityError

from pbx.errors import FunnelError, JournalError
from pbx.funnel.book import KeyTaken, Noted, note_in, written
from pbx.funnel.stages import QUALIFIED, StageEvent
from pbx.journal.change import text
from pbx.journal.database import told_as_ours
from pbx.journal.tables import calls
from pbx.numbers import normalise
from pbx.plan.model import Plan

MOST = 1_000
"""Events told at once."""
MANAGER = "manager"
"""``via`` of what a manager told."""
LONGEST = 200
"""Of any text of an event, characters."""
_TOGETHER = 400
AHEAD = timedelta(minutes=5)
"""How far another machine's clock may be ahead of ours."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event as it is told.  ``event_id``: the teller's own, the same whenever it tells it again.

    ``at``: None for now.  ``number``: in any spelling.  Of an event without number and deal, the
    contact (and the source) is that of the call ``call_id``.
    """

    event_id: str
    stage: str
    at: datetime | None = None
    number: str = ""
    deal: str = ""
    manager: str = ""
    source: str = ""
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class Slip:
    """What is wrong with the ``index``-th event.  ``field``: as in the API's JSON.  ``conflict``:
    with an event that has that id already."""

    index: int
    field: str
    what: str
    conflict: bool = False


class EventsRefused(FunnelError):
    """Nothing was taken."""

    def __init__(self, slips: Sequence[Slip]) -> None:
        self.slips = tuple(slips)
        lines = [f"event {one.index}: {one.field}: {one.what}" for one in slips]
        super().__init__("\n".join([*lines, "nothing was taken"]))


def record(engine: Engine, events: Sequence[Told], plan: Plan, now: datetime, *, via: str) -> Noted:
    """Write what is told, all or none; ``via``: manager or crm.

    Raises EventsRefused, JournalError.
    """
    if len(events) > MOST:
        raise EventsRefused([Slip(MOST, "id", f"more than {MOST} events at once")])
    try:
        return _record(engine, events, plan, now, via)
    except JournalError as error:
        if not isinstance(error.__cause__, IntegrityError):
            raise
    # Somebody has told the same in the same moment: now it is known.
    return _record(engine, events, plan, now, via)


def _record(engine: Engine, events: Sequence[Told], plan: Plan, now: datetime, via: str) -> Noted:
    with told_as_ours(engine), engine.begin() as connection:
        known = written(connection, [text(one.event_id) for one in events])
        of_calls = [one.call_id for one in events if not (one.number or one.deal)]
        asked = {text(one) for one in of_calls if one}
        reader = _Reader(plan, now, via, known, _callers(connection, sorted(asked)))
        read = [reader.read(index, one) for index, one in enumerate(events)]
        if reader.slips:
            raise EventsRefused(reader.slips)
        try:
            return note_in(connection, [one for one in read if one is not None], now)
        except KeyTaken as error:
            at = max(index for index, one in enumerate(events) if one.event_id == error.key)
            raise EventsRefused([Slip(at, "id", error.why, conflict=True)]) from error


def of_talk(call_id: str, agent: str, stage: str) -> str:
    """The id of what a manager tells of a talk, however they do: told twice, it is told once."""
    return f"page/{call_id}/{agent}/{stage}"


def stages_of(plan: Plan) -> tuple[str, ...]:
    """Those that somebody tells; the others follow from calls."""
    own = plan.funnel.stages if plan.funnel is not None else ()
    return (*map(str, own), QUALIFIED)


class _Reader:
    def __init__(
        self,
        plan: Plan,
        now: datetime,
        via: str,
        known: Mapping[str, StageEvent],
        callers: Mapping[str, tuple[str, str]],
    ) -> None:
        self._plan = plan
        self._stages = stages_of(plan)
        self._now = now
        self._via = via
        self._known = known
        self._callers = callers
        self.slips: list[Slip] = []

    def read(self, index: int, told: Told) -> StageEvent | None:
        """The event; None where something is wrong with it."""
        before = len(self.slips)

        def wrong(field: str, what: str) -> None:
            self.slips.append(Slip(index, field, what))

        for field, value in (("id", told.event_id), ("deal", told.deal), ("source", told.source)):
            if len(value) > LONGEST:
                wrong(field, f"more than {LONGEST} characters")
        if not told.event_id.strip() or not told.event_id.isprintable():
            wrong("id", "is needed, of printable characters")
        if told.stage not in self._stages:
            wrong("stage", f"no stage {told.stage!r}; stages are {', '.join(self._stages)}")
        if told.manager and told.manager not in self._plan.routing.agents:
            wrong("manager", f"the plan has no manager {told.manager!r}")
        number, source = "", told.source
        if told.number:
            number = normalise(told.number, self._plan.region).e164
            if not number:
                wrong("number", f"{told.number!r} is no telephone number")
        elif not told.deal:
            number, of_call = self._callers.get(told.call_id, ("", ""))
            source = source or of_call
            if not number:
                wrong("number", "neither a number, nor a deal, nor a call that showed a number")
        at = self._at(told)
        if at is None:
            wrong("at", "has no time zone")
        elif at > self._now + AHEAD:
            wrong("at", "is in the future")
        if len(self.slips) > before or at is None:
            return None
        return StageEvent(
            key=told.event_id,
            stage=told.stage,
            subject=f"deal:{told.deal}" if told.deal else number,
            at=at,
            number=number,
            agent=told.manager,
            source=source,
            call_id=told.call_id,
            via=self._via,
        )

    def _at(self, told: Told) -> datetime | None:
        if told.at is None:
            # Told again without a time, it is the same event: of the first time.
            known = self._known.get(told.event_id)
            return known.at if known is not None else self._now
        return told.at.astimezone(UTC) if told.at.tzinfo is not None else None


def _callers(connection: Connection, call_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Number and source of these calls."""
    query = select(calls.c.call_id, calls.c.number, calls.c.source)
    found: dict[str, tuple[str, str]] = {}
    for begin in range(0, len(call_ids), _TOGETHER):
        some = call_ids[begin : begin + _TOGETHER]
        for row in connection.execute(query.where(calls.c.call_id.in_(some))):
            found[row.call_id] = (row.number, row.source)
    return found
