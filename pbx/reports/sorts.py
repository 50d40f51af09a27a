"""Which rows are of which sort: the words that measures are made of.

House rules: a sort made of others asks for them by ``rows.mask``, which works each out once.
"""

from __future__ import annotations

import numpy as np

from pbx.reports.facts import RESOLVED_WITHIN, Missed
from pbx.reports.rows import Mask, Rows, Which
from pbx.reports.source import NONE
from routing.values import AgentState, Disposition, Outcome

REPEATED_WITHIN_S = 86_400
"""A number that calls again within a day calls about the same thing."""
_QUICK_S = 20 * 60
_DAY_S = 24 * 60 * 60
_RESOLVED_S = int(RESOLVED_WITHIN.total_seconds())


def having(column: str, text: str) -> Which:
    """Rows with this text."""
    return lambda rows: rows.of(column, text)


# Which calls -----------------------------------------------------------------------------


def answered(rows: Rows) -> Mask:
    """Calls with a talk."""
    return rows.of("outcome", Outcome.ANSWERED)


def waited_and_left(rows: Rows) -> Mask:
    """Hung up in a line or while a phone rang."""
    return rows.of("outcome", Outcome.ABANDONED_WAITING)


def short(rows: Rows) -> Mask:
    """Hung up at once."""
    found: Mask = rows.mask(waited_and_left) & (rows["short"] != 0)
    return found


def within(rows: Rows) -> Mask:
    """Answered within the target."""
    found: Mask = rows.mask(answered) & (rows["wait_ms"] <= rows.within_ms)
    return found


def reached(rows: Rows) -> Mask:
    """A line or a phone was reached."""
    found: Mask = rows["reached"] != 0
    return found


def offered_to_managers(rows: Rows) -> Mask:
    """The callers whom managers could have served."""
    found: Mask = rows.mask(reached) & ~rows.mask(short)
    return found


def decided(rows: Rows) -> Mask:
    """Answered calls of shown numbers of which it is known whether the client had to call again."""
    again = rows["after_s"] != NONE
    over = rows["ended_s"] <= rows.now_s - _RESOLVED_S
    found: Mask = rows.mask(answered) & ~rows.of("caller", "withheld") & (again | over)
    return found


def resolved(rows: Rows) -> Mask:
    """Of these, those that did not call again."""
    found: Mask = rows.mask(decided) & (rows["after_s"] == NONE)
    return found


def repeated(rows: Rows) -> Mask:
    """The number had called shortly before."""
    since = rows["before_s"]
    found: Mask = (since != NONE) & (since <= REPEATED_WITHIN_S)
    return found


def transferred(rows: Rows) -> Mask:
    """The caller was sent on."""
    found: Mask = rows["transfers"] > 0
    return found


def called_back(rows: Rows) -> Mask:
    """A manager called back and talked."""
    return rows.of("missed", Missed.MANAGER)


def unserved(rows: Rows) -> Mask:
    """Hung up while they waited, short ones apart."""
    return rows.mask(waited_and_left) & ~rows.mask(short)


def _closed_within(rows: Rows, most_s: int) -> Mask:
    back = rows["called_back_s"]
    found: Mask = (back != NONE) & (back <= most_s)
    return found


def quick(rows: Rows) -> Mask:
    """Called back soon."""
    return rows.mask(called_back) & _closed_within(rows, _QUICK_S)


def same_day(rows: Rows) -> Mask:
    """Called back later, within a day."""
    return rows.mask(called_back) & _closed_within(rows, _DAY_S) & ~_closed_within(rows, _QUICK_S)


def undecided(rows: Rows) -> Mask:
    """Missed, and the day in which they may be called back is not over."""
    return rows.of("missed", Missed.OPEN) & (rows["ended_s"] > rows.now_s - _DAY_S)


def missed(rows: Rows) -> Mask:
    """The first call of a task."""
    return ~rows.of("missed", "")


def never(rows: Rows) -> Mask:
    """Nobody called back in time."""
    good = rows.of("missed", Missed.CLIENT) | rows.mask(quick) | rows.mask(same_day)
    return rows.mask(missed) & ~good & ~rows.mask(undecided)


# Which parts -----------------------------------------------------------------------------


def manager(rows: Rows) -> Mask:
    """A manager's part, not an outside number's."""
    return ~rows.of("agent", "")


def took(rows: Rows) -> Mask:
    """It became a talk."""
    return rows.of("result", Disposition.ANSWERED)


def rang_out(rows: Rows) -> Mask:
    """A manager's phones rang, and nobody came."""
    return rows.mask(manager) & rows.of("result", Disposition.NO_ANSWER)


def manager_took(rows: Rows) -> Mask:
    """A manager's offer that became a talk."""
    return rows.mask(manager) & rows.mask(took)


def declined(rows: Rows) -> Mask:
    """A manager's phone that was told no."""
    return rows.mask(manager) & rows.of("result", Disposition.REJECTED)


# Which states ----------------------------------------------------------------------------


def _in_state(*states: AgentState) -> Which:
    def which(rows: Rows) -> Mask:
        found = np.zeros(len(rows["length_ms"]), np.bool_)
        for state in states:
            found |= rows.of("state", state)
        return found

    return which


busy = _in_state(AgentState.TALKING, AgentState.WRAP_UP)
ready = _in_state(AgentState.FREE, AgentState.RESERVED, AgentState.RINGING)
paused = _in_state(AgentState.PAUSED)
