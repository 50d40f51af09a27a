"""Devices that we ring: one leg each, from Originate to its one end."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from pbx.ami.actions import caller_id, originate, plain
from pbx.ami.causes import BUSY_REASON, ELSEWHERE, NO_ANSWER_REASON, NORMAL, disposition
from pbx.ami.channels import (
    LEG_PREFIX,
    RINGING,
    UP,
    Act,
    CallerChannel,
    LegChannel,
    Recorder,
)
from pbx.ami.protocol import LOST, Headers
from pbx.errors import UnsafeValue
from pbx.switch import port
from routing.events import DeviceAnswered, DeviceRinging, Joined, LegEnded
from routing.values import CallId, Disposition, LegId

_log = structlog.get_logger(__name__)


class Legs:
    """All legs that have not ended."""

    def __init__(
        self,
        *,
        act: Act,
        tell: Callable[[port.SwitchEvent], None],
        callers: Mapping[CallId, CallerChannel],
        recorder: Recorder,
    ) -> None:
        self._act = act
        self._tell = tell
        self._callers = callers
        self._recorder = recorder
        self.by_id: dict[LegId, LegChannel] = {}

    def of(self, unique_id: str) -> LegChannel | None:
        """The leg whose channel this is."""
        if not unique_id.startswith(LEG_PREFIX):
            return None
        return self.by_id.get(LegId(unique_id.removeprefix(LEG_PREFIX)))

    # Commands ----------------------------------------------------------------------------

    def ring(self, ring: port.Ring, greeting: str = "") -> None:
        """Ring a device; whatever comes of it, one LegEnded.  ``greeting``: sounds for who answers,
        where the caller is yet to be called."""
        leg = LegChannel(ring.leg_id, ring.call_id, record_as=ring.record_as)
        self.by_id[ring.leg_id] = leg
        caller = self._callers.get(ring.call_id)

        def answered(reply: Headers | None) -> None:
            # Where the line broke we do not know: the device may ring.  Reconciling tells.
            if reply is LOST or leg.channel or self.by_id.get(leg.leg_id) is not leg:
                return
            if reply is None or reply.get("Response") != "Success":
                self._end(leg, 0, (reply or {}).get("Message", "no answer from Asterisk"))

        try:
            fields = originate(
                channel_id=LEG_PREFIX + ring.leg_id,
                to=ring.address,
                ring_time_s=ring.ring_time_s,
                caller=caller_id(ring.caller_name, ring.caller_number),
                caller_channel_id=ring.call_id,
                caller_channel=caller.channel if caller else ring.call_id if greeting else "none",
                record_to=self._record_to(ring.record_as),
                greeting=greeting,
            )
            self._act("Originate", fields, answered)
        except UnsafeValue as error:
            _log.warning("unsafe_ring", leg_id=ring.leg_id, reason=str(error))
            self._end(leg, 0, "unsafe address")

    def _record_to(self, name: str) -> str:
        """A folder that can't be named in the dialplan costs the recording, not the call."""
        if not name:
            return ""
        try:
            return plain(self._recorder.path(name))
        except UnsafeValue as error:
            _log.error("recordings_folder_unfit", reason=str(error))
            return ""

    def stop(self, leg_id: LegId, why: Disposition) -> None:
        """Stop ringing (or, in a talk, hang up); its end says why."""
        leg = self.by_id.get(leg_id)
        if leg is not None and leg.stopped is None:
            leg.stopped = why
            self._hang_up(leg, why)

    def pause(self, pause: port.PauseRecording) -> None:
        """Stop or resume the recording of a talk."""
        leg = self.by_id.get(pause.leg_id)
        if leg is None or not leg.joined or not leg.record_as:
            return

        def answered(reply: Headers | None) -> None:
            if reply is not None and reply is not LOST and reply.get("Response") == "Success":
                self._tell(port.RecordingPaused(pause.leg_id, pause.paused))
            else:
                _log.error("recording_not_paused", leg_id=pause.leg_id, paused=pause.paused)

        state = "1" if pause.paused else "0"
        self._act(
            "MixMonitorMute",
            (("Channel", leg.channel), ("Direction", "both"), ("State", state)),
            answered,
        )

    def key(self, leg: LegChannel, event: Headers) -> None:
        """A key of the manager's, who may stop the recording by it."""
        if leg.joined and leg.record_as and event["Direction"] == "Received":
            self._tell(port.LegKey(leg.leg_id, event["Digit"]))

    def _hang_up(self, leg: LegChannel, why: Disposition) -> None:
        cause = ELSEWHERE if why is Disposition.ANSWERED_ELSEWHERE else NORMAL
        self._act("Hangup", (("Channel", LEG_PREFIX + leg.leg_id), ("Cause", str(cause))))

    # Events ------------------------------------------------------------------------------

    def new_channel(self, leg: LegChannel, channel: str) -> None:
        """The leg's channel is there."""
        leg.channel = channel
        if leg.stopped is not None:
            self._hang_up(leg, leg.stopped)

    def new_state(self, leg: LegChannel, state: str) -> None:
        """It rings, or is picked up."""
        if state == RINGING and not leg.rings and not leg.picked_up:
            leg.rings = True
            self._tell(DeviceRinging(leg.leg_id))
        elif state == UP and not leg.picked_up:
            leg.picked_up = True
            self._tell(DeviceAnswered(leg.leg_id))

    def joined(self, leg: LegChannel, caller: CallerChannel) -> None:
        """The leg and its caller are in one bridge."""
        if leg.joined:
            return
        self.new_state(leg, UP)
        leg.joined = True
        caller.joined = leg.leg_id
        caller.talked = True
        self._tell(Joined(leg.leg_id))

    def originate_response(self, event: Headers) -> None:
        """A leg that failed: with a channel its Hangup follows or came, without there is none."""
        leg = self.of(event.get("Uniqueid", ""))
        if leg is None or event["Response"] == "Success":
            return
        leg.reason = event["Reason"]
        if not leg.channel:
            self._end(leg, 0, f"could not be rung (reason {leg.reason})")

    def hung_up(self, leg: LegChannel, cause: int, words: str) -> None:
        """The leg's channel is gone."""
        self._end(leg, cause, words)

    def _end(self, leg: LegChannel, cause: int, words: str) -> None:
        del self.by_id[leg.leg_id]
        if leg.joined:
            result = Disposition.ANSWERED
        elif leg.stopped is not None:
            result = leg.stopped
        elif leg.reason == BUSY_REASON:
            result = Disposition.BUSY
        else:
            over = leg.reason == NO_ANSWER_REASON
            result = disposition(cause, picked_up=leg.picked_up, ring_time_over=over)
        caller = self._callers.get(leg.call_id)
        if caller is not None and caller.joined == leg.leg_id:
            caller.joined = None
        self._tell(LegEnded(leg.leg_id, result, words))
        if leg.record_as:
            self._recorder.over(leg.record_as, talked=leg.joined)
