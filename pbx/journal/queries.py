"""Questions to the log: calls by filters, one call's whole story."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Select, and_, false, func, or_, select

from pbx.journal import tables
from pbx.journal.database import told_as_ours
from pbx.journal.story import (
    CallbackRow,
    CallRow,
    CallStory,
    LeftOutRow,
    LegRow,
    MessageRow,
    OfferRow,
    RecordingRow,
    StepRow,
    Totals,
    TotalsGroup,
    WaitRow,
)
from pbx.journal.tables import LegKind, calls, legs

RUNG = (LegKind.DEVICE.value, LegKind.OUTSIDE.value)
"""Legs that a call's one line tells of."""
WITHHELD = "withheld"
"""As a number in a filter: callers who did not show theirs."""
IN_PROGRESS = "in_progress"
"""As an outcome in a filter: calls that have none yet."""
_CHUNK = 500
_RARE = 5_000
"""Calls that are quicker looked up than met by chance: where more have something, the newest
hundred of them are among some ten thousand of a million."""
_FEW_NUMBERS = 300
"""Callers, or numbers of ours, whose calls are looked up one by one."""
_TRUNK_PREFIXES = ("00", "0", "8")
_NATIONAL_MIN = 8


@dataclass(frozen=True, slots=True)
class Sight:
    """Whose calls somebody may see: those for which one of ``agents`` was rung or talked, and those
    that one of ``queues`` had."""

    agents: frozenset[str] = frozenset()
    queues: frozenset[str] = frozenset()

    def shows(self, story: CallStory) -> bool:
        """The same of a call in hand."""
        return any(leg.agent in self.agents for leg in story.legs) or any(
            one in self.queues for one in (story.call.queue, *(wait.queue for wait in story.waits))
        )


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Which calls; None asks for nothing.

    ``since`` (inclusive) and ``until`` (exclusive) are about the beginning of a call.
    ``number``: the caller's, in any spelling, or its last digits, or WITHHELD; ``did`` likewise.
    ``caller``: the caller's, as the log has it.
    ``agent``: rung or talked, by key.  ``outcome``: an Outcome's value, or IN_PROGRESS.
    ``recorded``: a recording of it can be heard.  ``before``: older than the call that began then
    and has this id: the next page.  ``sight``: of those, what may be seen; None is everything.
    ``limit``: the newest so many; None for all.
    """

    since: datetime | None = None
    until: datetime | None = None
    number: str | None = None
    did: str | None = None
    queue: str | None = None
    agent: str | None = None
    outcome: str | None = None
    limit: int | None = None
    caller: str | None = None
    recorded: bool = False
    before: tuple[datetime, str] | None = None
    sight: Sight | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """What there is to hear of a call: how many recordings and messages."""

    recordings: int = 0
    messages: int = 0


def list_calls(engine: Engine, wanted: CallFilter) -> list[CallRow]:
    """Calls with the legs that were rung, the oldest first.  Raises JournalError."""
    with told_as_ours(engine), engine.connect() as connection:
        query = (
            select(calls)
            .where(*quick_conditions(connection, wanted))
            .order_by(calls.c.started_at.desc(), calls.c.call_id.desc())
            .limit(wanted.limit)
        )
        rows = [_call(row) for row in connection.execute(query)]
        rows.reverse()
        rung = _legs_of(connection, [row.call_id for row in rows], RUNG)
    return [replace(row, legs=tuple(rung.get(row.call_id, ()))) for row in rows]


def heard(engine: Engine, call_ids: Sequence[str]) -> Mapping[str, Heard]:
    """Of these calls, those that there is something to hear of.  Raises JournalError."""
    talks = (
        select(legs.c.call_id, func.count().label("number"))
        .join(tables.recordings, tables.recordings.c.leg_id == legs.c.leg_id)
        .where(legs.c.call_id.in_(call_ids), *_kept())
        .group_by(legs.c.call_id)
    )
    left = tables.messages.c
    said = (
        select(left.call_id, func.count().label("number"))
        .where(left.call_id.in_(call_ids))
        .group_by(left.call_id)
    )
    with told_as_ours(engine), engine.connect() as connection:
        recorded = {row.call_id: row.number for row in connection.execute(talks)}
        messages = {row.call_id: row.number for row in connection.execute(said)}
    return {
        call_id: Heard(recorded.get(call_id, 0), messages.get(call_id, 0))
        for call_id in recorded.keys() | messages.keys()
    }


def totals(engine: Engine, wanted: CallFilter) -> Totals:
    """Sums over all clients' calls of the filter, whatever its limit; those that we made count
    elsewhere (docs/callback.md).  Raises JournalError."""
    query = (
        select(
            calls.c.outcome,
            calls.c.short,
            func.count(),
            func.coalesce(func.sum(calls.c.wait_s), 0.0),
            func.coalesce(func.sum(calls.c.talk_s), 0.0),
        )
        .where(*conditions(wanted), calls.c.callback_of.is_(None))
        .group_by(calls.c.outcome, calls.c.short)
    )
    with told_as_ours(engine), engine.connect() as connection:
        groups = [
            TotalsGroup(outcome, number, number if short else 0, wait_s, talk_s)
            for outcome, short, number, wait_s, talk_s in connection.execute(query)
        ]
    return Totals.from_groups(groups)


def call_story(engine: Engine, call_id: str) -> CallStory | None:
    """One call's whole story; None when the log does not know it.  Raises JournalError."""
    with told_as_ours(engine), engine.connect() as connection:
        row = connection.execute(select(calls).where(calls.c.call_id == call_id)).first()
        if row is None:
            return None
        all_legs = tuple(_legs_of(connection, [call_id], None).get(call_id, ()))
        rung = tuple(leg for leg in all_legs if leg.kind in RUNG)
        return CallStory(
            call=replace(_call(row), legs=rung),
            steps=tuple(
                StepRow(one.at, one.node, one.kind, one.digits, one.detail)
                for one in _of_call(connection, tables.steps, call_id, "at", "step_id")
            ),
            waits=tuple(
                WaitRow(
                    one.queue,
                    one.position,
                    one.priority,
                    one.started_at,
                    one.ended_at,
                    one.waited_s,
                    one.reason,
                )
                for one in _of_call(connection, tables.waits, call_id, "started_at", "wait_id")
            ),
            offers=tuple(
                _offer(one) for one in _of_call(connection, tables.offers, call_id, "at", "row_id")
            ),
            legs=all_legs,
            callbacks=tuple(
                CallbackRow(one.at, one.number, one.queue)
                for one in _of_call(connection, tables.callbacks, call_id, "at", "callback_id")
            ),
            messages=tuple(
                MessageRow(one.at, one.box, one.path, one.length_s, one.message_id)
                for one in _of_call(connection, tables.messages, call_id, "at", "message_id")
            ),
            recordings=_recordings(connection, [leg.leg_id for leg in all_legs]),
        )


