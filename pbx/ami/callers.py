"""Callers' channels: led through AsyncAGI, waiting in a holding bridge, talking.

A caller's commands are carried out one after another (``todo``); the one under way is a script,
resumed by Asterisk's answers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from urllib.parse import unquote

import structlog

from ivr import events as ivr_events
from ivr.commands import Collect, HangUpCaller, PlayPrompts, RecordMessage
from pbx.ami import caller_scripts as scripts
from pbx.ami.causes import NORMAL
from pbx.ami.channels import (
    CALL_CONTEXT,
    LIMIT_S,
    UP,
    Act,
    CallerChannel,
    MessageFolder,
    known,
    known_name,
)
from pbx.ami.protocol import LOST, Headers
from pbx.ami.wav import wav_seconds
from pbx.errors import UnsafeValue
from pbx.switch import port
from routing.values import CallId

_log = structlog.get_logger(__name__)

OWN_KEY = "#"
"""Ends GET DATA."""
_LINE_END = "%0A"
_ARGUMENT = f"{_LINE_END}agi_arg_1%3A%20"
"""Begins a line of AGI's environment, as AMI writes it."""
UNDONE = scripts.Reply(510, "-1", "")
"""The answer to a command that could not be given."""


class Callers:
    """All callers whom the switch has and we lead."""

    def __init__(
        self,
        *,
        act: Act,
        tell: Callable[[port.SwitchEvent], None],
        resolve: port.PromptResolver,
        messages: MessageFolder,
        command_prefix: str,
    ) -> None:
        self._act = act
        self._tell = tell
        self._resolve = resolve
        self._messages = messages
        self._command_prefix = command_prefix
        self._commands_sent = 0
        self.by_id: dict[CallId, CallerChannel] = {}

    # Commands ----------------------------------------------------------------------------

    def hold(self, hold: port.Hold) -> None:
        """Let the caller wait."""
        caller = self.by_id.get(hold.call_id)
        if caller is not None and not caller.talk_bridge:
            self._give(caller, hold)

    def lead(self, command: port.ForCaller) -> None:
        """Do something for the caller, in place of what has not been answered."""
        caller = self.by_id.get(command.call_id)
        if caller is None:
            return
        if isinstance(command.command, HangUpCaller):
            self.hang_up(caller)
        else:
            self._forget_unanswered(caller)
            self._give(caller, command)

    def _forget_unanswered(self, caller: CallerChannel) -> None:
        """The engine gives a new command only when it does not wait for an answer any more: the
        one to what is still under way was lost."""
        left = [one for one in caller.todo if isinstance(one, port.Hold)]
        if isinstance(caller.command, port.ForCaller) or len(left) < len(caller.todo):
            caller.todo = deque(left)
            self.close(caller)

    def hang_up(self, caller: CallerChannel) -> None:
        """End the call."""
        self._act("Hangup", (("Channel", caller.channel), ("Cause", str(NORMAL))))

    def release(self, call_id: CallId) -> None:
        """Give the caller to the dialplan's own way."""
        caller = self.by_id.get(call_id)
        if caller is None or caller.released:
            return
        caller.released = True
        caller.todo.clear()
        self.close(caller)
        if caller.held:
            self._fetch(caller)
        if caller.ready:
            self._agi(caller, "ASYNCAGI BREAK")

    def _give(self, caller: CallerChannel, command: port.ForCaller | port.Hold) -> None:
        if caller.released:
            return
        caller.todo.append(command)
        if caller.holding:
            self._fetch(caller)
        else:
            self._next(caller)

    def fetch(self, call_id: CallId) -> None:
        """Take the caller out of the wait, if nobody is joined before."""
        caller = self.by_id.get(call_id)
        if caller is not None and caller.holding and not caller.talk_bridge:
            caller.leaving = True
            self._fetch(caller)

    def _fetch(self, caller: CallerChannel) -> None:
        """Back out of the holding bridge; when not yet in it, ``held`` comes here again."""
        if caller.held:
            self._set(caller.channel, "VORONKA_HELD", "0")
            self._act(
                "BridgeKick",
                (("BridgeUniqueid", caller.holding_bridge), ("Channel", caller.channel)),
            )

    def _set(self, channel: str, name: str, value: str) -> None:
        self._act("Setvar", (("Channel", channel), ("Variable", name), ("Value", value)))

    def with_limit(self) -> list[CallId]:
        """Who does not talk: the dialplan's time limit holds for them."""
        return [call_id for call_id, caller in self.by_id.items() if _has_limit(caller)]

    def renew_limit(self, call_id: CallId) -> None:
        """Tell the dialplan that the engine is there for this caller, if that is wanted still."""
        caller = self.by_id.get(call_id)
        if caller is not None and _has_limit(caller):
            caller.limited = True
            self._set(caller.channel, "TIMEOUT(absolute)", str(LIMIT_S))

    def renew_limits(self) -> None:
        """For all of them, now."""
        for call_id in self.with_limit():
            self.renew_limit(call_id)

    # Bridges -----------------------------------------------------------------------------

    def held(self, caller: CallerChannel, bridge: str) -> None:
        """The caller is in the holding bridge: who has picked up may take them."""
        caller.held = caller.answered = True
        caller.holding_bridge = bridge
        if caller.todo or caller.released or caller.leaving:
            self._fetch(caller)
        else:
            self._set(caller.channel, "VORONKA_HELD", "1")

    def talks(self, caller: CallerChannel, bridge: str) -> None:
        """The caller is in a bridge with somebody."""
        caller.talk_bridge = bridge
        caller.leaving = False
        caller.client = None
        if caller.going:
            # Pulled into the talk in the moment of hanging up: Asterisk then forgets the hang-up,
            # and the manager would hear silence until they give up.
            self.hang_up(caller)
            return
        if caller.limited:
            # The dialplan has lifted the limit when it joined them, but we may have set it again
            # in that very moment.
            caller.limited = False
            self._set(caller.channel, "TIMEOUT(absolute)", "0")

    def left(self, caller: CallerChannel, bridge: str) -> None:
        """The caller has left a bridge."""
        if caller.holding_bridge == bridge:
            caller.held = False
            caller.holding_bridge = ""
        if caller.talk_bridge == bridge:
            caller.talk_bridge = ""

    # AGI ---------------------------------------------------------------------------------

    def agi_start(self, event: Headers) -> None:
        """A channel of ours can be led: a new caller, or one who comes back."""
        if event["Context"] != CALL_CONTEXT:
            return
        call_id = CallId(event["Uniqueid"])
        sent_to = _argument(event["Env"])
        caller = self.by_id.get(call_id)
        if caller is None:
            caller = CallerChannel(
                call_id,
                event["Channel"],
                event["ChannelState"] == UP,
                event["AccountCode"],
                known(event["CallerIDNum"]),
                known_name(event["CallerIDName"]),
            )
            self.by_id[call_id] = caller
            self._tell(port.CallArrived(call_id, caller.dialled, caller.number, caller.name))
            return
        self._back_in_agi(caller, event["Channel"], sent_to)

    def _back_in_agi(self, caller: CallerChannel, channel: str, sent_to: str) -> None:
        """Out of a talk, out of the holding bridge, or after a command that Asterisk choked on."""
        talked, caller.talked = caller.talked, False
        leaving, caller.leaving = caller.leaving, False
        caller.ready = True
        caller.channel = channel
        caller.holding = caller.held = False
        caller.holding_bridge = caller.talk_bridge = ""
        if caller.released:
            self._agi(caller, "ASYNCAGI BREAK")
        elif caller.stranger:
            self._stranger_back(caller, sent_to)
        elif sent_to:
            caller.todo.clear()
            self._tell(port.CallerTransferred(caller.call_id, sent_to))
        elif talked:
            self._tell(port.TalkOver(caller.call_id))
        elif leaving:
            self._tell(port.WaitLeft(caller.call_id))
        elif caller.script is None and not caller.todo and caller.waits is not None:
            # The wait ended, and the engine did not ask for it.
            caller.todo.append(caller.waits)
        self._next(caller)

    def _stranger_back(self, caller: CallerChannel, sent_to: str) -> None:
        """The talk of a caller whom the engine does not know is over."""
        if sent_to:
            # Somebody is to serve them: from the beginning, as nothing else is known.
            caller.stranger = False
            self.tell_found(caller)
        else:
            self.hang_up(caller)

    def tell_found(self, caller: CallerChannel, started_at: float = 0.0) -> None:
        """A caller of a time before us needs the engine."""
        self._tell(
            port.CallerFound(caller.call_id, caller.dialled, caller.number, caller.name, started_at)
        )

    def interrupt(self, caller: CallerChannel) -> None:
        """End a question whose answer nobody waits for any more: what is asked next would stand
        behind it, and the caller's key would go to the old one."""
        caller.own_key = True
        self._act(
            "PlayDTMF",
            (
                ("Channel", caller.channel),
                ("Digit", OWN_KEY),
                ("Duration", "100"),
                ("Receive", "true"),
            ),
        )
        caller.script = scripts.settle()
        self._resume(caller, None)

    def agi_end(self, event: Headers) -> None:
        """The channel left AGI.  A question under way stays: it is answered already, or will be
        when the dialplan leads the channel back."""
        caller = self.by_id.get(CallId(event["Uniqueid"]))
        if caller is not None:
            caller.ready = False
            if caller.command is None or isinstance(caller.command, port.Hold):
                self.close(caller)

    def agi_exec(self, event: Headers) -> None:
        """An AGI command is answered."""
        caller = self.by_id.get(CallId(event["Uniqueid"]))
        if caller is None:
            return
        if event.get("CommandId", "") != caller.agi_id:
            if caller.holding and caller.script is None:
                # The wait of an adopted caller, begun by an engine before us, is over.
                caller.holding = caller.held = False
                self._next(caller)
            return
        caller.agi_id = ""
        if caller.answering:
            caller.answering, caller.answered = False, True
        self._resume(caller, scripts.parse(unquote(event["Result"])))

    def key(self, event: Headers) -> None:
        """A key of the caller's."""
        caller = self.by_id.get(CallId(event["Uniqueid"]))
        if caller is None or event["Direction"] != "Received":
            return
        key = event["Digit"]
        if caller.own_key and key == OWN_KEY:
            caller.own_key = False
        elif not caller.holding:
            caller.keys.press(key)
        elif not caller.talk_bridge and key in scripts.ALL_KEYS:
            self._tell(port.KeyPressed(caller.call_id, key))

    # Scripts -----------------------------------------------------------------------------

    def _next(self, caller: CallerChannel) -> None:
        """Begin the next thing to be done for the caller, if nothing is under way."""
        if caller.script is not None or not caller.todo or not caller.ready or caller.agi_id:
            return
        if not caller.answered and not isinstance(caller.todo[0], port.Hold):
            # The wait answers by itself (BridgeWait), and so spares Asterisk a command.
            # Until Asterisk says that it has: one that is lost with the line is given again.
            caller.answering = True
            self._agi(caller, "ANSWER")
            return
        caller.command = caller.todo.popleft()
        caller.script = self._script(caller, caller.command)
        self._resume(caller, None)

    def _resume(self, caller: CallerChannel, reply: scripts.Reply | None) -> None:
        """Go on with the caller's script, or with what is to be done next."""
        while (script := caller.script) is not None:
            try:
                command = next(script) if reply is None else script.send(reply)
            except StopIteration as end:
                self._finished(caller, end.value, reply)
                return
            except UnsafeValue as error:
                _log.warning("unsafe_value", call_id=caller.call_id, reason=str(error))
                self._finished(caller, None, reply)
                return
            if self._agi(caller, command):
                return
            reply = UNDONE
        self._next(caller)

    def _finished(
        self,
        caller: CallerChannel,
        event: ivr_events.Event | None,
        reply: scripts.Reply | None,
    ) -> None:
        command = caller.command
        caller.script = caller.command = None
        caller.own_key = False
        if isinstance(command, port.Hold):
            caller.holding = caller.held = False
            if reply is not None and reply.dead:
                return  # gone, sent on or thrown out of AGI: Hangup or another start tells
            talked, caller.talked = caller.talked, False
            leaving, caller.leaving = caller.leaving, False
            if talked and not caller.todo:
                self._tell(port.TalkOver(caller.call_id))
            elif leaving:
                self._tell(port.WaitLeft(caller.call_id))
        elif event is not None:
            self._tell(port.CallerDid(caller.call_id, event))
        self._next(caller)

    def _script(self, caller: CallerChannel, command: port.ForCaller | port.Hold) -> scripts.Script:
        if isinstance(command, port.Hold):
            caller.holding = True
            caller.waits = command
            caller.keys.take()
            return scripts.hold(caller.call_id, command.music)
        caller.waits = None
        match command.command:
            case PlayPrompts(prompts, language):
                return scripts.play([self._resolve(one, language) for one in prompts])
            case Collect() as ask:
                return scripts.collect(
                    [self._resolve(one, ask.language) for one in ask.prompts],
                    keys=caller.keys,
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
                    keys=caller.keys,
                )
            case HangUpCaller():
                raise AssertionError("carried out at once")

    def _agi(self, caller: CallerChannel, command: str) -> bool:
        """Give Asterisk an AGI command; False when it can't be given."""
        self._commands_sent += 1
        caller.agi_id = mine = f"{self._command_prefix}{self._commands_sent}"

        def answered(reply: Headers | None) -> None:
            # Refused: the channel has left AGI.  What follows (Hangup, another start) tells why.
            # After a broken line, reconciling asks again.
            refused = reply is not None and reply is not LOST and reply["Response"] != "Success"
            if refused and caller.agi_id == mine:
                self.close(caller)

        try:
            self._act(
                "AGI",
                (("Channel", caller.channel), ("Command", command), ("CommandID", mine)),
                answered,
            )
        except UnsafeValue as error:
            _log.warning("unsafe_agi_command", call_id=caller.call_id, reason=str(error))
            caller.agi_id = ""
            return False
        return True

    def close(self, caller: CallerChannel) -> None:
        """Drop what is under way."""
        if caller.script is not None:
            caller.script.close()
        caller.script = caller.command = None
        caller.agi_id = ""
        caller.answering = False

    # After a time without a line -----------------------------------------------------------

    def resume(self, caller: CallerChannel, *, in_agi: bool, channel: str, sent_to: str) -> None:
        """Take up the thread with a caller whom we knew before the line broke.

        Answers may have been lost: a question under way is asked again.  ``in_agi``: led, not in
        any bridge.  ``sent_to``: of the last transfer, which may be one we know of.
        """
        command = caller.command
        if caller.released or caller.stranger:
            if in_agi:
                self._back_in_agi(caller, channel, sent_to)
        elif isinstance(command, port.ForCaller):
            self.close(caller)
            caller.todo.appendleft(command)
            self.interrupt(caller)
        elif in_agi and (caller.holding or caller.talked):
            self.close(caller)
            if command is not None and not caller.talked:
                caller.todo.appendleft(command)  # the wait had not begun, or is over
            self._back_in_agi(caller, channel, sent_to if caller.talked else "")
        elif caller.script is None:
            caller.agi_id = ""
            caller.answering = False
            self._next(caller)


def _has_limit(caller: CallerChannel) -> bool:
    rings = caller.client is not None and not caller.answered
    return not caller.talk_bridge and not caller.released and not rings


def _argument(env: str) -> str:
    """The number an agent sent the caller to, "" where none did (AGI's second argument)."""
    _, found, rest = env.partition(_ARGUMENT)
    return unquote(rest.partition(_LINE_END)[0]).strip() if found else ""


def _file_name(text: str) -> str:
    """Safe as a part of a file's name, whatever it was: no separator, no dot at its beginning."""
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "-.") else "_" for c in text)
    return safe[:80].lstrip(".") or "_"
