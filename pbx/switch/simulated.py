"""A telephone switch in virtual time, played by a script: for tests, dry runs and what-if runs.

It keeps the promises of port.py the way the real one does: the first device to be picked up has
the caller, a leg ends exactly once, the caller's going ends what rings for them.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from ivr import events as ivr_events
from ivr.commands import Collect, HangUpCaller, PlayPrompts, RecordMessage
from pbx.switch import port
from pbx.switch.script import At, CallerScript, PhoneAct, Reaction, Script
from routing.commands import StopRinging
from routing.events import DeviceAnswered, DeviceRinging, Joined, LegEnded
from routing.values import CallId, Disposition, LegId, Seconds

RING_DELAY_S = 0.01
"""From the wish to ring to the phone's 180, seconds (measured on the real switch)."""
RECORDING_DELAY_S = 1.0
"""From the end of a talk to its recording's finished file, seconds."""
PROMPT_S = 2.0
"""How long a prompt plays, seconds."""
GREETING_S = 8.0
"""How long a manager hears which number is called back, seconds."""


@dataclass(slots=True)
class _Caller:
    call_id: CallId
    script: CallerScript
    keys: list[str]
    held: bool = False
    command: int = 0
    """Counts commands: what was due for an earlier one is stale."""
    legs: set[LegId] = field(default_factory=set)
    joined: LegId | None = None
    patience_set: bool = False


@dataclass(slots=True)
class _Leg:
    leg_id: LegId
    call_id: CallId
    address: str
    act: PhoneAct
    record_as: str = ""
    calls_back: bool = False
    picked_up: bool = False
    joined_at: Seconds | None = None


