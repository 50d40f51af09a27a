"""AMI events to the engine's, and the engine's commands to actions.

Knows no socket: events come in through ``take``, actions go out through ``act``, what happened
through ``tell``.  A recorded stream replayed here tells the same story again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

import structlog

from ivr import events as ivr_events
from ivr.commands import Collect, HangUpCaller, PlayPrompts, RecordMessage
from pbx.ami import caller_scripts as scripts
from pbx.ami.actions import Fields, caller_id, originate
from pbx.ami.causes import BUSY_REASON, NO_ANSWER_REASON, NORMAL, disposition
from pbx.ami.protocol import Headers
from pbx.ami.wav import wav_seconds
from pbx.errors import UnsafeValue
from pbx.switch import port
from routing.commands import StopRinging
from routing.events import DeviceAnswered, DeviceRinging, Joined, LegEnded
from routing.values import CallId, Disposition, LegId

_log = structlog.get_logger(__name__)

LEG_PREFIX = "voronka-"
"""Begins the Uniqueid of a leg of ours, so that it is known in Asterisk's own lists."""
CALLER_CONTEXTS = frozenset({"voronka-trunk", "voronka-transfer"})
LIMIT_S = 60
"""The caller's time limit without a sign of the engine, seconds (asterisk-conf/extensions.conf)."""
MAX_TYPED = 20
"""Keys kept that were pressed before a question, at most."""
RINGING, UP = "5", "6"
"""ChannelState as in Asterisk's channelstate.h."""

Answered = Callable[[Headers | None], None]


class Act(Protocol):
    """Sends an action; ``answered`` gets the response or None."""

    def __call__(self, name: str, fields: Fields, answered: Answered | None = None) -> None:
        """Raises UnsafeValue."""


@dataclass(frozen=True, slots=True)
class MessageFolder:
    """Where voicemail is written: as we see it and as Asterisk does."""

    here: Path
    on_switch: str


@dataclass(slots=True)
class CallerChannel:
    """A caller's channel.

    ``held``: in the holding bridge; ``holding``: the command for it was given.
    """

    call_id: CallId
    channel: str
    answered: bool = False
    script: scripts.Script | None = None
    command: port.ForCaller | port.Hold | None = None
    agi_id: str = ""
    ready: bool = True
    todo: deque[port.ForCaller | port.Hold] = field(default_factory=deque)
    holding: bool = False
    held: bool = False
    holding_bridge: str = ""
    joined: LegId | None = None
    talked: bool = False
    typed: str = ""
    released: bool = False
    asking: bool = False


@dataclass(slots=True)
class LegChannel:
    """A leg that we ring."""

    leg_id: LegId
    call_id: CallId
    ring_time_s: float
    channel: str = ""
    picked_up: bool = False
    joined: bool = False
    stopped: Disposition | None = None
    reason: str = ""