def message(engine: Engine, message_id: str) -> tuple[str, MessageRow] | None:
    """A voicemail and its call's id; None when the log does not know it.  Raises JournalError."""
    table = tables.messages
    query = select(table).where(table.c.message_id == message_id)
    with told_as_ours(engine), engine.connect() as connection:
        one = connection.execute(query).first()
    if one is None:
        return None
    return one.call_id, MessageRow(one.at, one.box, one.path, one.length_s, one.message_id)


def conditions(wanted: CallFilter) -> list[ColumnElement[bool]]:
    """The filter as conditions on the table of calls."""
    found: list[ColumnElement[bool]] = []
    if wanted.since is not None:
        found.append(calls.c.started_at >= wanted.since)
    if wanted.until is not None:
        found.append(calls.c.started_at < wanted.until)
    if wanted.number == WITHHELD:
        found.append(calls.c.number == "")
    elif wanted.number is not None:
        found.append(
            or_(_ends(calls.c.number, wanted.number), _ends(calls.c.number_raw, wanted.number))
        )
    if wanted.did is not None:
        found.append(_ends(calls.c.did, wanted.did))
    if wanted.queue is not None:
        queued = select(tables.waits.c.call_id).where(tables.waits.c.queue == wanted.queue)
        found.append(or_(calls.c.queue == wanted.queue, calls.c.call_id.in_(queued)))
    if wanted.agent is not None:
        rung = select(legs.c.call_id).where(legs.c.agent == wanted.agent)
        found.append(calls.c.call_id.in_(rung))
    if wanted.outcome == IN_PROGRESS:
        found.append(calls.c.outcome.is_(None))
    elif wanted.outcome is not None:
        found.append(calls.c.outcome == wanted.outcome)
    if wanted.caller is not None:
        found.append(calls.c.number == wanted.caller)
    if wanted.recorded:
        found.append(
            select(legs.c.leg_id)
            .join(tables.recordings, tables.recordings.c.leg_id == legs.c.leg_id)
            .where(legs.c.call_id == calls.c.call_id, *_kept())
            .correlate(calls)
            .exists()
        )
    if wanted.before is not None:
        at, call_id = wanted.before
        same = and_(calls.c.started_at == at, calls.c.call_id < call_id)
        found += [calls.c.started_at <= at, or_(calls.c.started_at < at, same)]
    if wanted.sight is not None:
        found.append(_seen(wanted.sight))
    return found


