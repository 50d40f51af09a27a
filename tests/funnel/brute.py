"""A funnel counted event by event, straight from the log's rows: slow, and easy to see through.

Times are whole milliseconds, as in the product.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, select

from pbx.funnel.count import WEAK_FROM, Counted, Reading, Step
from pbx.funnel.report import FunnelQuery, FunnelReport
from pbx.funnel.sag import Trial
from pbx.funnel.stages import CallStage, Funnel, StageEvent
from pbx.funnel.watch import Watch
from pbx.journal.tables import calls, legs, stage_events
from pbx.reports.slices import NOTHING

Wanted = Callable[[StageEvent], bool]


def funnel_report(log: Engine, query: FunnelQuery, now: datetime) -> FunnelReport:
    """The product's of the same name."""
    period, funnel = query.period, query.funnel
    now = _whole(now)
    with log.connect() as connection:
        if query.reading is Reading.EVENTS:
            events, _ = _events(connection, funnel, period.since - funnel.undecided_for)
        else:
            events = newcomers(connection, funnel, period.since)

    def counted(wanted: Wanted) -> Counted:
        if query.reading is Reading.EVENTS:
            return in_period(funnel, filter(wanted, events), period.since, period.until)
        return cohort(funnel, events, period.since, period.until, now, wanted)

    def of(label: str) -> Wanted:
        return lambda event: fits(query, event) and label_of(query, event, query.by) == label

    if query.reading is Reading.EVENTS:
        starting = [one for one in events if period.since <= one.at < period.until]
    else:
        ways = entered(funnel, events, period.since, period.until, now)
        starting = [way.entry for way in ways]
    groups = {label_of(query, one, query.by) for one in starting if query.by and fits(query, one)}
    return FunnelReport(
        query,
        counted(lambda event: fits(query, event)),
        {label: counted(of(label)) for label in sorted(groups)},
    )


def label_of(query: FunnelQuery, event: StageEvent, name: str) -> str:
    match name:
        case "manager":
            return event.agent or NOTHING
        case "source":
            return event.source or NOTHING
    return query.departments.get(event.agent) or NOTHING


def fits(query: FunnelQuery, event: StageEvent) -> bool:
    if query.agents is not None and event.agent not in query.agents:
        return False
    return all(label_of(query, event, name) in labels for name, labels in query.where.items())


def in_period(
    funnel: Funnel, events: Iterable[StageEvent], since: datetime, until: datetime
) -> Counted:
    by_stage: dict[str, list[StageEvent]] = {name: [] for name in funnel.stages}
    for event in events:
        if event.stage in by_stage and event.at < until:
            by_stage[event.stage].append(event)
    counts = [sum(one.at >= since for one in by_stage[name]) for name in funnel.stages]
    times: list[list[float]] = [[] for _ in funnel.stages]
    for place, (before, name) in enumerate(
        zip(funnel.stages, funnel.stages[1:], strict=False), start=1
    ):
        passed: dict[str, list[datetime]] = {}
        for one in by_stage[before]:
            passed.setdefault(one.subject, []).append(one.at)
        for one in by_stage[name]:
            earlier = sorted(passed.get(one.subject, ()))
            nearest = bisect_right(earlier, one.at)
            if one.at >= since and nearest:
                times[place].append((one.at - earlier[nearest - 1]).total_seconds())
    return _counted(Reading.EVENTS, funnel, counts, [0] * len(counts), times)


def cohort(
    funnel: Funnel,
    events: Iterable[StageEvent],
    since: datetime,
    until: datetime,
    now: datetime,
    wanted: Wanted = lambda _: True,
) -> Counted:
    ways = [way for way in entered(funnel, events, since, until, now) if wanted(way.entry)]
    counts, opens = [0] * len(funnel.stages), [0] * len(funnel.stages)
    times: list[list[float]] = [[] for _ in funnel.stages]
    for way in ways:
        for place in range(way.furthest + 1):
            counts[place] += 1
        if way.furthest + 1 < len(counts) and now - way.last < funnel.undecided_for:
            opens[way.furthest + 1] += 1
        for place in range(1, len(counts)):
            here, before = way.at[place], way.at[place - 1]
            if here is not None and before is not None and here >= before:
                times[place].append((here - before).total_seconds())
    return _counted(Reading.COHORT, funnel, counts, opens, times)