class SimulatedSwitch:
    """Plays ``script``.  The driver (pbx.switch.virtual) asks ``next_at`` and calls ``run``."""

    def __init__(self, script: Script, *, start: Seconds) -> None:
        self._script = script
        self._now = start
        self._start = start
        self._due: list[tuple[Seconds, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._on_event: Callable[[port.SwitchEvent], None] = _nobody
        self._callers: dict[CallId, _Caller] = {}
        self._legs: dict[LegId, _Leg] = {}
        self._clients: set[CallId] = set()
        self._in_use: dict[str, LegId] = {}
        self._acts_done: dict[str, int] = {}

    # The port ----------------------------------------------------------------------------

    async def start(self, on_event: Callable[[port.SwitchEvent], None]) -> None:
        """Begin to play."""
        self.begin(on_event)

    def begin(self, on_event: Callable[[port.SwitchEvent], None]) -> None:
        """The same without an event loop."""
        self._on_event = on_event
        for address, acts in self._script.phones.items():
            if acts and acts[0].reaction is Reaction.UNREACHABLE:
                self._tell(port.AddressReachable(address, reachable=False))
        self._tell(port.SwitchUp())
        for number, caller in enumerate(self._script.callers, start=1):
            call_id = CallId(f"sim-{number}")
            self._at(self._start + caller.at_s, partial(self._call, call_id, caller))

    def send(self, command: port.SwitchCommand) -> None:
        """Carry out a command; its consequences come as events, never from within this call."""
        match command:
            case port.ForCaller(call_id, what):
                if caller := self._callers.get(call_id):
                    self._for_caller(caller, what)
                elif isinstance(what, HangUpCaller):
                    stopped = Disposition.CANCELLED
                    self._soon(lambda: self._no_client(call_id, stopped, "stopped"))
            case port.Hold(call_id, _):
                if caller := self._callers.get(call_id):
                    caller.command += 1
                    caller.held = True
                    self._patience(caller, At.WAITING)
                    self._key_in_line(caller)
                    self._join_first(caller)
            case port.Fetch(call_id):
                if (caller := self._callers.get(call_id)) and caller.held:
                    self._fetch(caller)
            case port.Announce():
                if caller := self._callers.get(command.call_id):
                    self._announce(caller, command)
            case port.Ring():
                self._ring(command)
            case port.CallClient():
                self._call_client(command)
            case port.PauseRecording(leg_id, paused):
                leg = self._legs.get(leg_id)
                if leg is not None and leg.record_as and leg.joined_at is not None:
                    self._tell(port.RecordingPaused(leg_id, paused))
            case StopRinging(leg_id, disposition):
                self._soon(lambda: self._stop(leg_id, disposition))
            case port.StageNoted():
                pass  # nobody dials it here
            case port.Release(call_id):
                self._soon(lambda: self._caller_gone(call_id, "released"))

    async def stop(self) -> None:
        """Nothing to disconnect."""
        self._on_event = _nobody

    # Virtual time ------------------------------------------------------------------------

    @property
    def next_at(self) -> Seconds | None:
        """When the next thing happens."""
        return self._due[0][0] if self._due else None

    @property
    def busy(self) -> bool:
        """Callers or legs are left in the switch."""
        return bool(self._callers or self._legs or self._clients)

    @property
    def callers(self) -> dict[CallId, LegId | None]:
        """Who is there, and with which leg they talk."""
        return {call_id: caller.joined for call_id, caller in self._callers.items()}

    def run_next(self) -> Seconds:
        """Let the next thing happen; returns when that was."""
        at, _, action = heapq.heappop(self._due)
        self._now = max(self._now, at)
        action()
        return self._now

    def advance(self, now: Seconds) -> None:
        """Time goes by without anything happening here."""
        self._now = max(self._now, now)

    def later(self, delay_s: Seconds, action: Callable[[], None]) -> None:
        """Let something else happen in this time: what is neither a caller nor a phone."""
        self._after(delay_s, action)

    def _at(self, when: Seconds, action: Callable[[], None]) -> None:
        heapq.heappush(self._due, (when, next(self._order), action))

    def _after(self, delay: Seconds, action: Callable[[], None]) -> None:
        self._at(self._now + delay, action)

    def _soon(self, action: Callable[[], None]) -> None:
        self._at(self._now, action)

    def _tell(self, event: port.SwitchEvent) -> None:
        self._soon(lambda: self._on_event(event))

    # Callers -----------------------------------------------------------------------------

    def _call(self, call_id: CallId, script: CallerScript) -> None:
        self._callers[call_id] = _Caller(call_id, script, list(script.keys))
        self._on_event(port.CallArrived(call_id, script.dialled, script.number, script.name))

    def _patience(self, caller: _Caller, stage: At) -> None:
        plan = caller.script.hang_up
        if plan is not None and plan.at is stage and not caller.patience_set:
            caller.patience_set = True
            call_id = caller.call_id
            self._after(plan.after_s, lambda: self._caller_gone(call_id, "16 Normal Clearing"))

    def _for_caller(
        self, caller: _Caller, what: PlayPrompts | Collect | RecordMessage | HangUpCaller
    ) -> None:
        caller.command += 1
        caller.held = False
        turn = caller.command
        call_id = caller.call_id

        def done(event: ivr_events.Event) -> Callable[[], None]:
            def tell() -> None:
                if call_id in self._callers and caller.command == turn:
                    self._on_event(port.CallerDid(call_id, event))

            return tell

        match what:
            case PlayPrompts(prompts, _):
                self._patience(caller, At.MENU)
                self._after(PROMPT_S * len(prompts), done(ivr_events.PlayFinished()))
            case Collect():
                self._patience(caller, At.MENU)
                delay, pressed = self._presses(caller, what)
                self._after(delay, done(pressed))
            case RecordMessage(box, max_s, _):
                length = min(caller.script.message_s, max_s)
                path = f"voicemail/{box}/{call_id}.wav"
                self._after(length, done(ivr_events.MessageRecorded(path, length)))
            case HangUpCaller():
                self._soon(lambda: self._caller_gone(call_id, "16 Normal Clearing"))

    def _key_in_line(self, caller: _Caller) -> None:
        if caller.script.in_line is None:
            return
        key, after_s = caller.script.in_line
        turn = caller.command

        def press() -> None:
            if caller.call_id in self._callers and caller.command == turn:
                self._on_event(port.KeyPressed(caller.call_id, key))

        self._after(after_s, press)

    def _fetch(self, caller: _Caller) -> None:
        if caller.joined is None:
            caller.held = False
            caller.command += 1
            self._tell(port.WaitLeft(caller.call_id))

    def _announce(self, caller: _Caller, what: port.Announce) -> None:
        turn = caller.command

        def over() -> None:
            if caller.call_id in self._callers and caller.command == turn:
                self._on_event(port.AnnouncementOver(caller.call_id))

        self._after(PROMPT_S * len(what.prompts) if caller.held else 0.0, over)

    def _presses(self, caller: _Caller, ask: Collect) -> tuple[Seconds, ivr_events.DigitsPressed]:
        prompts_s = PROMPT_S * len(ask.prompts)
        keys = caller.keys.pop(0) if caller.keys else ""
        if not keys:
            return prompts_s + ask.timeout_s, ivr_events.DigitsPressed("")
        delay = caller.script.key_delay_s
        if not ask.barge_in:
            delay += prompts_s
        digits, terminated = keys[: ask.max_digits], False
        if ask.max_digits > 1 and "#" in digits:
            digits, terminated = digits[: digits.index("#")], True
        elif len(digits) < ask.max_digits:
            delay += ask.inter_digit_s
        return delay, ivr_events.DigitsPressed(digits, terminated)

    def _caller_gone(self, call_id: CallId, cause: str) -> None:
        caller = self._callers.pop(call_id, None)
        if caller is None:
            return
        if caller.joined is not None:
            self._end_leg(caller.joined, Disposition.ANSWERED, "16 Normal Clearing")
        self._on_event(port.CallerGone(call_id, cause))

    # Legs --------------------------------------------------------------------------------

    def _ring(self, command: port.Ring) -> None:
        leg_id, address = command.leg_id, command.address
        act = self._act(address)
        leg = _Leg(
            leg_id, command.call_id, address, act, command.record_as, command.greeting is not None
        )
        self._legs[leg_id] = leg
        if caller := self._callers.get(command.call_id):
            caller.legs.add(leg_id)
        if address in self._in_use:
            self._after(RING_DELAY_S, lambda: self._end_leg(leg_id, Disposition.BUSY, "17 busy"))
            return
        self._acts_done[address] = self._acts_done.get(address, 0) + 1
        if act.reaction is Reaction.UNREACHABLE:
            self._after(
                RING_DELAY_S, lambda: self._end_leg(leg_id, Disposition.FAILED, "unreachable")
            )
            return
        if act.reaction is Reaction.BUSY:
            self._after(RING_DELAY_S, lambda: self._end_leg(leg_id, Disposition.BUSY, "17 busy"))
            return
        self._in_use[address] = leg_id
        self._after(RING_DELAY_S, lambda: self._rings(leg_id))
        self._after(
            command.ring_time_s,
            lambda: self._unanswered(leg_id),
        )
        if act.reaction is Reaction.ANSWER:
            self._after(act.after_s, lambda: self._pick_up(leg_id))
        elif act.reaction is Reaction.REJECT:
            self._after(
                act.after_s, lambda: self._end_leg(leg_id, Disposition.REJECTED, "21 rejected")
            )

    def _act(self, address: str) -> PhoneAct:
        """What the phone does with the call that comes to it now."""
        acts = self._script.phones.get(address) or (PhoneAct(Reaction.NO_ANSWER),)
        return acts[min(self._acts_done.get(address, 0), len(acts) - 1)]

    # Clients who are called back --------------------------------------------------------

    def _call_client(self, command: port.CallClient) -> None:
        """The phone at the address is the client's; ``talk_s`` of its act: how long they talk."""
        call_id, address = command.call_id, command.address
        act = self._act(address)
        self._acts_done[address] = self._acts_done.get(address, 0) + 1
        self._clients.add(call_id)
        match act.reaction:
            case Reaction.ANSWER if act.after_s < command.ring_time_s:
                self._after(act.after_s, lambda: self._client_answers(command, act))
            case Reaction.BUSY | Reaction.REJECT:
                busy = Disposition.BUSY if act.reaction is Reaction.BUSY else Disposition.REJECTED
                self._after(RING_DELAY_S, lambda: self._no_client(call_id, busy, "busy"))
            case Reaction.UNREACHABLE:
                failed = Disposition.FAILED
                self._after(RING_DELAY_S, lambda: self._no_client(call_id, failed, "unreachable"))
            case _:
                silent = Disposition.NO_ANSWER
                self._after(
                    command.ring_time_s, lambda: self._no_client(call_id, silent, "19 no answer")
                )

    def _client_answers(self, command: port.CallClient, act: PhoneAct) -> None:
        if command.call_id not in self._clients:
            return
        leg = self._legs.get(command.leg_id)
        if leg is None or not leg.picked_up:
            self._no_client(command.call_id, Disposition.CANCELLED, "nobody there")
            return
        self._clients.discard(command.call_id)
        script = CallerScript("", 0.0, "", "")
        client = _Caller(command.call_id, script, [], held=True, legs={leg.leg_id})
        self._callers[command.call_id] = client
        self._join(client, leg)
        if act.talk_s is not None:
            gone = partial(self._caller_gone, command.call_id, "16 Normal Clearing")
            self._after(act.talk_s, gone)

    def _no_client(self, call_id: CallId, disposition: Disposition, cause: str) -> None:
        if call_id in self._clients:
            self._clients.discard(call_id)
            self._on_event(port.ClientNotReached(call_id, disposition, cause))

    def _rings(self, leg_id: LegId) -> None:
        if leg := self._legs.get(leg_id):
            if caller := self._callers.get(leg.call_id):
                self._patience(caller, At.RINGING)
            self._on_event(DeviceRinging(leg_id))

    def _unanswered(self, leg_id: LegId) -> None:
        leg = self._legs.get(leg_id)
        if leg is not None and not leg.picked_up:
            self._end_leg(leg_id, Disposition.NO_ANSWER, "19 no answer")

    def _pick_up(self, leg_id: LegId) -> None:
        leg = self._legs.get(leg_id)
        if leg is None:
            return
        leg.picked_up = True
        self._on_event(DeviceAnswered(leg_id))
        caller = self._callers.get(leg.call_id)
        if caller is None and leg.calls_back:
            self._after(GREETING_S, lambda: self._greeted(leg_id))
            return
        if caller is None:
            self._end_leg(leg_id, Disposition.CANCELLED, "caller gone")
        elif caller.joined is not None:
            self._end_leg(leg_id, Disposition.ANSWERED_ELSEWHERE, "26 answered elsewhere")
        elif caller.held:
            self._join(caller, leg)

    def _greeted(self, leg_id: LegId) -> None:
        if leg_id in self._legs:
            self._on_event(port.GreetingHeard(leg_id))

    def _join_first(self, caller: _Caller) -> None:
        """Whoever was picked up before the caller was ready has them now."""
        for leg_id in sorted(caller.legs):
            leg = self._legs.get(leg_id)
            if leg is not None and leg.picked_up and caller.joined is None:
                self._soon(partial(self._join, caller, leg))
                return

    def _join(self, caller: _Caller, leg: _Leg) -> None:
        if caller.joined is not None or caller.call_id not in self._callers:
            return
        if leg.leg_id not in self._legs:
            return
        caller.joined = leg.leg_id
        caller.command += 1
        leg.joined_at = self._now
        self._on_event(Joined(leg.leg_id))
        self._patience(caller, At.TALKING)
        if leg.act.talk_s is not None:
            leg_id = leg.leg_id
            self._after(leg.act.talk_s, lambda: self._talk_over(leg_id))

    def _talk_over(self, leg_id: LegId) -> None:
        leg = self._legs.get(leg_id)
        if leg is None:
            return
        caller = self._callers.get(leg.call_id)
        self._end_leg(leg_id, Disposition.ANSWERED, "16 Normal Clearing")
        if caller is None:
            return
        caller.held = False
        if leg.act.transfer_to is not None:
            self._on_event(port.CallerTransferred(caller.call_id, leg.act.transfer_to))
        else:
            self._on_event(port.TalkOver(caller.call_id))

    def _stop(self, leg_id: LegId, disposition: Disposition) -> None:
        leg = self._legs.get(leg_id)
        caller = self._callers.get(leg.call_id) if leg is not None else None
        joined = caller is not None and caller.joined == leg_id
        self._end_leg(leg_id, Disposition.ANSWERED if joined else disposition, "stopped")

    def _end_leg(self, leg_id: LegId, disposition: Disposition, cause: str) -> None:
        leg = self._legs.pop(leg_id, None)
        if leg is None:
            return
        if self._in_use.get(leg.address) == leg_id:
            del self._in_use[leg.address]
        if caller := self._callers.get(leg.call_id):
            caller.legs.discard(leg_id)
            if caller.joined == leg_id:
                caller.joined = None
        self._on_event(LegEnded(leg_id, disposition, cause))
        if leg.record_as and leg.joined_at is not None:
            recorded = port.RecordingEnded(leg.record_as, self._now - leg.joined_at)
            self._after(RECORDING_DELAY_S, lambda: self._on_event(recorded))


def _nobody(event: port.SwitchEvent) -> None:
    """Before the start and after the stop nobody listens."""