def quick_conditions(connection: Connection, wanted: CallFilter) -> list[ColumnElement[bool]]:
    """The same, so that the newest are found quickly in a log of years.

    What few calls have is looked up first; what many have is asked of one call after the other,
    from the newest on, until there are enough.
    """
    found: list[ColumnElement[bool]] = []
    since = [] if wanted.since is None else [wanted.since]
    few: list[Select[tuple[str]]] = []
    if wanted.agent is not None:
        rung = _rung([wanted.agent], since)
        if _is_rare(connection, rung):
            few.append(rung)
        else:
            found.append(_was_rung([wanted.agent]))
    if wanted.queue is not None:
        waited = select(tables.waits.c.call_id).where(
            tables.waits.c.queue == wanted.queue,
            *(tables.waits.c.started_at >= one for one in since),
        )
        ended_there = select(calls.c.call_id).where(
            calls.c.queue == wanted.queue, *(calls.c.started_at >= one for one in since)
        )
        if _is_rare(connection, waited) and _is_rare(connection, ended_there):
            found.append(calls.c.call_id.in_(waited.union(ended_there)))
        else:
            found.append(_seen(Sight(queues=frozenset({wanted.queue}))))
    if wanted.recorded:
        recorded = (
            select(legs.c.call_id)
            .join(tables.recordings, tables.recordings.c.leg_id == legs.c.leg_id)
            .where(*_kept(), *(tables.recordings.c.started_at >= one for one in since))
        )
        if _is_rare(connection, recorded):
            few.append(recorded)
        else:
            found += conditions(CallFilter(recorded=True))
    if wanted.sight is not None and not wanted.sight.queues:
        rung = _rung(sorted(wanted.sight.agents), since)
        if _is_rare(connection, rung):
            few.append(rung)
        else:
            found.append(_seen(wanted.sight))
        wanted = replace(wanted, sight=None)
    if wanted.number is not None and wanted.number != WITHHELD:
        callers = _callers(connection, wanted.number)
        if callers is not None:
            found.append(callers)
            wanted = replace(wanted, number=None)
    if wanted.did is not None:
        dialled = _dialled(connection, wanted.did)
        # Of several, one after the other is quicker than all of them in order.
        if dialled is not None and len(dialled) < 2:
            found.append(calls.c.did == dialled[0] if dialled else false())
            wanted = replace(wanted, did=None)
    found += [calls.c.call_id.in_(some) for some in few]
    left = replace(wanted, agent=None, queue=None, recorded=False)
    if found and left.outcome not in (None, IN_PROGRESS):
        found.append(_by_no_index(calls.c.outcome) == left.outcome)
        left = replace(left, outcome=None)
    return conditions(left) + found


def _by_no_index(column: ColumnElement[str]) -> ColumnElement[str]:
    """The column, where another condition is the way to the rows: SQLite, without statistics, would
    rather go through all that a manager, a queue or an outcome has."""
    return column.concat("")


def _is_rare(connection: Connection, some: Select[Any]) -> bool:
    counted = select(func.count()).select_from(some.limit(_RARE + 1).subquery())
    return connection.execute(counted).scalar_one() <= _RARE


def _callers(connection: Connection, number: str) -> ColumnElement[bool] | None:
    """Calls of the few contacts whose number ends so; None: there are many such."""
    subject = tables.contacts.c.subject
    query = select(subject).where(_ends(subject, number)).limit(_FEW_NUMBERS + 1)
    known = connection.execute(query).scalars().all()
    if len(known) > _FEW_NUMBERS:
        return None
    # What is no number is kept as it came.
    return or_(
        calls.c.number.in_(known),
        and_(calls.c.number == "", _ends(calls.c.number_raw, number)),
    )


