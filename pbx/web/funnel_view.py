"""The page of the funnel, ready for its template: the shape, the numbers beside it, what has
fallen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Engine

from pbx.funnel.asked import AskedFunnel
from pbx.funnel.count import Counted, Reading, Step
from pbx.funnel.report import FunnelQuery, FunnelReport, funnel_report
from pbx.funnel.sag import Judged, Verdict
from pbx.funnel.stages import Funnel
from pbx.funnel.watch import EPOCH, Look, Watch, slices_of, watch
from pbx.reports.columns import ColumnStore
from pbx.web.labels import Labels
from pbx.web.links import link, only, without
from pbx.web.names import stage_title
from pbx.web.principal import Principal
from pbx.web.report_view import Chip
from pbx.web.texts import Texts
from pbx.web.words import NONE, Words, span

PATH = "/funnel"
MOST_GROUPS = 200
"""Shown in the page: those in which the most entered."""
MOST_FALLEN = 12
_MOMENT = timedelta(seconds=1)
_HOUR_S = 3600
_DAY_S = 86_400
_LEAST_WIDTH = 0.6
"""Of a stage that nobody passed, in hundredths: a line that is seen."""


def address(asked: AskedFunnel, path: str = PATH) -> str:
    """The link that asks it."""
    return link(path, asked)


@dataclass(frozen=True, slots=True)
class Answer:
    """``judged``: of the look at the last settled window, what may be seen."""

    found: FunnelReport
    judged: tuple[Judged, ...]
    window: tuple[datetime, datetime]


def ask(
    log: Engine, store: ColumnStore, query: FunnelQuery, principal: Principal, now: datetime
) -> Answer:
    """Count it, and look for what has fallen.  Raises FunnelError, JournalError."""
    judged, window = look_for_falls(log, store, query, principal, now)
    return Answer(funnel_report(log, store, query, now), judged, window)


def look_for_falls(
    log: Engine, store: ColumnStore, query: FunnelQuery, principal: Principal, now: datetime
) -> tuple[tuple[Judged, ...], tuple[datetime, datetime]]:
    """In the last settled window, and which one that is.  Raises JournalError."""
    look = Look()
    slices = slices_of(("manager", "source", "department"), query.departments)
    # All are judged together, whoever looks: fewer questions would make chance look like news.
    judged = watch(log, store, Watch(query.funnel, look, slices), EPOCH, now)
    until = look.due(now, EPOCH)
    seen = tuple(one for one in judged if _seen(one, principal))
    return seen, (until - look.window, until)


def _seen(judged: Judged, principal: Principal) -> bool:
    if principal.sees_everything():
        return True
    name, _, label = judged.trial.label.partition("=")
    match name:
        case "manager":
            return principal.sees_agent(label)
        case "department":
            return principal.sees_department(label)
    return False


@dataclass(frozen=True, slots=True)
class Stage:
    """``shape``: corners of the band, in a square of 100 by 100; ``shadow``: with those who may
    still come here."""

    title: str
    count: str
    to_previous: str
    to_top: str
    median: str
    open: str
    decided: str
    weak: bool
    shape: str
    shadow: str


@dataclass(frozen=True, slots=True)
class GroupCell:
    """A stage of one label."""

    count: str
    to_previous: str
    weak: bool


@dataclass(frozen=True, slots=True)
class Group:
    """A label's funnel, in a line."""

    label: str
    href: str
    cells: tuple[GroupCell, ...]


@dataclass(frozen=True, slots=True)
class Fallen:
    """A stage of a slice whose conversion fell."""

    stage: str
    slice: str
    before: str
    lately: str
    before_of: str
    lately_of: str
    href: str


@dataclass(frozen=True, slots=True)
class View:
    """``weak``: the weak link's title, "" where too few came to say.  ``tested``: stages of slices
    that were looked at for a fall; ``few``: those with too few data; ``window``: the week."""

    stages: tuple[Stage, ...]
    groups: tuple[Group, ...]
    more: int
    empty: bool
    weak: str
    fallen: tuple[Fallen, ...]
    more_fallen: int
    tested: int
    few: int
    window: str


