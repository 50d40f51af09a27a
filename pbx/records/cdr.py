"""Asterisk's own record of calls (cdr-custom/voronka.csv): what it says of a call that no engine
saw to its end, as entries for the log.  Pure.

One line for each pair that talked and for each part without a partner; all lines of a caller's
channel are written together when it is gone.  Fields: asterisk-conf/cdr_custom.conf.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pbx.journal import port
from pbx.journal.port import Stamped
from pbx.numbers import clean_name, normalise
from pbx.plan.model import Number, Plan
from routing import facts
from routing.values import AgentId, CallId, Disposition, LegId, Outcome, Seconds

CAUSE = "completed from the switch's own records"
"""The cause of a call that no engine saw to its end, once Asterisk's records told it."""
LEG_PREFIX = "voronka-"
_CALLERS = frozenset({"voronka-trunk", "voronka-call", "voronka-alone", "voronka-transfer"})
_FIELDS = 12


@dataclass(frozen=True, slots=True)
class Record:
    """One line.  Times: UTC; ``answered`` None when nobody did.  ``far``: the partner's channel."""

    unique_id: str
    started: datetime
    answered: datetime | None
    ended: datetime
    number: str
    name: str
    dialled: str
    context: str
    channel: str
    far: str


@dataclass(frozen=True, slots=True)
class Talk:
    """``channel``: of whom the caller talked with."""

    started: datetime
    ended: datetime
    channel: str

    @property
    def length_s(self) -> Seconds:
        """Never negative."""
        return max(0.0, (self.ended - self.started).total_seconds())


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """A caller's call as Asterisk recorded it."""

    call_id: CallId
    dialled: str
    number: str
    name: str
    started: datetime
    ended: datetime
    talks: tuple[Talk, ...]


@dataclass(frozen=True, slots=True)
class OpenLeg:
    """A device's leg of which the log does not know the end."""

    leg_id: LegId
    agent_id: AgentId
    started: datetime


@dataclass(frozen=True, slots=True)
class KnownCall:
    """What the log holds of a call that was closed without having been seen to its end.

    ``waited_s``: the waits that were; ``talked_s``: talks that ended before; ``outcome``: as far
    as it was seen.
    """

    legs: tuple[OpenLeg, ...]
    waited_s: Seconds
    talked_s: Seconds
    left_message: bool
    outcome: Outcome = Outcome.FAILED


def parse(line: str) -> Record | None:
    """The record on a line; None where it is none (cut off, or another format)."""
    try:
        fields = next(csv.reader([line]), [])
    except csv.Error:
        return None
    if len(fields) != _FIELDS:
        return None
    unique_id, _, started, answered, ended, _, number, name, dialled, context, channel, far = fields
    began, over = _time(started), _time(ended)
    if began is None or over is None:
        return None
    # The caller's name stands before their number: "Мария" <+7...>.
    name = name.rpartition("<")[0].strip().removeprefix('"').removesuffix('"')
    return Record(
        unique_id, began, _time(answered), over, number, name, dialled, context, channel, far
    )


def calls_of(records: Iterable[Record]) -> list[RecordedCall]:
    """The callers' calls among the records."""
    parts: dict[str, list[Record]] = {}
    for record in records:
        if record.dialled and record.context in _CALLERS:
            parts.setdefault(record.unique_id, []).append(record)
    found: list[RecordedCall] = []
    for unique_id, records_of_one in parts.items():
        inside = sorted(records_of_one, key=lambda one: one.started)
        first = inside[0]
        talks = tuple(
            Talk(one.answered, one.ended, one.far)
            for one in inside
            if one.far and one.answered is not None
        )
        found.append(
            RecordedCall(
                CallId(unique_id),
                first.dialled,
                first.number,
                first.name,
                first.started,
                max(one.ended for one in inside),
                talks,
            )
        )
    return found


def unseen(
    call: RecordedCall, plan: Plan, who: Callable[[str], AgentId | None], message_s: Seconds | None
) -> list[Stamped]:
    """Entries for a call that no engine heard of.

    ``who``: the manager at an address; ``message_s``: length of the message that was left.
    """
    number = _number(plan, call.dialled)
    caller = normalise(call.number, plan.region)
    stamped = [
        Stamped(
            call.started,
            port.CallStarted(
                call_id=call.call_id,
                did=number.did if number else call.dialled,
                number=caller.e164,
                number_raw=caller.raw,
                name=clean_name(call.name),
                source=number.source if number else "",
                language=number.language if number else plan.languages[0],
                reconstructed=True,
            ),
        )
    ]
    for count, talk in enumerate(call.talks, start=1):
        stamped += _talk(call.call_id, LegId(f"{call.call_id}/cdr{count}"), talk, who)
    if message_s is not None:
        stamped.append(Stamped(call.ended, message_left(call.call_id, message_s)))
    first = call.talks[0].started if call.talks else call.ended
    stamped.append(
        _ended(
            call,
            answered=bool(call.talks),
            left_message=message_s is not None,
            wait_s=max(0.0, (first - call.started).total_seconds()),
            talk_s=sum(talk.length_s for talk in call.talks),
        )
    )
    return stamped


