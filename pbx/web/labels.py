"""What reports and funnels tell, in words: labels of slices, values of measures, changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from pbx.plan.model import Plan
from pbx.reports.measures import MEASURES, Unit
from pbx.reports.slices import NOTHING
from pbx.web.texts import Texts
from pbx.web.words import NONE, Words, phone, span
from routing.values import AgentId, QueueId

_OWN_WORDS = frozenset({"outcome", "caller", "weekday"})
"""Slices whose labels are a closed set, with a text for each (texts/*/reports.toml)."""


class Labels:
    """In one language, by the names of the plan in force."""

    def __init__(self, t: Texts, words: Words, plan: Plan) -> None:
        self._t = t
        self._words = words
        self._plan = plan

    def slice(self, name: str) -> str:
        """A slice's own name."""
        return self._t(f"reports.slice.{name}")

    def measure(self, name: str) -> str:
        """A measure's."""
        return self._t(f"reports.measure.{name}.name")

    def label(self, name: str, label: str) -> str:
        """A label of a slice; one that can't be is shown as it is."""
        if label == NOTHING:
            return self._t(f"reports.none.{name}")
        if name in _OWN_WORDS:
            key = f"reports.{name}.{label}"
            return self._t(key) if key in self._t.all else label
        try:
            return self._named(name, label)
        except ValueError:
            return label

    def _named(self, name: str, label: str) -> str:
        match name:
            case "manager":
                return self._plan.agent_titles.get(AgentId(label), label)
            case "queue":
                return self._plan.queue_titles.get(QueueId(label), label)
            case "number":
                return self._number(label)
            case "hour":
                return f"{label}:00"
            case "day":
                return self._words.calendar_day(date.fromisoformat(label))
            case "week":
                return self._t("reports.week", year=label[:4], week=int(label[6:]))
            case "month":
                return self._words.calendar_month(date.fromisoformat(f"{label}-01"))
        return label

    def short(self, key: tuple[str, ...]) -> str:
        """A piece of time under a plot: ``14:00``, ``23 ноя.``, ``ноя. 2026``."""
        if len(key) == 2:
            return f"{key[1]}:00"
        text = key[0]
        if "W" in text:
            monday = date.fromisocalendar(int(text[:4]), int(text[6:]), 1)
            return self._words.short_day(monday)
        if len(text) == len("2026-11"):
            return self._words.calendar_month(date.fromisoformat(f"{text}-01"))
        return self._words.short_day(date.fromisoformat(text))

    def _number(self, did: str) -> str:
        number = self._plan.numbers.get(did)
        title = number.title if number is not None else ""
        return f"{title} {phone(did)}".strip()

    def value(self, name: str, value: float | int | None) -> str:
        """A measure's value with its unit."""
        if value is None:
            return NONE
        match MEASURES[name].unit:
            case Unit.SECONDS:
                return span(value)
            case Unit.SHARE:
                return self._words.percent(value, 1)
        return self._words.number(value)

    def change(self, name: str, value: float, before: float) -> str:
        """``+12 %``; of shares ``+3.1 pp``; of nothing NONE."""
        if MEASURES[name].unit is Unit.SHARE:
            points = round((value - before) * 100, 1)
            return self._t("reports.points", text=self._signed(points, 1))
        if not before:
            return NONE
        share = round((value / before - 1) * 100)
        return self._t("reports.percent", text=self._signed(share, 0))

    def _signed(self, value: float, digits: int) -> str:
        text = self._words.number(abs(value), digits)
        if not value:
            return text
        return f"+{text}" if value > 0 else f"−{text}"


class Meaning(StrEnum):
    """What a change is for the company."""

    GOOD = "good"
    BAD = "bad"
    NEUTRAL = ""


_MORE_IS_GOOD = frozenset(
    {
        *("answered", "service_level_of_answered", "service_level_of_offered"),
        *("first_call_resolution", "taken", "missed_got_through", "missed_within_20_min"),
    }
)
_MORE_IS_BAD = frozenset(
    {
        *("lost_in_menu", "lost_waiting", "lost_short", "lost_share", "overflow", "rejected"),
        *("failed", "asa_s", "wait_p50_s", "wait_p90_s", "wait_p95_s", "longest_wait_s"),
        *("repeated", "missed", "missed_never", "callback_p50_s", "no_answer", "declined"),
        "no_answer_share",
    }
)


def meaning(name: str, value: float, before: float) -> Meaning:
    """Of more or less of a measure; of some it is neither good nor bad."""
    if name in _MORE_IS_GOOD:
        return Meaning.GOOD if value > before else Meaning.BAD
    if name in _MORE_IS_BAD:
        return Meaning.BAD if value > before else Meaning.GOOD
    return Meaning.NEUTRAL


@dataclass(frozen=True, slots=True)
class Change:
    """From the period before; ``few``: too few data to say anything."""

    text: str
    before: str
    meaning: Meaning
    few: bool = False


COMPARED_FROM = 10
"""A share or an average of fewer calls in either period is told, but not compared."""


def change(
    labels: Labels,
    name: str,
    now: Mapping[str, float | int | None],
    before: Mapping[str, float | int | None],
) -> Change:
    """Of a measure, between two periods' values; ``offered`` and ``rung`` tell how much there
    was, where they are known."""
    value, earlier = now[name], before[name]
    told = labels.value(name, earlier)
    if value is None or earlier is None:
        return Change(NONE, told, Meaning.NEUTRAL)
    if MEASURES[name].unit is not Unit.COUNT:
        base = "rung" if MEASURES[name].of == "parts" else "offered"
        some = [values[base] or 0 for values in (now, before) if base in values]
        if some and min(some) < COMPARED_FROM:
            return Change(NONE, told, Meaning.NEUTRAL, few=True)
    text = labels.change(name, value, earlier)
    # What is shown as no change is none.
    nothing = not any(sign in "123456789" for sign in text)
    return Change(text, told, Meaning.NEUTRAL if nothing else meaning(name, value, earlier))
