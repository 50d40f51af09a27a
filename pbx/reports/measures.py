"""What a report tells of each group: one function a measure.  docs/metrics.md explains each.

House rules: counts and sums are of whole numbers (milliseconds), so that no order of adding shows;
a measure that is not defined (the average wait of no calls) is not a number, never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from pbx.reports.facts import RESOLVED_WITHIN, Missed
from pbx.reports.groups import Exact, Groups, Mask, Values, share
from pbx.reports.source import NONE
from routing.values import AgentState, Disposition, Outcome

REPEATED_WITHIN_S = 86_400
"""A number that calls again within a day calls about the same thing."""
_QUICK_S = 20 * 60
_DAY_S = 24 * 60 * 60
_RESOLVED_S = int(RESOLVED_WITHIN.total_seconds())


class Of(StrEnum):
    """What a measure counts."""

    CALLS = "calls"
    PARTS = "parts"
    """Managers' parts in calls."""
    STATES = "states"
    """Managers' time."""


class Unit(StrEnum):
    """What a value is in."""

    COUNT = "count"
    SECONDS = "s"
    SHARE = "share"
    """0 to 1."""


@dataclass(frozen=True, slots=True)
class Measure:
    """``columns``: of facts that it asks."""

    name: str
    of: Of
    unit: Unit
    means: str
    columns: tuple[str, ...]
    value: Callable[[Groups], Values | Exact]


# Which calls -----------------------------------------------------------------------------


def _answered(rows: Groups) -> Mask:
    return rows.of("outcome", Outcome.ANSWERED)


def _waited_and_left(rows: Groups) -> Mask:
    return rows.of("outcome", Outcome.ABANDONED_WAITING)


def _short(rows: Groups) -> Mask:
    found: Mask = _waited_and_left(rows) & (rows["short"] != 0)
    return found


def _within(rows: Groups) -> Mask:
    found: Mask = _answered(rows) & (rows["wait_ms"] <= rows.within_ms)
    return found


def _offered_to_managers(rows: Groups) -> Mask:
    found: Mask = (rows["reached"] != 0) & ~_short(rows)
    return found


def _decided(rows: Groups) -> Mask:
    """Answered calls of shown numbers of which it is known whether the client had to call again."""
    again = rows["after_s"] != NONE
    over = rows["ended_s"] + _RESOLVED_S <= rows.now_s
    found: Mask = _answered(rows) & ~rows.of("caller", "withheld") & (again | over)
    return found


def _called_back(rows: Groups) -> Mask:
    return rows.of("missed", Missed.MANAGER)


def _closed_within(rows: Groups, most_s: int) -> Mask:
    back = rows["called_back_s"]
    found: Mask = (back != NONE) & (back <= most_s)
    return found


def _quick(rows: Groups) -> Mask:
    return _called_back(rows) & _closed_within(rows, _QUICK_S)


def _same_day(rows: Groups) -> Mask:
    return _called_back(rows) & _closed_within(rows, _DAY_S) & ~_closed_within(rows, _QUICK_S)


def _undecided(rows: Groups) -> Mask:
    """Missed, and the day in which they may be called back is not over."""
    return rows.of("missed", Missed.OPEN) & (rows["ended_s"] + _DAY_S > rows.now_s)


def _missed(rows: Groups) -> Mask:
    return ~rows.of("missed", "")


def _never(rows: Groups) -> Mask:
    good = rows.of("missed", Missed.CLIENT) | _quick(rows) | _same_day(rows)
    return _missed(rows) & ~good & ~_undecided(rows)


# Which parts -----------------------------------------------------------------------------


def _manager(rows: Groups) -> Mask:
    return ~rows.of("agent", "")


def _took(rows: Groups) -> Mask:
    return rows.of("result", Disposition.ANSWERED)


def _rang_out(rows: Groups) -> Mask:
    return _manager(rows) & rows.of("result", Disposition.NO_ANSWER)


# Making measures -------------------------------------------------------------------------

_Value = Callable[[Groups], Values | Exact]
_Which = Callable[[Groups], Mask]


def _how_many(which: _Which) -> _Value:
    return lambda rows: rows.count(which(rows))


def _part_of(which: _Which, whole: _Which) -> _Value:
    return lambda rows: share(rows.count(which(rows)), rows.count(whole(rows)))


