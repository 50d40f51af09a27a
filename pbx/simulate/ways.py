"""Where a number's menus lead a caller: the plan's own walk (ivr/walk.py), without the waiting.

A walk depends on the keys pressed and on the schedules' states, so each way is walked once and
kept.  Callers press, at each menu, one of its keys by chance: as the parameters' ``presses`` weigh
them, else any that leads on, all alike; where digits are asked for, nothing.  Callers of the log
press what they pressed then, menu by menu, and nothing when they are asked more often.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ivr import commands, events
from ivr.nodes import BACK, MAIN, REPEAT, CollectDigits, Hours, Menu
from ivr.schedule import Schedule
from ivr.walk import Walk
from pbx.plan.model import Number, Plan
from pbx.simulate.draws import For, share
from routing.values import CallId, Outcome, QueueId, ReturnReason, Seconds, SkillNeed

Presses = Mapping[str, Mapping[str, float]]
"""Menu to key to weight; the key "" is pressing nothing."""
MAX_KEYS = 20
"""Keys a caller presses at most; then they press nothing, and the plan's time-outs lead on."""


@dataclass(frozen=True, slots=True)
class ToQueue:
    """Wait in a queue."""

    queue_id: QueueId
    priority: int = 0
    needs: tuple[SkillNeed, ...] = ()


@dataclass(frozen=True, slots=True)
class ToAgent:
    """Ring one manager."""

    agent_id: str
    ring_time_s: Seconds


@dataclass(frozen=True, slots=True)
class Ends:
    """The call ends without a manager."""

    outcome: Outcome


Way = ToQueue | ToAgent | Ends
State = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Choice:
    """A menu: keys with the sums of their shares."""

    keys: tuple[tuple[float, str], ...]

    def by(self, drawn: float) -> str:
        return next((key for upto, key in self.keys if drawn < upto), self.keys[-1][1])