@dataclass(frozen=True, slots=True)
class Way:
    """One subject's: when each stage was first passed since they entered, None: not."""

    entry: StageEvent
    at: tuple[datetime | None, ...]
    furthest: int
    last: datetime


def entered(
    funnel: Funnel, events: Iterable[StageEvent], since: datetime, until: datetime, now: datetime
) -> list[Way]:
    places = {name: place for place, name in enumerate(funnel.stages)}
    by_subject: dict[str, list[StageEvent]] = {}
    for event in events:
        if event.stage in places and event.at <= now:
            by_subject.setdefault(event.subject, []).append(event)
    found = []
    for theirs in by_subject.values():
        # Of the same moment the earlier stage is first.
        theirs.sort(key=lambda one: (one.at, places[one.stage]))
        entry = next((one for one in theirs if places[one.stage] == 0), None)
        if entry is None or not since <= entry.at < until:
            continue
        at: list[datetime | None] = [None] * len(places)
        for one in theirs:
            if one.at >= entry.at and at[places[one.stage]] is None:
                at[places[one.stage]] = one.at
        passed = [(place, when) for place, when in enumerate(at) if when is not None]
        last = max(when for _, when in passed)
        found.append(Way(entry, tuple(at), passed[-1][0], last))
    return found


def trials(log: Engine, wanted: Watch, until: datetime) -> list[Trial]:
    """The product's of the same name, for slices of managers and sources."""
    look = wanted.look
    first, last = look.first(until), until + look.settle
    with log.connect() as connection:
        events = newcomers(connection, wanted.funnel, first)
    begins = min((one.at for one in events), default=first)
    ways = entered(wanted.funnel, events, begins, last, last)
    groups: dict[str, list[Way]] = {"": ways}
    for name, label in wanted.slices.items():
        found: dict[str, list[Way]] = {}
        for way in ways:
            told = label(way.entry.agent, way.entry.source)
            if told is not None:
                found.setdefault(f"{name}={told}", []).append(way)
        groups |= dict(sorted(found.items()))
    return [one for name, some in groups.items() for one in _trials(wanted, name, some, until)]


def _trials(wanted: Watch, label: str, ways: Iterable[Way], until: datetime) -> list[Trial]:
    stages, look = wanted.funnel.stages, wanted.look
    counts = [[0, 0, 0, 0] for _ in stages]
    for way in ways:
        for place in range(1, len(stages)):
            at = way.at[place - 1]
            if at is None or not look.first(until) <= at < until:
                continue
            after = [one for one in way.at[place:] if one is not None and one >= at]
            came = bool(after) and min(after) - at <= look.settle
            side = 2 if at >= until - look.window else 0
            counts[place][side] += 1
            counts[place][side + 1] += came
    return [Trial(label, stages[n], *counts[n]) for n in range(1, len(stages))]


def newcomers(connection: Connection, funnel: Funnel, since: datetime) -> list[StageEvent]:
    """The events of those who did not enter with a call before then."""
    events, old = _events(connection, funnel, since)
    return [one for one in events if one.subject not in old]


def _events(
    connection: Connection, funnel: Funnel, since: datetime
) -> tuple[list[StageEvent], set[str]]:
    """Events of a funnel's stages, those that calls pass by themselves since then only; and the
    subjects that had called before."""
    query = select(stage_events).where(stage_events.c.stage.in_(funnel.stages))
    query = query.order_by(stage_events.c.at, stage_events.c.event_id)
    others = _others(connection, funnel)
    told = []
    for row in connection.execute(query):
        values = {name: getattr(row, name) for name in StageEvent.__slots__}
        values |= {"at": _whole(row.at), "subject": others.get(row.subject, row.subject)}
        told.append(StageEvent(**values))
    if not funnel.of_calls:
        return told, set()
    own = {one.value for one in CallStage}
    passed, old = call_events(connection, funnel.talk, since)
    return [one for one in told if one.stage not in own] + passed, old


