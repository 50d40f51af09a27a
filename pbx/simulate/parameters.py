"""The parameters of a simulation: a small YAML file, read with the plan's own machinery.

docs/simulate.md lists the keys.  Whatever is left out has a default, so an empty file is one too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

from ivr.nodes import Menu
from pbx.numbers import normalise
from pbx.plan import written
from pbx.plan.faults import quoted
from pbx.plan.model import Plan
from pbx.plan.source import Faults, Scalar
from pbx.plan.written import Wrong
from pbx.simulate.callers import Burst, Demand, Rate, Redial, Stream, Target
from pbx.simulate.draws import NEVER, Draw, Empirical, Exponential, Fixed, LogNormal
from pbx.simulate.reactions import Manners
from pbx.simulate.read import Section, Wanted, nothing, number, one_of, percent, read_file
from pbx.simulate.world import Setting, Stage
from routing.values import Seconds

_CLOCK = re.compile(r"([01]?[0-9]|2[0-4]):([0-5][0-9])")
_HOURS = re.compile(r"([0-9:]+) ?- ?([0-9:]+)")
DEFAULT_PER_MANAGER = 8.0
"""Calls an hour for each manager on duty when no file says it: with the default times of talk and
wrap-up a manager is busy for half of the hour."""
MOST_CALLS = 5_000_000
"""Of one day: more than any company has, and as many as a machine's memory takes."""
MOST_SIGMA = 5.0
"""Of the logarithm: the mean is 270,000 times the median then."""
PARAMETERS = Wanted("parameters", "one file, as docs/simulate.md shows: --with day.yaml")
_WIDER = "say from and until, too"


@dataclass(frozen=True, slots=True)
class History:
    """What the log says, for those keys that are ``log``."""

    talk: Draw
    patience: Draw


def default_date(today: date) -> date:
    """The next working day (by the week): a schedule is open then, mostly."""
    day = today + timedelta(days=1)
    while day.weekday() > 4:
        day += timedelta(days=1)
    return day


def parameters(
    path: Path | None, plan: Plan, *, today: date, history: Callable[[], History] | None = None
) -> Setting:
    """What a file says, or the defaults.  Raises PlanError with every mistake."""
    faults = Faults()
    node = None if path is None else read_file(path, faults, PARAMETERS)
    if node is None:
        node = nothing(faults)
    setting = _Reader(plan, faults, today, history).read(Section(node, faults, "the file"))
    faults.stop()
    return setting