class Channels:
    """All channels of ours in one Asterisk."""

    def __init__(
        self,
        *,
        act: Act,
        tell: Callable[[port.SwitchEvent], None],
        resolve: port.PromptResolver,
        messages: MessageFolder,
        addresses: frozenset[str],
    ) -> None:
        self._act = act
        self._tell = tell
        self._resolve = resolve
        self._messages = messages
        self.addresses = addresses
        self.callers: dict[CallId, CallerChannel] = {}
        self.legs: dict[LegId, LegChannel] = {}
        self.own_calls: dict[str, str] = {}
        self._bridges: dict[str, set[str]] = {}
        self._commands_sent = 0
        self.malformed = 0
        self._takers: dict[str, Callable[[Headers], None]] = {
            "Newchannel": self._new_channel,
            "Newstate": self._new_state,
            "Hangup": self._hangup,
            "BridgeEnter": self._bridge_enter,
            "BridgeLeave": self._bridge_leave,
            "OriginateResponse": self._originate_response,
            "AsyncAGIStart": self._agi_start,
            "AsyncAGIExec": self._agi_exec,
            "AsyncAGIEnd": self._agi_end,
            "DTMFEnd": self._dtmf,
            "DeviceStateChange": self._device_state,
        }

    # Events ------------------------------------------------------------------------------

    def take(self, headers: Headers) -> None:
        """An event of Asterisk.  One without a header it needs is counted and dropped."""
        taker = self._takers.get(headers.get("Event", ""))
        if taker is None:
            return
        try:
            taker(headers)
        except KeyError as error:
            self.malformed += 1
            _log.warning("ami_event_malformed", event_name=headers.get("Event"), lacks=str(error))

    def _leg(self, unique_id: str) -> LegChannel | None:
        return self.legs.get(LegId(unique_id.removeprefix(LEG_PREFIX)))

    def _new_channel(self, event: Headers) -> None:
        unique_id, channel = event["Uniqueid"], event["Channel"]
        if leg := self._leg(unique_id):
            leg.channel = channel
            if leg.stopped is not None:
                self._hang_up(unique_id, leg.stopped)
            return
        address = channel.rpartition("-")[0]
        if address in self.addresses and not unique_id.startswith(LEG_PREFIX):
            self.own_calls[unique_id] = address
            self._tell(port.AddressBusy(address, unique_id))

    def _new_state(self, event: Headers) -> None:
        state = event["ChannelState"]
        unique_id = event["Uniqueid"]
        if leg := self._leg(unique_id):
            if state == RINGING:
                self._tell(DeviceRinging(leg.leg_id))
            elif state == UP and not leg.picked_up:
                leg.picked_up = True
                self._tell(DeviceAnswered(leg.leg_id))
        elif (caller := self.callers.get(CallId(unique_id))) and state == UP:
            caller.answered = True

    def _hangup(self, event: Headers) -> None:
        unique_id = event["Uniqueid"]
        cause = int(event["Cause"]) if event["Cause"].isdigit() else 0
        words = f"{cause} {event.get('Cause-txt', '')}".strip()
        if leg := self._leg(unique_id):
            self._leg_ended(leg, cause, words)
        elif caller := self.callers.pop(CallId(unique_id), None):
            self._close(caller)
            self._tell(port.CallerGone(caller.call_id, words))
        elif address := self.own_calls.pop(unique_id, None):
            self._tell(port.AddressIdle(address, unique_id))

    def _leg_ended(self, leg: LegChannel, cause: int, words: str) -> None:
        del self.legs[leg.leg_id]
        if leg.joined:
            result = Disposition.ANSWERED
        elif leg.stopped is not None:
            result = leg.stopped
        else:
            result = disposition(
                cause,
                picked_up=leg.picked_up,
                ring_time_over=leg.reason == NO_ANSWER_REASON,
            )
            if leg.reason == BUSY_REASON:
                result = Disposition.BUSY
        caller = self.callers.get(leg.call_id)
        if caller is not None and caller.joined == leg.leg_id:
            caller.joined = None
        self._tell(LegEnded(leg.leg_id, result, words))

    def _bridge_enter(self, event: Headers) -> None:
        bridge, unique_id = event["BridgeUniqueid"], event["Uniqueid"]
        caller = self.callers.get(CallId(unique_id))
        if event["BridgeTechnology"] == "holding_bridge":
            if caller is not None and caller.holding:
                caller.holding_bridge = bridge
                self._held(caller)
            return
        leg = self._leg(unique_id)
        if caller is None and leg is None:
            return
        inside = self._bridges.setdefault(bridge, set())
        inside.add(unique_id)
        for member in inside:
            leg = self._leg(member)
            if leg is None or leg.joined or leg.call_id not in inside:
                continue
            caller = self.callers.get(leg.call_id)
            if caller is not None:
                leg.joined = True
                caller.joined = leg.leg_id
                caller.talked = True
                self._tell(Joined(leg.leg_id))

    def _bridge_leave(self, event: Headers) -> None:
        bridge, unique_id = event["BridgeUniqueid"], event["Uniqueid"]
        caller = self.callers.get(CallId(unique_id))
        if caller is not None and caller.holding_bridge == bridge:
            caller.held = False
            caller.holding_bridge = ""
        inside = self._bridges.get(bridge)
        if inside is not None:
            inside.discard(unique_id)
            if not inside:
                del self._bridges[bridge]

    def _originate_response(self, event: Headers) -> None:
        """A leg that failed: with a channel its Hangup follows or came, without there is none."""
        leg = self._leg(event.get("Uniqueid", ""))
        if leg is None or event["Response"] == "Success":
            return
        leg.reason = event["Reason"]
        if not leg.channel:
            self._leg_ended(leg, 0, f"could not be rung (reason {leg.reason})")

    def _device_state(self, event: Headers) -> None:
        address = event["Device"]
        if address in self.addresses:
            reachable = event["State"] not in ("UNAVAILABLE", "INVALID")
            self._tell(port.AddressReachable(address, reachable))

    def _dtmf(self, event: Headers) -> None:
        caller = self.callers.get(CallId(event["Uniqueid"]))
        if caller is not None and not caller.asking and not caller.holding:
            caller.typed = (caller.typed + event["Digit"][:1])[-MAX_TYPED:]

    # AGI ---------------------------------------------------------------------------------

    def _agi_start(self, event: Headers) -> None:
        call_id = CallId(event["Uniqueid"])
        known = self.callers.get(call_id)
        if event["Context"] not in CALLER_CONTEXTS or event["Channel"].startswith("Local/"):
            return
        if known is None:
            caller = CallerChannel(call_id, event["Channel"], event["ChannelState"] == UP)
            self.callers[call_id] = caller
            self._tell(
                port.CallArrived(
                    call_id,
                    event.get("AccountCode") or event["Exten"],
                    _known(event["CallerIDNum"]),
                    _known(event["CallerIDName"]),
                )
            )
            return
        # The same channel again: out of the holding bridge, or sent on by an agent.
        talked, known.talked = known.talked, False
        known.ready = True
        known.channel = event["Channel"]
        known.holding = known.held = False
        if "agi_arg_1: sent" in unquote(event["Env"]):
            known.todo.clear()
            self._tell(port.CallerTransferred(call_id, event["Exten"]))
        elif talked:
            self._tell(port.TalkOver(call_id))
        self._next(known)

    def _agi_end(self, event: Headers) -> None:
        caller = self.callers.get(CallId(event["Uniqueid"]))
        if caller is not None:
            self._close(caller)
            caller.ready = False

    def _agi_exec(self, event: Headers) -> None:
        caller = self.callers.get(CallId(event["Uniqueid"]))
        if caller is None:
            return
        if event.get("CommandId", event.get("CommandID")) != caller.agi_id:
            if caller.holding and caller.script is None:
                # The wait of an adopted caller, begun by an engine before us, is over.
                caller.holding = caller.held = False
                self._next(caller)
            return
        caller.agi_id = ""
        self._resume(caller, scripts.parse(unquote(event["Result"])))

    def _resume(self, caller: CallerChannel, reply: scripts.Reply | None) -> None:
        """Go on with the caller's script, or with what is to be done next."""
        script = caller.script
        if script is None:
            self._next(caller)
            return
        try:
            command = next(script) if reply is None else script.send(reply)
        except StopIteration as end:
            caller.script = None
            done = caller.command
            caller.command = None
            caller.asking = False
            self._finished(caller, done, end.value, reply)
            return
        self._agi(caller, command)

    def _finished(
        self,
        caller: CallerChannel,
        done: port.ForCaller | port.Hold | None,
        event: ivr_events.Event | None,
        reply: scripts.Reply | None,
    ) -> None:
        if isinstance(done, port.Hold):
            caller.holding = caller.held = False
            if reply is not None and reply.dead:
                return  # gone, sent on or thrown out of AGI: Hangup or another start tells
            talked, caller.talked = caller.talked, False
            if talked and not caller.todo:
                self._tell(port.TalkOver(caller.call_id))
        elif event is not None:
            self._tell(port.CallerDid(caller.call_id, event))
        if caller.script is None:
            self._next(caller)

    def _next(self, caller: CallerChannel) -> None:
        """Begin the next thing to be done for the caller, if nothing is under way."""
        if caller.script is not None or not caller.todo or not caller.ready or caller.agi_id:
            return
        command = caller.todo.popleft()
        if not caller.answered:
            caller.answered = True
            caller.todo.appendleft(command)
            self._agi(caller, "ANSWER")
            return
        caller.command = command
        caller.script = self._script(caller, command)
        self._resume(caller, None)

    def _script(self, caller: CallerChannel, command: port.ForCaller | port.Hold) -> scripts.Script:
        if isinstance(command, port.Hold):
            caller.holding = True
            caller.typed = ""
            return scripts.hold(caller.call_id, command.music)
        match command.command:
            case PlayPrompts(prompts, language):
                return scripts.play([self._resolve(one, language) for one in prompts])
            case Collect() as ask:
                caller.asking = True

                def typed() -> str:
                    digits, caller.typed = caller.typed, ""
                    return digits

                return scripts.collect(
                    [self._resolve(one, ask.language) for one in ask.prompts],
                    typed=typed,
                    max_digits=ask.max_digits,
                    timeout_s=ask.timeout_s,
                    inter_digit_s=ask.inter_digit_s,
                    barge_in=ask.barge_in,
                )
            case RecordMessage(box, max_s, silence_s):
                name = f"{_file_name(box)}-{_file_name(caller.call_id)}"
                here = self._messages.here / f"{name}.wav"
                return scripts.record(
                    f"{self._messages.on_switch}/{name}",
                    lambda: wav_seconds(here),
                    str(here),
                    max_s,
                    silence_s,
                )
            case HangUpCaller():
                raise AssertionError("carried out at once")

    def _agi(self, caller: CallerChannel, command: str) -> None:
        self._commands_sent += 1
        caller.agi_id = f"a{self._commands_sent}"
        call_id = caller.call_id
        mine = caller.agi_id

        def answered(reply: Headers | None) -> None:
            # Refused: the channel has left AGI.  What follows (Hangup, another start) tells why.
            refused = reply is not None and reply.get("Response") != "Success"
            live = self.callers.get(call_id)
            if refused and live is not None and live.agi_id == mine:
                live.agi_id = ""
                self._close(live)

        try:
            self._act(
                "AGI",
                (("Channel", caller.channel), ("Command", command), ("CommandID", mine)),
                answered,
            )
        except UnsafeValue as error:
            _log.warning("unsafe_agi_command", call_id=call_id, reason=str(error))
            caller.agi_id = ""
            self._resume(caller, scripts.Reply(510, "", "refused"))

    def _close(self, caller: CallerChannel) -> None:
        if caller.script is not None:
            caller.script.close()
            caller.script = None
        caller.command = None
        caller.asking = False
        caller.agi_id = ""

    # After a time without a line -----------------------------------------------------------

    def known(self) -> set[str]:
        """The Uniqueids of everything we believe to be there."""
        return {*self.callers, *(LEG_PREFIX + leg for leg in self.legs), *self.own_calls}

    def forget_missing(self, there: set[str], why: str) -> int:
        """End what is not among ``there``; returns how many that were."""
        missing = sorted(self.known() - there)
        for unique_id in missing:
            self.take({"Event": "Hangup", "Uniqueid": unique_id, "Cause": "0", "Cause-txt": why})
        return len(missing)

    def adopt(self, caller: CallerChannel) -> None:
        """A caller of a time before us."""
        self.callers[caller.call_id] = caller

    def found(self, event: port.CallerFound) -> None:
        """Tell of an adopted caller."""
        self._tell(event)

    def resume_all(self) -> None:
        """The answers to commands given before the line broke are lost: give them again.  Who
        waits or talks is left alone."""
        for caller in list(self.callers.values()):
            command = caller.command
            if command is not None and not isinstance(command, port.Hold):
                self._close(caller)
                caller.todo.appendleft(command)
                self._next(caller)

    def tell_up(self) -> None:
        """All is re-read."""
        self._tell(port.SwitchUp())

    # Commands ----------------------------------------------------------------------------

    def carry_out(self, command: port.SwitchCommand) -> None:
        """Do what the engine wants; whatever goes wrong comes back as an event."""
        match command:
            case port.Ring():
                self._ring(command)
            case StopRinging(leg_id, why):
                if (leg := self.legs.get(leg_id)) and leg.stopped is None:
                    leg.stopped = why
                    self._hang_up(LEG_PREFIX + leg_id, why)
            case port.Hold(call_id, _):
                if (caller := self.callers.get(call_id)) and caller.joined is None:
                    self._give(caller, command)
            case port.ForCaller(call_id, what):
                if caller := self.callers.get(call_id):
                    if isinstance(what, HangUpCaller):
                        self._act("Hangup", (("Channel", caller.channel), ("Cause", str(NORMAL))))
                    else:
                        self._give(caller, command)
            case port.Release(call_id):
                if caller := self.callers.get(call_id):
                    caller.released = True
                    self._agi(caller, "ASYNCAGI BREAK")

    def _give(self, caller: CallerChannel, command: port.ForCaller | port.Hold) -> None:
        caller.todo.append(command)
        if caller.holding:
            self._fetch(caller)
        else:
            self._next(caller)

    def _held(self, caller: CallerChannel) -> None:
        """The caller is in the holding bridge: who has picked up may take them."""
        caller.held = True
        if caller.todo:
            self._fetch(caller)
        else:
            self._set(caller.channel, "VORONKA_HELD", "1")

    def _fetch(self, caller: CallerChannel) -> None:
        """Back out of the holding bridge; when not yet in it, ``_held`` comes here again."""
        if caller.held and caller.holding_bridge:
            self._set(caller.channel, "VORONKA_HELD", "0")
            self._act(
                "BridgeKick",
                (("BridgeUniqueid", caller.holding_bridge), ("Channel", caller.channel)),
            )

    def _set(self, channel: str, name: str, value: str) -> None:
        self._act("Setvar", (("Channel", channel), ("Variable", name), ("Value", value)))

    def renew_limits(self) -> None:
        """Tell the dialplan that the engine is there: for every caller who does not talk."""
        for caller in self.callers.values():
            if caller.joined is None:
                self._set(caller.channel, "TIMEOUT(absolute)", str(LIMIT_S))

    def _ring(self, ring: port.Ring) -> None:
        leg = LegChannel(ring.leg_id, ring.call_id, ring.ring_time_s)
        self.legs[ring.leg_id] = leg
        caller = self.callers.get(ring.call_id)

        def answered(reply: Headers | None) -> None:
            live = self.legs.get(ring.leg_id)
            if live is None or live.channel:
                return
            if reply is None or reply.get("Response") != "Success":
                words = (reply or {}).get("Message", "no answer from Asterisk")
                self._leg_ended(live, 0, words)

        try:
            fields = originate(
                channel_id=LEG_PREFIX + ring.leg_id,
                to=ring.address,
                ring_time_s=ring.ring_time_s,
                caller=caller_id(ring.caller_name, ring.caller_number),
                caller_channel_id=ring.call_id,
                caller_channel=caller.channel if caller else "none",
            )
            self._act("Originate", fields, answered)
        except UnsafeValue as error:
            _log.warning("unsafe_ring", leg_id=ring.leg_id, reason=str(error))
            self._leg_ended(leg, 0, "unsafe address")

    def _hang_up(self, channel: str, why: Disposition) -> None:
        cause = 26 if why is Disposition.ANSWERED_ELSEWHERE else NORMAL
        self._act("Hangup", (("Channel", channel), ("Cause", str(cause))))


def _known(text: str) -> str:
    return "" if text == "<unknown>" else text


def _file_name(text: str) -> str:
    """Safe as a part of a file's name, whatever it was."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "-.") else "_" for c in text)[:80]
