"""Which stages of which slices have fallen: a statistic that holds for small counts.  Pure.

Each pair (slice, stage) asks: of those who passed the stage before, do fewer come further lately
than used to?  Two shares of few people are compared, so:

- Fisher's exact test, one-sided: given how many passed altogether, how likely is it that so few of
  them are among the recent ones?  It is exact for any counts; normal approximations are not.
- Where even none of the recent ones coming further would prove nothing, the answer is TOO_FEW, and
  the pair is not a hypothesis (Tarone 1990): it costs the others no power.
- Many pairs are looked at together: Benjamini and Hochberg (1995) at FALSE_SHARE over one look, so
  that when nothing has changed anywhere a look raises any alarm with at most that probability.
- Looks must not share people: windows that do not overlap, one look at the end of each.  Then no
  correction for looking again and again is needed, and none is hidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import exp, lgamma

FALSE_SHARE = 0.05
"""Of the alarms, those that may be false; with no change anywhere, of the looks."""
LEAST_DROP = 0.1
"""A fall by less than a tenth is no news, however certain."""


class Verdict(StrEnum):
    """What is known of a stage."""

    FELL = "fell"
    STEADY = "steady"
    """No fall that chance does not explain."""
    TOO_FEW = "too-few-data"


@dataclass(frozen=True, slots=True)
class Trial:
    """``label``: of the slice, "" for the company.  ``had``: who passed the stage before; of these
    ``came`` came further.  Before, and recently."""

    label: str
    stage: str
    before_had: int
    before_came: int
    recent_had: int
    recent_came: int


@dataclass(frozen=True, slots=True)
class Judged:
    """``p``: how likely so few or fewer are by chance; None for TOO_FEW."""

    trial: Trial
    verdict: Verdict
    p: float | None


def judge(trials: Sequence[Trial], false_share: float = FALSE_SHARE) -> list[Judged]:
    """One look at all of them together, in their order."""
    ps = [None if _hopeless(trial, false_share) else fell_p(trial) for trial in trials]
    tested = sorted(p for p in ps if p is not None)
    limit = 0.0
    for rank, value in enumerate(tested, start=1):
        if value <= false_share * rank / len(tested):
            limit = value
    found = []
    for trial, p in zip(trials, ps, strict=True):
        if p is None:
            verdict = Verdict.TOO_FEW
        elif p <= limit and _dropped(trial):
            verdict = Verdict.FELL
        else:
            verdict = Verdict.STEADY
        found.append(Judged(trial, verdict, p))
    return found


def fell_p(trial: Trial) -> float:
    """Fisher's exact test, one-sided: the share of all ways to deal out who came further that give
    the recent ones so few."""
    return _at_most(trial, trial.recent_came)


def _hopeless(trial: Trial, false_share: float) -> bool:
    """The worst that could have come of these totals would not be told from chance."""
    if not trial.recent_had or not trial.before_had:
        return True
    return _at_most(trial, max(0, _came(trial) - trial.before_had)) > false_share


def _dropped(trial: Trial) -> bool:
    before = trial.before_came / trial.before_had
    return trial.recent_came / trial.recent_had <= (1 - LEAST_DROP) * before


def _came(trial: Trial) -> int:
    return trial.before_came + trial.recent_came


def _at_most(trial: Trial, most: int) -> float:
    came, recent, before = _came(trial), trial.recent_had, trial.before_had
    all_ways = _log_choose(recent + before, came)
    least = max(0, came - before)
    total = sum(
        exp(_log_choose(recent, few) + _log_choose(before, came - few) - all_ways)
        for few in range(least, min(most, came, recent) + 1)
    )
    return min(1.0, total)


def _log_choose(of: int, number: int) -> float:
    return lgamma(of + 1) - lgamma(number + 1) - lgamma(of - number + 1)