def _seconds(column: str, which: _Which) -> _Value:
    return lambda rows: rows.total(rows[column], which(rows)) / 1000


def _average(columns: tuple[str, ...], which: _Which) -> _Value:
    def value(rows: Groups) -> Values:
        keep = which(rows)
        sums = sum(rows.total(rows[one], keep) for one in columns)
        return share(np.asarray(sums), rows.count(keep) * 1000)

    return value


def _wait_percentile(share_of_calls: float) -> _Value:
    return lambda rows: rows.percentile(rows["wait_ms"], _answered(rows), share_of_calls) / 1000


def _in_state(rows: Groups, *states: AgentState) -> Exact:
    keep = np.zeros(len(rows["length_ms"]), np.bool_)
    for state in states:
        keep |= rows.of("state", state)
    return rows.total(rows["length_ms"], keep)


_BUSY = (AgentState.TALKING, AgentState.WRAP_UP)
_READY = (AgentState.FREE, AgentState.RESERVED, AgentState.RINGING)


def _calls(
    name: str, unit: Unit, means: str, columns: str, value: _Value, of: Of = Of.CALLS
) -> Measure:
    return Measure(name, of, unit, means, tuple(columns.split()), value)


def _state(name: str, unit: Unit, means: str, value: _Value) -> Measure:
    return Measure(name, Of.STATES, unit, means, ("state", "length_ms"), value)


def _outcome(outcome: Outcome) -> _Value:
    return _how_many(lambda rows: rows.of("outcome", outcome))


_N, _S, _P = Unit.COUNT, Unit.SECONDS, Unit.SHARE
_LOST_COLUMNS = "outcome short"
_SL_COLUMNS = "outcome short reached wait_ms"
_BACK = "missed called_back_s ended_s"

