"""Clients who are called back: from Originate to the join, or to the end without one.

A client who is joined with the manager is a caller like any other from then on (callers.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from ivr.commands import PlayPrompts
from pbx.ami.actions import call_client, caller_id
from pbx.ami.caller_scripts import playable
from pbx.ami.causes import BUSY_REASON, NO_ANSWER_REASON, NORMAL, disposition
from pbx.ami.channels import UP, Act, CallerChannel, ClientCall
from pbx.ami.protocol import LOST, Headers
from pbx.errors import UnsafeValue
from pbx.switch import port
from routing.values import CallId, Disposition

_log = structlog.get_logger(__name__)


class Clients:
    """All clients who are being called; ``callers``: where they are kept."""

    def __init__(
        self,
        *,
        act: Act,
        tell: Callable[[port.SwitchEvent], None],
        resolve: port.PromptResolver,
        callers: dict[CallId, CallerChannel],
    ) -> None:
        self._act = act
        self._tell = tell
        self._resolve = resolve
        self._callers = callers

    def call(self, command: port.CallClient) -> None:
        """Call the client; whatever comes of it is told once."""
        call_id = command.call_id
        caller = CallerChannel(call_id, call_id, holding=True, client=ClientCall())
        self._callers[call_id] = caller

        def answered(reply: Headers | None) -> None:
            # Where the line broke we do not know: the phone may ring.  Reconciling tells.
            if reply is LOST or caller.client is None or caller.client.there:
                return
            if reply is None or reply.get("Response") != "Success":
                self._end(caller, 0, (reply or {}).get("Message", "no answer from Asterisk"))

        try:
            fields = call_client(
                channel_id=call_id,
                to=command.address,
                ring_time_s=command.ring_time_s,
                caller=caller_id("", command.shown_number),
                account=command.shown_number,
                sounds=self.sounds(command.notice),
            )
            self._act("Originate", fields, answered)
        except UnsafeValue as error:
            _log.warning("unsafe_client", call_id=call_id, reason=str(error))
            self._end(caller, 0, "unsafe address")

    def sounds(self, said: PlayPrompts | None) -> str:
        """What the dialplan plays, "" for nothing."""
        if said is None:
            return ""
        named: Sequence[str] = [self._resolve(one, said.language) for one in said.prompts]
        return playable(named)

    def stop(self, caller: CallerChannel) -> bool:
        """Call the client no more; False where they are none, or talk already."""
        if caller.client is None:
            return False
        caller.client.stopped = True
        self._hang_up(caller)
        return True

    def _hang_up(self, caller: CallerChannel) -> None:
        self._act("Hangup", (("Channel", caller.call_id), ("Cause", str(NORMAL))))

    def new_channel(self, caller: CallerChannel, channel: str) -> None:
        """The client's channel is there."""
        if caller.client is not None:
            caller.channel = channel
            caller.client.there = True
            if caller.client.stopped:
                self._hang_up(caller)

    def originate_response(self, event: Headers) -> bool:
        """It did not come about; with a channel its Hangup tells.  False: it is no client's."""
        caller = self._callers.get(CallId(event.get("Uniqueid", "")))
        if caller is None:
            return False
        client = caller.client
        if client is not None and event["Response"] != "Success":
            client.reason = event["Reason"]
            if not client.there:
                self._end(caller, 0, f"could not be called (reason {client.reason})")
        return True

    def found(self, one: Headers) -> None:
        """A client whom an engine before us called."""
        caller = CallerChannel(
            CallId(one["Uniqueid"]),
            one.get("Channel", ""),
            answered=one.get("ChannelState") == UP,
            dialled=one.get("AccountCode", ""),
            holding=True,
            client=ClientCall(there=True),
        )
        self._callers[caller.call_id] = caller
        self._tell(port.ClientFound(caller.call_id))

    def hung_up(self, caller: CallerChannel, cause: int, words: str) -> bool:
        """The channel is gone; False where the client had talked."""
        if caller.client is None:
            return False
        self._end(caller, cause, words)
        return True

    def _end(self, caller: CallerChannel, cause: int, words: str) -> None:
        client = caller.client
        assert client is not None, "not a client any more"
        self._callers.pop(caller.call_id, None)
        if client.stopped:
            result = Disposition.CANCELLED
        elif client.reason == BUSY_REASON:
            result = Disposition.BUSY
        else:
            over = client.reason == NO_ANSWER_REASON
            result = disposition(cause, picked_up=caller.answered, ring_time_over=over)
        self._tell(port.ClientNotReached(caller.call_id, result, words))