def _others(connection: Connection, funnel: Funnel) -> dict[str, str]:
    """Deals that are a part of a contact's way, and which one's: all that are theirs on the way on
    from a call, the first one on that through the plan's stages."""
    here = stage_events.c
    query = select(here.subject, here.number).order_by(here.noted_at, here.at, here.event_id)
    found: dict[str, str] = {}
    for subject, number in connection.execute(query):
        if subject.startswith("deal:") and number:
            found.setdefault(subject, number)
    if funnel.of_calls:
        return found
    first: dict[str, str] = {}
    for deal, number in found.items():
        first.setdefault(number, deal)
    return {deal: number for number, deal in first.items()}


def call_events(
    connection: Connection, talk: timedelta, since: datetime
) -> tuple[list[StageEvent], set[str]]:
    """The stages that incoming calls passed by themselves, for calls that began then or later; and
    the subjects that had called before.  Out of the rows of the log, not out of facts."""
    with_parts = set(
        connection.execute(
            select(legs.c.call_id).where(legs.c.kind.in_(("device", "outside")))
        ).scalars()
    )
    found: list[StageEvent] = []
    first: dict[str, datetime] = {}
    seen: set[str] = set()
    old: set[str] = set()
    rows = connection.execute(select(calls)).all()
    for row in rows:
        first[row.number] = min(row.started_at, first.get(row.number, row.started_at))
    rows = sorted(rows, key=lambda row: (_whole(row.started_at), row.call_id))
    for row in rows:
        began = _whole(row.started_at)
        if row.ended_at is None or began < since:
            continue
        if row.number and row.number not in seen:
            seen.add(row.number)
            if first[row.number] < row.started_at:
                old.add(row.number)
        talked = timedelta(milliseconds=round((row.talk_s or 0.0) * 1000))
        waited = timedelta(milliseconds=round((row.wait_s or 0.0) * 1000))
        nothing = timedelta()
        joined = max(nothing, _whole(row.ended_at) - began - talked)
        reached = row.queue is not None or row.call_id in with_parts
        passed = [(CallStage.CALLED, nothing)]
        if reached:
            passed.append((CallStage.PAST_MENU, max(nothing, joined - waited)))
        if reached and row.outcome == "answered":
            passed.append((CallStage.REACHED, joined))
            if talked > talk:
                passed.append((CallStage.TALKED, joined + talk))
        for stage, after in passed:
            found.append(
                StageEvent(
                    key=f"{row.call_id}/{stage}",
                    stage=stage.value,
                    subject=row.number or f"call:{row.call_id}",
                    at=began + after,
                    number=row.number,
                    agent=row.agent or "",
                    source=row.source,
                    call_id=row.call_id,
                    via="engine",
                )
            )
    return found, old


def _whole(at: datetime) -> datetime:
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _counted(
    reading: Reading,
    funnel: Funnel,
    counts: Sequence[int],
    opens: Sequence[int],
    times: Sequence[Sequence[float]],
) -> Counted:
    steps = []
    for place, name in enumerate(funnel.stages):
        before = counts[place - 1] if place else 0
        top = counts[0]
        count = counts[place]
        decided = before - opens[place]
        middle = sorted(times[place])[(len(times[place]) - 1) // 2] if times[place] else None
        steps.append(
            Step(
                stage=name,
                title=funnel.titles[name],
                count=count,
                to_previous=count / before if before else None,
                to_top=count / top if top and place else None,
                open=opens[place],
                decided=count / decided if place and decided > 0 else None,
                median_s=middle,
            )
        )
    able = [
        (step.to_previous, place)
        for place, step in enumerate(steps)
        if step.to_previous is not None and place and counts[place - 1] >= WEAK_FROM
    ]
    weak = steps[min(able)[1]].stage if able else None
    return Counted(reading, tuple(steps), weak)