def completed(
    call: RecordedCall,
    known: KnownCall,
    channels: dict[str, LegId],
    who: Callable[[str], AgentId | None],
    message_s: Seconds | None,
) -> list[Stamped]:
    """Entries for a call whose end no engine saw.  ``channels``: the leg behind a channel."""
    stamped: list[Stamped] = []
    by_leg = {channels[talk.channel]: talk for talk in call.talks if talk.channel in channels}
    for leg in known.legs:
        talk = by_leg.pop(leg.leg_id, None)
        if talk is None:
            continue
        joined_at = max(talk.started, leg.started)
        ring_s = (joined_at - leg.started).total_seconds()
        stamped += [
            Stamped(joined_at, facts.LegJoined(leg.leg_id, call.call_id, leg.agent_id)),
            Stamped(
                talk.ended,
                facts.LegFinished(
                    leg.leg_id,
                    call.call_id,
                    leg.agent_id,
                    Disposition.ANSWERED,
                    CAUSE,
                    ring_s,
                    talk.length_s,
                ),
            ),
        ]
    rest = [talk for talk in call.talks if talk.channel not in channels]
    for count, talk in enumerate(rest, start=1):
        stamped += _talk(call.call_id, LegId(f"{call.call_id}/cdr{count}"), talk, who)
    if message_s is not None:
        stamped.append(Stamped(call.ended, message_left(call.call_id, message_s)))
    stamped.append(
        _ended(
            call,
            answered=bool(call.talks) or known.talked_s > 0,
            left_message=message_s is not None or known.left_message,
            otherwise=known.outcome,
            wait_s=known.waited_s,
            talk_s=max(known.talked_s, sum(talk.length_s for talk in call.talks)),
        )
    )
    return stamped


def message_left(call_id: CallId, length_s: Seconds, path: str = "") -> port.MessageLeft:
    """A message that Asterisk took by itself."""
    return port.MessageLeft(call_id, "rescue", path or f"alone-{call_id}.wav", length_s)


def _talk(
    call_id: CallId, leg_id: LegId, talk: Talk, who: Callable[[str], AgentId | None]
) -> list[Stamped]:
    address = talk.channel.rpartition("-")[0]
    agent = who(address)
    began = port.OutsideLegStarted(call_id, leg_id, address, address, agent)
    over = port.OutsideLegFinished(
        call_id, leg_id, Disposition.ANSWERED.value, CAUSE, 0.0, talk.length_s, agent
    )
    return [Stamped(talk.started, began), Stamped(talk.ended, over)]


def _ended(
    call: RecordedCall,
    *,
    answered: bool,
    left_message: bool,
    wait_s: Seconds,
    talk_s: Seconds,
    otherwise: Outcome = Outcome.FAILED,
) -> Stamped:
    if answered:
        outcome = Outcome.ANSWERED
    elif left_message:
        outcome = Outcome.VOICEMAIL
    elif otherwise is Outcome.FAILED:
        outcome = Outcome.ABANDONED_WAITING
    else:
        outcome = otherwise
    return Stamped(
        call.ended,
        port.CallEnded(
            call_id=call.call_id,
            outcome=outcome,
            short=False,
            wait_s=wait_s,
            talk_s=talk_s,
            cause=CAUSE,
            last_node="",
        ),
    )


def _number(plan: Plan, dialled: str) -> Number | None:
    for number in plan.numbers.values():
        if dialled in (number.did, number.did.removeprefix("+"), *number.also):
            return number
    return None


def leg_channels(records: Sequence[Record]) -> dict[str, LegId]:
    """Channel to leg, of the legs that an engine rang."""
    return {
        one.channel: LegId(one.unique_id.removeprefix(LEG_PREFIX))
        for one in records
        if one.unique_id.startswith(LEG_PREFIX)
    }


def _time(text: str) -> datetime | None:
    """Seconds since the epoch; None for nothing (0.000000) and for what is no time."""
    try:
        at = float(text)
        return datetime.fromtimestamp(at, UTC) if at > 0 else None
    except (ValueError, OverflowError, OSError):
        return None