class Viewer:
    """Of one question, in one language."""

    def __init__(self, asked: AskedFunnel, labels: Labels, words: Words, t: Texts) -> None:
        self._asked = asked
        self._labels = labels
        self._words = words
        self._t = t

    def chips(self) -> tuple[Chip, ...]:
        """The filters."""
        return tuple(
            Chip(
                self._labels.slice(name),
                self._labels.label(name, label),
                address(without(self._asked, name, label)),
            )
            for name, labels in self._asked.where.items()
            for label in labels
        )

    def view(self, found: Answer) -> View:
        """All of the page."""
        funnel = found.found.query.funnel
        total = found.found.total
        groups = sorted(
            found.found.groups.items(), key=lambda one: (-one[1].steps[0].count, one[0])
        )
        fallen = [one for one in found.judged if one.verdict is Verdict.FELL]
        few = sum(one.verdict is Verdict.TOO_FEW for one in found.judged)
        return View(
            self._stages(total),
            tuple(self._group(label, counted) for label, counted in groups[:MOST_GROUPS]),
            max(0, len(groups) - MOST_GROUPS),
            not any(step.count for step in total.steps),
            self.title(total.weak, funnel.titles[total.weak]) if total.weak else "",
            tuple(self._fallen(funnel, one, found.window) for one in fallen[:MOST_FALLEN]),
            max(0, len(fallen) - MOST_FALLEN),
            len(found.judged) - few,
            few,
            " — ".join(map(self._words.day, (found.window[0], found.window[1] - _MOMENT))),
        )

    def title(self, stage: str, title: str) -> str:
        """A stage's."""
        return stage_title(stage, title, self._t)

    def _stages(self, counted: Counted) -> tuple[Stage, ...]:
        steps = counted.steps
        most = max((step.count + step.open for step in steps), default=0) or 1
        widths = [_width(step.count, most) for step in steps]
        shadows = [_width(step.count + step.open, most) for step in steps]
        return tuple(
            self._stage(
                step,
                weak=step.stage == counted.weak,
                shape=_band(widths, place) if step.count else "",
                shadow=_band(shadows, place) if step.open else "",
            )
            for place, step in enumerate(steps)
        )

    def _stage(self, step: Step, *, weak: bool, shape: str, shadow: str) -> Stage:
        return Stage(
            self.title(step.stage, step.title),
            self._words.number(step.count),
            self._words.percent(step.to_previous, 1),
            self._words.percent(step.to_top, 1),
            self.time(step.median_s),
            self._words.number(step.open) if step.open else NONE,
            self._words.percent(step.decided, 1),
            weak,
            shape,
            shadow,
        )

    def _group(self, label: str, counted: Counted) -> Group:
        by = self._asked.by
        here = self._asked.where.get(by) == (label,)
        return Group(
            self._labels.label(by, label),
            "" if here else address(only(self._asked, by, label)),
            tuple(
                GroupCell(
                    self._words.number(step.count),
                    self._words.percent(step.to_previous, 1) if place else "",
                    step.stage == counted.weak,
                )
                for place, step in enumerate(counted.steps)
            ),
        )

    def _fallen(self, funnel: Funnel, one: Judged, window: tuple[datetime, datetime]) -> Fallen:
        trial = one.trial
        name, _, label = trial.label.partition("=")
        asked = replace(self._asked, reading=Reading.COHORT, by="")
        if name:
            asked = replace(asked, where={name: (label,)})
            told = f"{self._labels.slice(name)}: {self._labels.label(name, label)}"
        else:
            told = self._t("funnel.company")
        return Fallen(
            self.title(trial.stage, funnel.titles[trial.stage]),
            told,
            self._words.percent(trial.before_came / trial.before_had, 1),
            self._words.percent(trial.recent_came / trial.recent_had, 1),
            self._of(trial.before_came, trial.before_had),
            self._of(trial.recent_came, trial.recent_had),
            address(asked),
        )

    def _of(self, part: int, whole: int) -> str:
        return self._t("funnel.of", part=self._words.number(part), whole=self._words.number(whole))

    def time(self, seconds: float | None) -> str:
        """Between stages: minutes, hours, or days."""
        if seconds is None:
            return NONE
        if seconds < _HOUR_S:
            return span(seconds)
        if seconds < 2 * _DAY_S:
            return self._t("funnel.hours", hours=self._words.number(seconds / _HOUR_S, 1))
        return self._t("funnel.days", days=self._words.number(seconds / _DAY_S, 1))


def _width(count: int, most: int) -> float:
    """Few are seen, nobody is not."""
    return max(_LEAST_WIDTH, 100 * count / most) if count else 0.0


def _band(widths: Sequence[float], place: int) -> str:
    """From a stage's width to the next one's; the last goes straight down."""
    top = widths[place] / 2
    bottom = widths[min(place + 1, len(widths) - 1)] / 2
    corners = ((50 - top, 0), (50 + top, 0), (50 + bottom, 100), (50 - bottom, 100))
    return " ".join(f"{x:.2f},{y}" for x, y in corners)