class _Reader:
    def __init__(
        self, plan: Plan, faults: Faults, today: date, history: Callable[[], History] | None
    ) -> None:
        self._plan = plan
        self._faults = faults
        self._today = today
        self._history = history
        self._begin_s = 0.0

    def read(self, root: Section) -> Setting:
        day = root.value("date", written.calendar_date, default_date(self._today))
        self._begin_s = root.value("from", clock, 9 * 3600.0)
        end_s = root.value("until", clock, 18 * 3600.0)
        if end_s <= self._begin_s:
            node = root.find("until") or root.node
            root.wrong(node, "until: the day ends before it begins")
        length_s = max(end_s - self._begin_s, 0.0)
        demand = Demand(
            streams=self._streams(root, length_s),
            bursts=self._bursts(root, length_s),
            patience=self._draw(root, "patience", Exponential(180.0)),
            talk=self._draw(root, "talk", LogNormal(180.0, 0.8)),
            menu_s=root.value("menu", written.duration, 15.0),
            redial=self._redial(root),
            clients=int(root.value("clients", written.count, 0)),
        )
        expected = sum(
            (rate.ends_s - rate.begins_s) / 3600.0 * rate.per_hour
            for one in demand.streams
            for rate in one.rates
        ) + sum(one.calls for one in demand.bursts)
        if expected > MOST_CALLS:
            node = root.find("callers") or root.find("bursts") or root.node
            root.wrong(node, f"{expected:,.0f} calls a day", f"at most {MOST_CALLS:,}")
        zone = written.time_zone(self._plan.time_zone)
        midnight = datetime.combine(day, time(0), zone).timestamp()
        setting = Setting(
            plan=self._plan,
            demand=demand,
            manners=self._manners(root),
            stage=self._stage(root),
            presses=self._presses(root),
            start=midnight + self._begin_s,
            length_s=length_s,
            warm_up_s=self._warm_up(root, length_s),
            target_s=root.value("answer_within", written.duration, 20.0),
        )
        root.done()
        return setting

    # Callers -----------------------------------------------------------------------------

    def _streams(self, root: Section, length_s: Seconds) -> tuple[Stream, ...]:
        given = root.items("callers")
        if "callers" not in root:
            return self._default_streams(length_s)
        streams = []
        for one in given:
            target = self._target(one)
            streams.append(Stream(target, self._rates(one, length_s)))
            one.done()
        return tuple(streams)

    def _default_streams(self, length_s: Seconds) -> tuple[Stream, ...]:
        """Every number is called alike, so much that managers are half busy."""
        numbers = [one for one in self._plan.numbers.values() if one.entry]
        per_hour = DEFAULT_PER_MANAGER * len(self._plan.on_duty) / max(1, len(numbers))
        rates = (Rate(0.0, length_s, per_hour),)
        return tuple(Stream(Target(did=one.did), rates) for one in numbers)

    @staticmethod
    def _warm_up(root: Section, length_s: Seconds) -> Seconds:
        warm_up_s = root.value("warm_up", written.duration, 0.0)
        if warm_up_s and warm_up_s >= length_s:
            root.wrong(root.find("warm_up") or root.node, "warm_up: no time of the day is left")
        return warm_up_s

    def _number(self, text: str) -> str:
        known = one_of("number", self._plan.numbers)
        return known(normalise(text, self._plan.region).e164 or text)

    def _target(self, one: Section) -> Target:
        did = one.value("number", self._number, "")
        known = {str(queue_id): queue_id for queue_id in self._plan.routing.queues}
        queue = one.value("queue", one_of("queue", known), "")
        if ("number" in one) == ("queue" in one):
            one.wrong(one.node, "callers call either a number or a queue", "write one of the two")
        return Target(did=did, queue_id=known.get(queue))

    def _rates(self, one: Section, length_s: Seconds) -> tuple[Rate, ...]:
        node = one.find("per_hour")
        if node is None:
            one.wrong(one.node, "per_hour is missing", "calls an hour: 60")
            return ()
        if isinstance(node, Scalar):
            return (Rate(0.0, length_s, one.scalar(node, "per_hour", number, 0.0)),)
        rates: list[Rate] = []
        for key, value in Section(node, self._faults, "per_hour").entries():
            begins_s, ends_s = one.scalar(key, "per_hour", _hours, (0.0, 0.0))
            per_hour = one.scalar(value, "per_hour", number, 0.0)
            if ends_s == 0.0:
                continue
            begins_s, ends_s = begins_s - self._begin_s, ends_s - self._begin_s
            if begins_s < 0.0 or ends_s > length_s:
                one.wrong(key, f"per_hour: {key.text} {self._outside(length_s)}", _WIDER)
            if any(begins_s < other.ends_s and other.begins_s < ends_s for other in rates):
                one.wrong(key, f"per_hour: {key.text} has hours that another range has, too")
            rates.append(Rate(begins_s, ends_s, per_hour))
        return tuple(sorted(rates, key=lambda rate: rate.begins_s))

    def _outside(self, length_s: Seconds) -> str:
        """The day, for what is not within it."""
        begin, end = (_clock_text(at_s) for at_s in (self._begin_s, self._begin_s + length_s))
        return f"is not within the day, {begin}-{end}"

    def _bursts(self, root: Section, length_s: Seconds) -> tuple[Burst, ...]:
        bursts = []
        for one in root.items("bursts"):
            target = self._target(one)
            at_s = one.value("at", clock, self._begin_s) - self._begin_s
            if (at := one.find("at")) is not None and not 0.0 <= at_s < length_s:
                one.wrong(at, f"at: this {self._outside(length_s)}", _WIDER)
            calls = one.value("calls", number, 100.0)
            bursts.append(Burst(target, at_s, calls, one.value("decay", written.duration, 600.0)))
            one.done()
        return tuple(bursts)

    def _redial(self, root: Section) -> Redial:
        one = root.section("redial")
        if one is None:
            return Redial()
        redial = Redial(
            one.value("share", percent, 0.3),
            self._draw(one, "after", Exponential(300.0)),
            one.value("times", written.count, 1),
        )
        one.done()
        return redial

    def _presses(self, root: Section) -> dict[str, dict[str, float]]:
        found: dict[str, dict[str, float]] = {}
        section = root.section("presses")
        menus = [name for name, node in self._plan.tree.items() if isinstance(node, Menu)]
        for key, value in section.entries() if section is not None else ():
            menu = root.scalar(key, "presses", one_of("menu", menus), "")
            inner = Section(value, self._faults, "presses")
            weights = {
                root.scalar(pressed, "presses", keys, ""): root.scalar(
                    weight, "presses", number, 0.0
                )
                for pressed, weight in inner.entries()
            }
            if sum(weights.values()) <= 0:
                root.wrong(value, f"presses: {menu}: all weights are 0")
            found[menu] = weights
        return found

    # Managers ----------------------------------------------------------------------------

    def _manners(self, root: Section) -> Manners:
        one = root.section("managers")
        if one is None:
            return Manners(LogNormal(5.0, 0.6), 0.05)
        manners = Manners(
            self._draw(one, "answer", LogNormal(5.0, 0.6)),
            one.value("no_answer", percent, 0.05),
            one.value("back_after", written.duration, 300.0),
        )
        one.done()
        return manners

    def _stage(self, root: Section) -> Stage:
        one = root.section("next_stage")
        if one is None:
            return Stage()
        skills = sorted({s for a in self._plan.routing.agents.values() for s in a.skills})
        stage = Stage(
            one.value("share", percent, 0.0),
            one.value("per_level", percent, 0.0),
            one.value("same_manager", percent, 0.0),
            one.value("skill", one_of("skill", skills), ""),
            one.value("skilled_from", written.count, 2),
        )
        one.done()
        return stage

    # Times -------------------------------------------------------------------------------

    def _draw(self, section: Section, key: str, default: Draw) -> Draw:
        """``never``, ``log``, ``20s`` or ``{exponential: 3m}``, ``{log-normal: 3m, sigma: 0.8}``,
        ``{seen: [10s, 40s]}``."""
        node = section.find(key)
        if node is None:
            return default
        if isinstance(node, Scalar):
            if node.text == "never":
                return NEVER
            if node.text == "log":
                return self._from_log(section, node, key, default)
            return Fixed(section.scalar(node, key, written.duration, 0.0))
        one = Section(node, self._faults, key)
        drawn = default
        if "exponential" in one:
            drawn = Exponential(one.value("exponential", some_time, 1.0))
        elif "log-normal" in one:
            mean_s = one.value("log-normal", some_time, 1.0)
            drawn = LogNormal(mean_s, one.value("sigma", _sigma, 0.8))
        elif "seen" in one:
            drawn = self._seen(one)
        else:
            section.wrong(node, f"{key}: no distribution", "exponential, log-normal or seen")
        one.done()
        return drawn

    def _seen(self, one: Section) -> Draw:
        node = one.find("seen")
        items = () if node is None else getattr(node, "items", ())
        seen_s = [one.scalar(item, "seen", written.duration, 0.0) for item in items]
        if not seen_s:
            one.wrong(one.node, "seen: expected a list of durations", "write [10s, 40s]")
            return NEVER
        return Empirical.of(seen_s)

    def _from_log(self, section: Section, node: Scalar, key: str, default: Draw) -> Draw:
        if self._history is None or key not in ("talk", "patience"):
            section.wrong(node, f"{key}: nothing of this in the log", "talk and patience are")
            return default
        history = self._history()
        return history.talk if key == "talk" else history.patience


