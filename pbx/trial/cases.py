"""Dial-plan tests in YAML: what is given, what the caller does, what is expected.

docs/try.md lists the keys.  Read with the plan's own machinery: every mistake has its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from pbx.numbers import normalise
from pbx.plan import written
from pbx.plan.faults import did_you_mean, known_names, quoted
from pbx.plan.model import Plan
from pbx.plan.source import Faults, Listing, Mapping, Node, Scalar
from pbx.plan.written import Wrong
from pbx.simulate.read import Section, Wanted, nothing, one_of, read_file
from pbx.switch.script import At, CallerScript, HangUp, PhoneAct, Reaction
from pbx.trial.expected import NOBODY, Expected
from pbx.trial.lookups import given
from pbx.trial.play import ANSWERS, Situation
from routing.values import AgentId, Outcome, Seconds

ORDINARY_WEEK = date(2026, 6, 15)
"""A Monday: ``fri 18:55`` in a test is in this week, which has no public holidays."""
TESTS = Wanted("tests", "docs/try.md says where they stand")
DEFAULT_TIME = "wed 11:00"
MAX_OTHERS = 1_000
DEFAULT_CALLER = "+79160000001"
_MOMENT = re.compile(r"([a-z]{3}|[0-9]{4}-[0-9]{2}-[0-9]{2}) ([01]?[0-9]|2[0-3]):([0-5][0-9])")
_ACT = re.compile(r"([a-z -]+?)(?: after ([0-9a-z.]+))?")
_ACTS = {
    "answers": Reaction.ANSWER,
    "rejects": Reaction.REJECT,
    "busy": Reaction.BUSY,
    "no answer": Reaction.NO_ANSWER,
    "unreachable": Reaction.UNREACHABLE,
}
_KEYS = re.compile(r"[0-9*#]{0,32}")


@dataclass(frozen=True, slots=True)
class Case:
    """One test: ``place`` is where it stands, ``file:line``."""

    name: str
    place: str
    situation: Situation
    caller: CallerScript
    expected: Expected


def moment(text: str, zone: ZoneInfo, *, from_day: date) -> datetime:
    """``fri 18:55`` (that day or the first such after ``from_day``) or ``2026-12-31 18:55``.

    Raises Wrong.
    """
    hint = "write fri 18:55 or 2026-12-31 18:55"
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise Wrong(f"{quoted(text)} is not a time", hint)
    if found[1] in written.DAYS:
        ahead = (written.DAYS.index(found[1]) - from_day.weekday()) % 7
        day = from_day + timedelta(days=ahead)
    elif found[1].isalpha():
        raise Wrong(f"{quoted(found[1])} is no day", did_you_mean(found[1], written.DAYS) or hint)
    else:
        day = written.calendar_date(found[1])
    return datetime.combine(day, time(int(found[2]), int(found[3])), zone)


def act(text: str) -> PhoneAct:
    """``answers``, ``answers after 8s``, ``rejects after 1s``, ``busy``, ``no answer``,
    ``unreachable``.  Raises Wrong."""
    found = _ACT.fullmatch(text)
    reaction = _ACTS.get(found[1]) if found else None
    if found is None or reaction is None:
        hint = did_you_mean(text, _ACTS)
        raise Wrong(f"{quoted(text)} is nothing that a phone does", hint, known_names(_ACTS))
    after_s = written.duration(found[2]) if found[2] else ANSWERS.after_s
    return PhoneAct(reaction, after_s, ANSWERS.talk_s)


def read_cases(path: Path, plan: Plan) -> list[Case]:
    """All tests of a file.  Raises PlanError with every mistake."""
    faults = Faults()
    node = read_file(path, faults, TESTS)
    if node is None:
        return []
    cases = _Reader(plan, faults).all(node)
    faults.stop()
    return cases


class _Reader:
    def __init__(self, plan: Plan, faults: Faults) -> None:
        self._plan = plan
        self._faults = faults
        self._zone = written.time_zone(plan.time_zone)
        self._agent = one_of("manager", plan.routing.agents)
        self._queue = one_of("queue", plan.routing.queues)
        self._prompt = one_of("prompt", sorted({one.name for one in plan.prompts}))

    def all(self, node: Node) -> list[Case]:
        if not isinstance(node, Listing):
            self._faults.add(node.mark.fault("expected a list of tests", "begin each with - test:"))
            return []
        return [self._case(Section(one, self._faults, "a test")) for one in node.items]

    def _case(self, root: Section) -> Case:
        name = root.value("test", str, "")
        if not name and isinstance(root.node, Mapping):
            root.wrong(root.node, "a test without a name", "write test: what it is about")
        empty = Section(nothing(self._faults), self._faults, "nothing")
        given = root.section("given") or empty
        situation = self._given(given)
        when = root.section("when")
        if when is None:
            if isinstance(root.node, Mapping):
                hint = "write when: {to: the number called}"
                root.wrong(root.node, "when: nothing happens", hint)
            caller = CallerScript("", 0.0, "", DEFAULT_CALLER)
        else:
            caller = self._when(when)
        expect = root.section("expect")
        if expect is None:
            if isinstance(root.node, Mapping):
                root.wrong(root.node, "expect: nothing is expected", "write expect: {outcome: ...}")
            expect = empty
        expected = self._expect(expect)
        for section in (root, given, when or empty, expect):
            section.done()
        mark = root.node.mark
        place = f"{mark.fault('').file_name}:{mark.fault('').line}"
        return Case(name, place, situation, caller, expected)

    def _given(self, section: Section) -> Situation:
        def read(text: str) -> datetime:
            return moment(text, self._zone, from_day=ORDINARY_WEEK)

        spoke = {}
        for key, value in self._entries(section, "spoke"):
            number = self._number(key.text)
            spoke[number] = AgentId(section.scalar(value, "spoke", self._agent, ""))
        phones: dict[AgentId, PhoneAct] = {}
        for key, value in self._entries(section, "phones"):
            agent_id = AgentId(section.scalar(key, "phones", self._agent, ""))
            phones[agent_id] = section.scalar(value, "phones", act, ANSWERS)
        said = section.find("lookup")
        return Situation(
            at=section.value("at", read, read(DEFAULT_TIME)),
            busy=frozenset(AgentId(one) for one in self._names(section, "busy", self._agent)),
            away=frozenset(AgentId(one) for one in self._names(section, "away", self._agent)),
            spoke=spoke,
            phones=phones,
            others=tuple(self._others(section)),
            lookup=None if said is None else given(section, said, self._plan.routing.agents),
        )

    def _others(self, section: Section) -> Iterator[CallerScript]:
        for one in section.items("others"):
            count = one.value("count", written.count, 1)
            if count > MAX_OTHERS:
                one.wrong(one.node, f"count: at most {MAX_OTHERS}")
                count = 0
            did = one.value("to", self._did, "")
            pressed = tuple(self._names(one, "keys", keys))
            one.done()
            for number in range(count):
                yield CallerScript("", 0.0, did, f"+7900{number:07}", pressed)

    def _when(self, section: Section) -> CallerScript:
        did = section.value("to", self._did, "")
        if not did and "to" not in section:
            section.wrong(section.node, "to: which number is called?")
        number = section.value("from", self._caller, DEFAULT_CALLER)
        hang_up = section.section("hang_up")
        gone = None
        if hang_up is not None:
            at = hang_up.value("at", one_of("moment", [one.value for one in At]), "menu")
            gone = HangUp(At(at), hang_up.value("after", written.duration, 1.0))
            hang_up.done()
        line = section.section("in_line")
        in_line = None
        if line is not None:
            in_line = (line.value("key", keys, "1"), line.value("after", written.duration, 1.0))
            line.done()
        return CallerScript(
            name=section.value("name", str, ""),
            at_s=0.0,
            dialled=did,
            number=number,
            keys=tuple(self._names(section, "keys", keys)),
            hang_up=gone,
            message_s=section.value("message", written.duration, 3.0),
            in_line=in_line,
        )

    def _expect(self, section: Section) -> Expected:
        outcomes = [one.value for one in Outcome]
        outcome = section.value("outcome", one_of("outcome", outcomes), "")
        queues = one_of("queue", [*self._plan.routing.queues, NOBODY])
        talked = one_of("manager", [*self._plan.routing.agents, NOBODY])
        return Expected(
            heard=self._maybe_names(section, "heard", self._prompt),
            not_heard=tuple(self._names(section, "not_heard", self._prompt)),
            queue=section.value("queue", queues, None),
            rang=self._rang(section),
            talked=section.value("talked", talked, None),
            outcome=Outcome(outcome) if outcome else None,
            voicemail=section.value("voicemail", str, None),
            callback=section.value("callback", queues, None),
            rings_after=self._rings_after(section),
        )

    def _rang(self, section: Section) -> tuple[frozenset[AgentId], ...] | None:
        node = section.find("rang")
        if node is None:
            return None
        if isinstance(node, Scalar) and node.value == NOBODY:
            return ()
        return tuple(
            frozenset(AgentId(one) for one in self._texts(section, each, "rang", self._agent))
            for each in (node.items if isinstance(node, Listing) else (node,))
        )

    def _rings_after(self, section: Section) -> dict[AgentId, Seconds]:
        found = {}
        for key, value in self._entries(section, "rings_after"):
            agent_id = AgentId(section.scalar(key, "rings_after", self._agent, ""))
            found[agent_id] = section.scalar(value, "rings_after", written.duration, 0.0)
        return found

    # Parts -------------------------------------------------------------------------------

    def _did(self, text: str) -> str:
        number = self._number(text)
        if number not in self._plan.numbers:
            known = list(self._plan.numbers)
            hint = did_you_mean(number, known)
            raise Wrong(f"{quoted(text)} is no number of the plan", hint, known_names(known))
        return number

    def _caller(self, text: str) -> str:
        return caller_number(text, self._plan.region)

    def _number(self, text: str) -> str:
        return normalise(text, self._plan.region).e164 or text

    @staticmethod
    def _entries(section: Section, key: str) -> list[tuple[Scalar, Node]]:
        inner = section.section(key)
        return [] if inner is None else inner.entries()

    def _maybe_names(
        self, section: Section, key: str, read: Callable[[str], str]
    ) -> tuple[str, ...] | None:
        return tuple(self._names(section, key, read)) if key in section else None

    def _names(self, section: Section, key: str, read: Callable[[str], str]) -> list[str]:
        node = section.find(key)
        return [] if node is None else list(self._texts(section, node, key, read))

    @staticmethod
    def _texts(section: Section, node: Node, key: str, read: Callable[[str], str]) -> Iterable[str]:
        nodes = node.items if isinstance(node, Listing) else (node,)
        return [section.scalar(one, key, read, "") for one in nodes]


def caller_number(text: str, region: str) -> str:
    """Who calls, as a trunk may say it; "" for a withheld number.  Raises Wrong."""
    known = normalise(text, region)
    if not (known.e164 or known.national or known.anonymous):
        raise Wrong(f"{quoted(text)} is no number", "write +79161234567, or withheld")
    return "" if known.anonymous else text


def hangs_up(text: str) -> HangUp:
    """``waiting``, or ``waiting after 20s``.  Raises Wrong."""
    moment_name, after_s = _after(text)
    return HangUp(At(one_of("moment", [one.value for one in At])(moment_name)), after_s)


def key_in_line(text: str) -> tuple[str, Seconds]:
    """``1``, or ``1 after 30s``.  Raises Wrong."""
    pressed, after_s = _after(text)
    return keys(pressed), after_s


def _after(text: str) -> tuple[str, Seconds]:
    what, after, time_text = text.partition(" after ")
    return what, written.duration(time_text.strip()) if after else 1.0


def keys(text: str) -> str:
    """What is pressed at one question; "" for nothing.  Raises Wrong."""
    if not _KEYS.fullmatch(text):
        raise Wrong(f"{quoted(text)} can't be pressed", "write digits, * or #")
    return text