MEASURES: Mapping[str, Measure] = {
    one.name: one
    for one in (
        _calls("offered", _N, "calls", "", lambda rows: rows.everything),
        _calls("answered", _N, "calls with a talk", "outcome", _how_many(_answered)),
        _calls(
            "lost_in_menu",
            _N,
            "hung up before a line or a manager",
            "outcome",
            _outcome(Outcome.ABANDONED_IN_MENU),
        ),
        _calls(
            "lost_waiting",
            _N,
            "hung up while they waited, short ones apart",
            _LOST_COLUMNS,
            _how_many(lambda rows: _waited_and_left(rows) & ~_short(rows)),
        ),
        _calls(
            "lost_short",
            _N,
            "hung up within the queue's short_abandon",
            _LOST_COLUMNS,
            _how_many(_short),
        ),
        _calls("overflow", _N, "not served in the line", "outcome", _outcome(Outcome.OVERFLOW)),
        _calls("voicemail", _N, "left a message", "outcome", _outcome(Outcome.VOICEMAIL)),
        _calls("rejected", _N, "turned away", "outcome", _outcome(Outcome.REJECTED)),
        _calls("failed", _N, "something broke", "outcome", _outcome(Outcome.FAILED)),
        _calls(
            "lost_share",
            _P,
            "lost while waiting / calls offered to managers",
            _SL_COLUMNS,
            _part_of(lambda rows: _waited_and_left(rows) & ~_short(rows), _offered_to_managers),
        ),
        _calls(
            "service_level_of_answered",
            _P,
            "answered within the target / answered",
            "outcome wait_ms",
            _part_of(_within, _answered),
        ),
        _calls(
            "service_level_of_offered",
            _P,
            "answered within the target / calls offered to managers, short ones apart",
            _SL_COLUMNS,
            _part_of(_within, _offered_to_managers),
        ),
        _calls(
            "asa_s",
            _S,
            "average wait of answered calls",
            "outcome wait_ms",
            _average(("wait_ms",), _answered),
        ),
        _calls(
            "wait_p50_s",
            _S,
            "median wait of answered calls",
            "outcome wait_ms",
            _wait_percentile(0.5),
        ),
        _calls(
            "wait_p90_s",
            _S,
            "nine of ten answered calls waited no longer",
            "outcome wait_ms",
            _wait_percentile(0.9),
        ),
        _calls(
            "wait_p95_s",
            _S,
            "19 of 20 answered calls waited no longer",
            "outcome wait_ms",
            _wait_percentile(0.95),
        ),
        _calls(
            "longest_wait_s",
            _S,
            "of all that waited, answered or not",
            "reached wait_ms",
            lambda rows: rows.most(rows["wait_ms"], rows["reached"] != 0) / 1000,
        ),
        _calls(
            "transferred",
            _N,
            "calls that were sent on",
            "transfers",
            _how_many(lambda rows: rows["transfers"] > 0),
        ),
        _calls(
            "repeated",
            _N,
            "calls of numbers that had called within the 24 hours before",
            "before_s",
            _how_many(
                lambda rows: (rows["before_s"] != NONE) & (rows["before_s"] <= REPEATED_WITHIN_S)
            ),
        ),
        _calls(
            "first_call_resolution",
            _P,
            "answered calls after which the number did not call for 7 days / those decided",
            "outcome caller after_s ended_s",
            _part_of(lambda rows: _decided(rows) & (rows["after_s"] == NONE), _decided),
        ),
        _calls("missed", _N, "numbers that were to be called back", "missed", _how_many(_missed)),
        _calls(
            "missed_got_through",
            _N,
            "of these: called again and talked",
            "missed",
            _how_many(lambda rows: rows.of("missed", Missed.CLIENT)),
        ),
        _calls(
            "missed_within_20_min", _N, "called back within 20 minutes", _BACK, _how_many(_quick)
        ),
        _calls("missed_within_day", _N, "called back within 24 hours", _BACK, _how_many(_same_day)),
        _calls("missed_never", _N, "called back later, or never", _BACK, _how_many(_never)),
        _calls(
            "missed_undecided",
            _N,
            "open, and the 24 hours are not over",
            _BACK,
            _how_many(_undecided),
        ),
        _calls(
            "callback_p50_s",
            _S,
            "median time to the call back",
            _BACK,
            lambda rows: rows.percentile(rows["called_back_s"], _called_back(rows), 0.5),
        ),
        _calls(
            "busiest",
            _N,
            "most calls at the same time",
            "began_s ended_s",
            lambda rows: rows.at_once(rows["began_s"], rows["ended_s"]),
        ),
        _calls("rung", _N, "offers to a manager", "agent", _how_many(_manager), Of.PARTS),
        _calls(
            "taken",
            _N,
            "offers that became a talk",
            "agent result",
            _how_many(lambda rows: _manager(rows) & _took(rows)),
            Of.PARTS,
        ),
        _calls(
            "no_answer", _N, "offers that rang out", "agent result", _how_many(_rang_out), Of.PARTS
        ),
        _calls(
            "declined",
            _N,
            "offers that the manager refused",
            "agent result",
            _how_many(lambda rows: _manager(rows) & rows.of("result", Disposition.REJECTED)),
            Of.PARTS,
        ),
        _calls(
            "no_answer_share",
            _P,
            "rang out / rung",
            "agent result",
            _part_of(_rang_out, _manager),
            Of.PARTS,
        ),
        _calls("talk_s", _S, "all talks", "result talk_ms", _seconds("talk_ms", _took), Of.PARTS),
        _calls(
            "att_s", _S, "average talk", "result talk_ms", _average(("talk_ms",), _took), Of.PARTS
        ),
        _calls(
            "aht_s",
            _S,
            "average handling: talk and wrap-up",
            "result talk_ms wrap_ms",
            _average(("talk_ms", "wrap_ms"), _took),
            Of.PARTS,
        ),
        _state(
            "occupancy",
            _P,
            "talking and wrap-up / those and ready for calls",
            lambda rows: share(_in_state(rows, *_BUSY), _in_state(rows, *_BUSY, *_READY)),
        ),
        _state("ready_s", _S, "free, chosen or rung", lambda rows: _in_state(rows, *_READY) / 1000),
        _state("busy_s", _S, "talking or in wrap-up", lambda rows: _in_state(rows, *_BUSY) / 1000),
        _state("paused_s", _S, "paused", lambda rows: _in_state(rows, AgentState.PAUSED) / 1000),
    )
}
"""All measures by name."""

USUAL = (
    *("offered", "answered", "lost_in_menu", "lost_waiting", "lost_short"),
    *("service_level_of_offered", "asa_s", "wait_p90_s", "aht_s"),
)
"""What a report tells when nobody says what."""