def keys(text: str) -> str:
    """What is pressed at a menu; "" for nothing.  Raises Wrong."""
    if text and not written.KEY.fullmatch(text):
        raise Wrong(f"{quoted(text)} is no key", 'write 1, "*", "#", or "" for nothing')
    return text


def _sigma(text: str) -> float:
    sigma = number(text)
    if sigma > MOST_SIGMA:
        raise Wrong(f"{sigma:g} is wider than any times are", f"at most {MOST_SIGMA:g}")
    return sigma


def some_time(text: str) -> float:
    """A duration over 0."""
    seconds = written.duration(text)
    if seconds <= 0:
        raise Wrong("a mean time is more than 0")
    return seconds


def clock(text: str) -> float:
    """``09:30`` as seconds since midnight."""
    found = _CLOCK.fullmatch(text)
    if found is None or int(found[1]) * 60 + int(found[2]) > 24 * 60:
        raise Wrong(f'"{text}" is not a time of day', "write 09:30")
    return int(found[1]) * 3600.0 + int(found[2]) * 60.0


def _clock_text(at_s: Seconds) -> str:
    minutes = round(at_s / 60)
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _hours(text: str) -> tuple[float, float]:
    found = _HOURS.fullmatch(text)
    if found is None:
        raise Wrong(f'"{text}" is not a time range', "write 09:00-12:00")
    begins_s, ends_s = clock(found[1]), clock(found[2])
    if ends_s <= begins_s:
        raise Wrong(f'"{text}" is empty')
    return begins_s, ends_s