def _dialled(connection: Connection, did: str) -> list[str] | None:
    """Numbers of ours that end so, of those that were dialled; None: there are too many to look."""
    known: list[str] = []
    while len(known) < _FEW_NUMBERS:
        # One question each: DISTINCT would look at every call.
        after = known[-1] if known else ""
        query = select(func.min(calls.c.did)).where(calls.c.did > after)
        found = connection.execute(query).scalar()
        if found is None:
            digits = _spellings(did)
            return [one for one in known if one == did or one.endswith(digits)]
        known.append(found)
    return None


def _rung(agents: Sequence[str], since: Sequence[datetime]) -> Select[tuple[str]]:
    return select(legs.c.call_id).where(
        legs.c.agent.in_(agents), *(legs.c.started_at >= one for one in since)
    )


def _was_rung(agents: Sequence[str]) -> ColumnElement[bool]:
    theirs = select(legs.c.leg_id).where(
        legs.c.call_id == calls.c.call_id, _by_no_index(legs.c.agent).in_(agents)
    )
    return theirs.correlate(calls).exists()


def _kept() -> tuple[ColumnElement[bool], ...]:
    """A recording that is finished and has not been removed."""
    table = tables.recordings.c
    return (table.length_s.is_not(None), table.removed_at.is_(None))


def _seen(sight: Sight) -> ColumnElement[bool]:
    """Asked of each call, newest first: a manager's legs of all years are never gathered."""
    ways: list[ColumnElement[bool]] = [false()]
    if sight.agents:
        ways.append(_was_rung(sorted(sight.agents)))
    if sight.queues:
        queues = sorted(sight.queues)
        waited = select(tables.waits.c.wait_id).where(
            tables.waits.c.call_id == calls.c.call_id,
            _by_no_index(tables.waits.c.queue).in_(queues),
        )
        ways += [calls.c.queue.in_(queues), waited.correlate(calls).exists()]
    return or_(*ways)


def _ends(column: ColumnElement[str], number: str) -> ColumnElement[bool]:
    """The number ends with these digits, however they are written."""
    spellings = _spellings(number)
    if not spellings:
        return column == number
    return or_(*(column.like(f"%{one}") for one in spellings))


def _spellings(number: str) -> tuple[str, ...]:
    """Digits that a number may end with in the log.

    A country's own prefix (8 916 ..., 020 ...) is not part of the number there.
    """
    digits = "".join(sign for sign in number if sign.isascii() and sign.isdigit())
    spellings = {digits}
    if "+" not in number and len(digits) >= _NATIONAL_MIN:
        spellings |= {digits.removeprefix(one) for one in _TRUNK_PREFIXES if digits.startswith(one)}
    return tuple(sorted(spellings)) if digits else ()


def _legs_of(
    connection: Connection, call_ids: Sequence[str], kinds: tuple[str, ...] | None
) -> dict[str, list[LegRow]]:
    found: dict[str, list[LegRow]] = {}
    for begin in range(0, len(call_ids), _CHUNK):
        query = (
            select(legs)
            .where(legs.c.call_id.in_(call_ids[begin : begin + _CHUNK]))
            .order_by(legs.c.started_at, legs.c.leg_id)
        )
        if kinds is not None:
            query = query.where(legs.c.kind.in_(kinds))
        for row in connection.execute(query):
            found.setdefault(row.call_id, []).append(LegRow(**row._mapping))
    return found


def _of_call(
    connection: Connection, table: Any, call_id: str, time: str, key: str
) -> Sequence[Any]:
    query = select(table).where(table.c.call_id == call_id).order_by(table.c[time], table.c[key])
    return connection.execute(query).all()


def _recordings(connection: Connection, leg_ids: Sequence[str]) -> tuple[RecordingRow, ...]:
    """By their legs: a recording that was found after a crash does not know its call."""
    table = tables.recordings
    query = (
        select(table)
        .where(table.c.leg_id.in_(leg_ids))
        .order_by(table.c.started_at, table.c.leg_id)
    )
    return tuple(RecordingRow(**row._mapping) for row in connection.execute(query))


def _call(row: Any) -> CallRow:
    return CallRow(**row._mapping)


def _offer(row: Any) -> OfferRow:
    return OfferRow(
        row.offer_id,
        row.queue,
        row.strategy,
        row.why,
        tuple(row.chosen),
        tuple(LeftOutRow(one["agent"], one["reason"]) for one in row.left_out),
        row.at,
        row.ended_at,
        row.result,
    )
