"""What a report tells of each group: one function a measure.  docs/metrics.md explains each.

House rules: counts and sums are of whole numbers (milliseconds), so that no order of adding shows;
a measure that is not defined (the average wait of no calls) is not a number, never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from pbx.reports import sorts
from pbx.reports.facts import Missed
from pbx.reports.groups import Exact, Groups, Values, share
from pbx.reports.rows import Which
from pbx.reports.sorts import having
from routing.values import Outcome


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
    """``columns``: of facts that it asks.  ``counts``: sorts that it counts, for counting those of
    several measures together."""

    name: str
    of: Of
    unit: Unit
    means: str
    columns: tuple[str, ...]
    value: Callable[[Groups], Values | Exact]
    counts: tuple[Which, ...]


# Making measures -------------------------------------------------------------------------

_Value = Callable[[Groups], Values | Exact]


@dataclass(frozen=True, slots=True)
class _How:
    """``counts``: sorts of which it asks how many there are."""

    value: _Value
    counts: tuple[Which, ...] = ()


def _how_many(which: Which) -> _How:
    return _How(lambda rows: rows.count(which), (which,))


def _part_of(which: Which, whole: Which) -> _How:
    return _How(lambda rows: share(rows.count(which), rows.count(whole)), (which, whole))


def _seconds(column: str, which: Which) -> _How:
    return _How(lambda rows: rows.total(column, which) / 1000)


def _average(columns: tuple[str, ...], which: Which) -> _How:
    def value(rows: Groups) -> Values:
        sums = sum(rows.total(one, which) for one in columns)
        return share(np.asarray(sums), rows.count(which) * 1000)

    return _How(value, (which,))


def _wait_percentile(percent: int) -> _How:
    return _How(
        lambda rows: rows.percentile("wait_ms", sorts.answered, percent) / 1000, (sorts.answered,)
    )


def _calls(
    name: str, unit: Unit, means: str, columns: str, how: _How, of: Of = Of.CALLS
) -> Measure:
    return Measure(name, of, unit, means, tuple(columns.split()), how.value, how.counts)


def _state(name: str, unit: Unit, means: str, how: _How) -> Measure:
    return Measure(name, Of.STATES, unit, means, ("state", "length_ms"), how.value, how.counts)


def _outcome(outcome: Outcome) -> _How:
    return _how_many(having("outcome", outcome))


_N, _S, _P = Unit.COUNT, Unit.SECONDS, Unit.SHARE
_LOST_COLUMNS = "outcome short"
_SL_COLUMNS = "outcome short reached wait_ms"
_BACK = "missed called_back_s ended_s"

MEASURES: Mapping[str, Measure] = {
    one.name: one
    for one in (
        _calls("offered", _N, "calls", "", _How(lambda rows: rows.everything)),
        _calls("answered", _N, "calls with a talk", "outcome", _how_many(sorts.answered)),
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
            _how_many(sorts.unserved),
        ),
        _calls(
            "lost_short",
            _N,
            "hung up within the queue's short_abandon",
            _LOST_COLUMNS,
            _how_many(sorts.short),
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
            _part_of(sorts.unserved, sorts.offered_to_managers),
        ),
        _calls(
            "service_level_of_answered",
            _P,
            "answered within the target / answered",
            "outcome wait_ms",
            _part_of(sorts.within, sorts.answered),
        ),
        _calls(
            "service_level_of_offered",
            _P,
            "answered within the target / calls offered to managers, short ones apart",
            _SL_COLUMNS,
            _part_of(sorts.within, sorts.offered_to_managers),
        ),
        _calls(
            "asa_s",
            _S,
            "average wait of answered calls",
            "outcome wait_ms",
            _average(("wait_ms",), sorts.answered),
        ),
        _calls(
            "wait_p50_s",
            _S,
            "median wait of answered calls",
            "outcome wait_ms",
            _wait_percentile(50),
        ),
        _calls(
            "wait_p90_s",
            _S,
            "nine of ten answered calls waited no longer",
            "outcome wait_ms",
            _wait_percentile(90),
        ),
        _calls(
            "wait_p95_s",
            _S,
            "19 of 20 answered calls waited no longer",
            "outcome wait_ms",
            _wait_percentile(95),
        ),
        _calls(
            "longest_wait_s",
            _S,
            "of all that waited, answered or not",
            "reached wait_ms",
            _How(lambda rows: rows.most("wait_ms", sorts.reached) / 1000),
        ),
        _calls(
            "transferred",
            _N,
            "calls that were sent on",
            "transfers",
            _how_many(sorts.transferred),
        ),
        _calls(
            "repeated",
            _N,
            "calls of numbers that had called within the 24 hours before",
            "before_s",
            _how_many(sorts.repeated),
        ),
        _calls(
            "first_call_resolution",
            _P,
            "answered calls after which the number did not call for 7 days / those decided",
            "outcome caller after_s ended_s",
            _part_of(sorts.resolved, sorts.decided),
        ),
        _calls(
            "missed", _N, "numbers that were to be called back", "missed", _how_many(sorts.missed)
        ),
        _calls(
            "missed_got_through",
            _N,
            "of these: called again and talked",
            "missed",
            _how_many(having("missed", Missed.CLIENT)),
        ),
        _calls(
            "missed_within_20_min",
            _N,
            "called back within 20 minutes",
            _BACK,
            _how_many(sorts.quick),
        ),
        _calls(
            "missed_within_day", _N, "called back within 24 hours", _BACK, _how_many(sorts.same_day)
        ),
        _calls("missed_never", _N, "called back later, or never", _BACK, _how_many(sorts.never)),
        _calls(
            "missed_undecided",
            _N,
            "open, and the 24 hours are not over",
            _BACK,
            _how_many(sorts.undecided),
        ),
        _calls(
            "callback_p50_s",
            _S,
            "median time to the call back",
            _BACK,
            _How(
                lambda rows: rows.percentile("called_back_s", sorts.called_back, 50),
                (sorts.called_back,),
            ),
        ),
        _calls(
            "busiest",
            _N,
            "most calls at the same time",
            "began_s ended_s",
            _How(lambda rows: rows.at_once("began_s", "ended_s")),
        ),
        _calls("rung", _N, "offers to a manager", "agent", _how_many(sorts.manager), Of.PARTS),
        _calls(
            "taken",
            _N,
            "offers that became a talk",
            "agent result",
            _how_many(sorts.manager_took),
            Of.PARTS,
        ),
        _calls(
            "no_answer",
            _N,
            "offers that rang out",
            "agent result",
            _how_many(sorts.rang_out),
            Of.PARTS,
        ),
        _calls(
            "declined",
            _N,
            "offers that the manager refused",
            "agent result",
            _how_many(sorts.declined),
            Of.PARTS,
        ),
        _calls(
            "no_answer_share",
            _P,
            "rang out / rung",
            "agent result",
            _part_of(sorts.rang_out, sorts.manager),
            Of.PARTS,
        ),
        _calls(
            "talk_s", _S, "all talks", "result talk_ms", _seconds("talk_ms", sorts.took), Of.PARTS
        ),
        _calls(
            "att_s",
            _S,
            "average talk",
            "result talk_ms",
            _average(("talk_ms",), sorts.took),
            Of.PARTS,
        ),
        _calls(
            "aht_s",
            _S,
            "average handling: talk and wrap-up",
            "result talk_ms wrap_ms",
            _average(("talk_ms", "wrap_ms"), sorts.took),
            Of.PARTS,
        ),
        _state(
            "occupancy",
            _P,
            "talking and wrap-up / those and ready for calls",
            _How(
                lambda rows: share(
                    rows.total("length_ms", sorts.busy),
                    rows.total("length_ms", sorts.busy) + rows.total("length_ms", sorts.ready),
                )
            ),
        ),
        _state("ready_s", _S, "free, chosen or rung", _seconds("length_ms", sorts.ready)),
        _state("busy_s", _S, "talking or in wrap-up", _seconds("length_ms", sorts.busy)),
        _state("paused_s", _S, "paused", _seconds("length_ms", sorts.paused)),
    )
}
"""All measures by name."""

USUAL = (
    *("offered", "answered", "lost_in_menu", "lost_waiting", "lost_short"),
    *("service_level_of_offered", "asa_s", "wait_p90_s", "aht_s"),
)
"""What a report tells when nobody says what."""