class Ways:
    """All ways of one plan.  ``start``: core time of the run's begin."""

    def __init__(self, plan: Plan, presses: Presses, *, start: Seconds) -> None:
        self._plan = plan
        self._presses = presses
        self._start = start
        found = {id(n.schedule): n.schedule for n in plan.tree.values() if isinstance(n, Hours)}
        self._schedules: tuple[Schedule, ...] = tuple(found.values())
        self._states: dict[int, State] = {}
        self._known: dict[tuple[str, State, tuple[str, ...]], _Choice | Way] = {}
        self._choices: dict[str, _Choice] = {}
        self._followed: dict[tuple[str, State, tuple[str, ...]], Way] = {}
        self._walks: dict[CallId, tuple[Walk, Iterator[str] | None]] = {}

    def lead(
        self, entry: str, number: Number, mine: int, at_s: Seconds
    ) -> tuple[Way, tuple[str, ...]]:
        """Where a caller with the sub-stream ``mine`` gets to, and the keys they press."""
        state = self._state(at_s)
        keys: tuple[str, ...] = ()
        while True:
            found = self._known.get((entry, state, keys))
            if found is None:
                found = self._walk(entry, number, keys, at_s)[1]
                self._known[entry, state, keys] = found
            if not isinstance(found, _Choice):
                return found, keys
            keys = (*keys, found.by(share(mine, For.KEY * 100 + len(keys))))

    def follow(self, entry: str, number: Number, keys: tuple[str, ...], at_s: Seconds) -> Way:
        """Where a caller gets to who presses these keys."""
        known = (entry, self._state(at_s), keys)
        found = self._followed.get(known)
        if found is None:
            found = self._followed[known] = self._follow(entry, number, iter(keys), at_s)[1]
        return found

    def back(
        self,
        call_id: CallId,
        entry: str,
        number: Number,
        keys: tuple[str, ...],
        mine: int,
        at_s: Seconds,
        reason: ReturnReason,
        back_at_s: Seconds,
        *,
        follows: bool = False,
    ) -> Way:
        """Where a caller goes whom a queue or a manager gave back.  ``follows``: by ``follow``."""
        known = self._walks.pop(call_id, None)
        if known is not None:
            walk, typed = known
        elif follows:
            typed = iter(keys)
            walk, _ = self._follow(entry, number, typed, at_s)
        else:
            walk, typed = self._walk(entry, number, keys, at_s)[0], None
        event: events.Event = events.CallerReturned(reason)
        pressed = len(keys)
        while True:
            found = self._on(walk, event, back_at_s, typed)
            if not isinstance(found, _Choice):
                if not isinstance(found, Ends):
                    self._walks[call_id] = walk, typed
                return found
            drawn = share(mine, For.KEY * 100 + pressed)
            event = events.DigitsPressed(found.by(drawn) if pressed < MAX_KEYS else "")
            pressed += 1

    def forget(self, call_id: CallId) -> None:
        """The call is over."""
        self._walks.pop(call_id, None)

    def _walk(
        self, entry: str, number: Number, keys: tuple[str, ...], at_s: Seconds
    ) -> tuple[Walk, _Choice | Way]:
        walk = Walk(self._plan.tree, entry, language=number.language)
        found = self._on(walk, events.WalkStarted(), at_s)
        for key in keys:
            found = self._on(walk, events.DigitsPressed(key), at_s)
        if isinstance(found, _Choice) and len(keys) >= MAX_KEYS:
            while isinstance(found, _Choice):
                found = self._on(walk, events.DigitsPressed(""), at_s)
        return walk, found

    def _follow(
        self, entry: str, number: Number, typed: Iterator[str], at_s: Seconds
    ) -> tuple[Walk, Way]:
        walk = Walk(self._plan.tree, entry, language=number.language)
        found = self._on(walk, events.WalkStarted(), at_s, typed)
        assert not isinstance(found, _Choice), "who presses what they pressed has no choice"
        return walk, found

    def _on(
        self,
        walk: Walk,
        event: events.Event,
        at_s: Seconds,
        typed: Iterator[str] | None = None,
    ) -> _Choice | Way:
        """Walk on until a key is to be pressed that ``typed`` does not tell, or the walk leads
        somewhere."""
        now = datetime.fromtimestamp(self._start + at_s, UTC)
        kept = False
        while True:
            done = walk.step(event, now).commands
            kept |= any(isinstance(one, commands.KeepCallback) for one in done)
            command = done[-1] if done else commands.HangUpCaller(None)
            match command:
                case commands.PlayPrompts():
                    event = events.PlayFinished()
                case commands.Collect():
                    node = self._plan.tree.get(walk.current or "")
                    if typed is not None and isinstance(node, Menu | CollectDigits):
                        event = events.DigitsPressed(next(typed, ""))
                    elif isinstance(node, Menu):
                        return self._choice(node)
                    else:
                        event = events.DigitsPressed("")
                case commands.RecordMessage():
                    event = events.MessageRecorded("", 10.0)
                case commands.QueueCaller(queue_id, priority, needs):
                    return ToQueue(queue_id, priority, needs)
                case commands.CallAgent(agent_id, ring_time_s):
                    return ToAgent(agent_id, ring_time_s)
                case commands.CallOutside():
                    return Ends(Outcome.OVERFLOW)
                case commands.HangUpCaller(outcome):
                    otherwise = Outcome.OVERFLOW if kept else Outcome.ABANDONED_IN_MENU
                    return Ends(outcome or otherwise)
                case _:
                    return Ends(Outcome.FAILED)

    def _choice(self, menu: Menu) -> _Choice:
        known = self._choices.get(menu.node_id)
        if known is None:
            weights = (
                self._presses.get(menu.node_id)
                or {
                    key: 1.0
                    for key, target in menu.keys.items()
                    if target not in (REPEAT, BACK, MAIN)
                }
                or {"": 1.0}
            )
            total, upto = sum(weights.values()), 0.0
            keys = []
            for key, weight in weights.items():
                upto += weight / total
                keys.append((upto, key))
            known = self._choices[menu.node_id] = _Choice(tuple(keys))
        return known

    def _state(self, at_s: Seconds) -> State:
        """What all schedules say; they change at full minutes only."""
        minute = int((self._start + at_s) // 60)
        state = self._states.get(minute)
        if state is None:
            now = datetime.fromtimestamp(minute * 60, UTC)
            state = tuple(one.answer(now).state.value for one in self._schedules)
            self._states[minute] = state
        return state
