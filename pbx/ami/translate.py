"""AMI events to the engine's, and the engine's commands to actions.

Knows no socket: events come in through ``take``, actions go out through ``act``, what happened
through ``tell``.  A recorded stream replayed here tells the same story again.  callers.py leads
callers, legs.py rings devices; here is who gets which event, and what bridges mean.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import structlog

from pbx.ami.announcing import Announcers
from pbx.ami.callers import Callers
from pbx.ami.channels import (
    ALONE_CONTEXT,
    LEG_PREFIX,
    SAY_PREFIX,
    UP,
    Act,
    CallerChannel,
    LegChannel,
    MessageFolder,
    Recorder,
)
from pbx.ami.clients import Clients
from pbx.ami.legs import Legs
from pbx.ami.protocol import Headers
from pbx.switch import port
from routing.commands import StopRinging
from routing.values import CallId, LegId

__all__ = ["Channels", "MessageFolder"]

_log = structlog.get_logger(__name__)

HEARD = "VoronkaHeard"
"""The dialplan's word for: who picked up has heard the greeting (asterisk-conf/extensions.conf)."""
STAGE = "VoronkaStage"
"""And for: a stage of the funnel was dialled."""
OF_ONE_CHANNEL = frozenset(
    {
        "Newchannel",
        "Newstate",
        "Hangup",
        "HangupRequest",
        "BridgeEnter",
        "BridgeLeave",
        "OriginateResponse",
        "AsyncAGIStart",
        "AsyncAGIExec",
        "AsyncAGIEnd",
        "DTMFEnd",
    }
)
"""Events that are about one channel, and the bridge that they name."""
MAX_DEVICES = 100_000
"""Devices remembered to be unreachable."""


class Channels:
    """All channels of ours in one Asterisk.

    ``command_prefix``: begins the ids of AGI commands.  Different in each run, so that the answer
    to a command of an engine before us is not taken for one of ours.
    """

    def __init__(
        self,
        *,
        act: Act,
        tell: Callable[[port.SwitchEvent], None],
        resolve: port.PromptResolver,
        messages: MessageFolder,
        recorder: Recorder,
        addresses: frozenset[str],
        command_prefix: str = "a",
    ) -> None:
        self._act = act
        self._tell = tell
        self.addresses = addresses
        self.leading = Callers(
            act=act,
            tell=tell,
            resolve=resolve,
            messages=messages,
            command_prefix=command_prefix,
        )
        self.ringing = Legs(act=act, tell=tell, callers=self.leading.by_id, recorder=recorder)
        self.recorder = recorder
        self.announcing = Announcers(
            act=act,
            tell=tell,
            resolve=resolve,
            callers=self.leading.by_id,
            prefix=command_prefix,
        )
        self.clients = Clients(act=act, tell=tell, resolve=resolve, callers=self.leading.by_id)
        self.own_calls: dict[str, str] = {}
        self.unreachable: set[str] = set()
        """Devices of Asterisk's, in the plan or not: a new plan may name them."""
        self._dialled: dict[str, str] = {}
        self._stage_dialled: dict[str, str] = {}
        self._bridges: dict[str, set[str]] = {}
        self.malformed = 0
        self._takers: dict[str, Callable[[Headers], None]] = {
            "Newchannel": self._new_channel,
            "Newstate": self._new_state,
            "Hangup": self._hangup,
            "HangupRequest": self._hangs_up,
            "BridgeEnter": self._bridge_enter,
            "BridgeLeave": self._bridge_leave,
            "AttendedTransfer": self._handed_over,
            "OriginateResponse": self._originate_response,
            "AsyncAGIStart": self.leading.agi_start,
            "AsyncAGIExec": self.leading.agi_exec,
            "AsyncAGIEnd": self.leading.agi_end,
            "DTMFEnd": self._key,
            "DeviceStateChange": self._device_state,
            "UserEvent": self._dialplan_says,
        }

    @property
    def callers(self) -> dict[CallId, CallerChannel]:
        """The callers we lead."""
        return self.leading.by_id

    @property
    def bridges(self) -> Mapping[str, set[str]]:
        """Who of those we know is in which bridge with somebody."""
        return self._bridges

    @property
    def legs(self) -> dict[LegId, LegChannel]:
        """The legs that have not ended."""
        return self.ringing.by_id

    # Commands ----------------------------------------------------------------------------

    def carry_out(self, command: port.SwitchCommand) -> None:
        """Do what the engine wants; whatever goes wrong comes back as an event."""
        match command:
            case port.Ring():
                self.ringing.ring(command, self.clients.sounds(command.greeting))
            case port.CallClient():
                self.clients.call(command)
            case port.PauseRecording():
                self.ringing.pause(command)
            case StopRinging(leg_id, why):
                self.ringing.stop(leg_id, why)
            case port.Hold():
                self.leading.hold(command)
            case port.Fetch(call_id):
                self.leading.fetch(call_id)
            case port.Announce():
                self.announcing.say(command)
            case port.ForCaller(call_id):
                caller = self.callers.get(call_id)
                if caller is None or not self.clients.stop(caller):
                    self.leading.lead(command)
            case port.StageNoted(key):
                if channel := self._stage_dialled.pop(key, None):
                    noted = (("Channel", channel), ("Variable", "VORONKA_NOTED"), ("Value", "1"))
                    self._act("Setvar", noted)
            case port.Release(call_id):
                self.leading.release(call_id)

    def renew_limits(self) -> None:
        """Tell the dialplan that the engine is there, for every caller at once."""
        self.leading.renew_limits()

    # Events ------------------------------------------------------------------------------

    def hurries(self, event: Headers) -> bool:
        """A manager is free for the next caller: a phone of theirs that we rang is done."""
        return event.get("Event") == "Hangup" and self._leg_of(event) is not None

    def about(self, event: Headers) -> Collection[str] | None:
        """The calls, bridges and phones that an event is about; None: we can't tell."""
        name = event.get("Event", "")
        if name == "DeviceStateChange":
            return (event.get("Device", ""),)
        unique_id = event.get("Uniqueid", "")
        if name not in OF_ONE_CHANNEL or not unique_id:
            return None
        words = [unique_id]
        # A manager's phone has a name of its own; a trunk's is that of all who come by it.
        if (phone := event.get("Channel", "").rpartition("-")[0]) in self.addresses:
            words.append(phone)
        if bridge := event.get("BridgeUniqueid"):
            words.append(bridge)
        call_id: str = unique_id
        if leg := self._leg_of(event):
            call_id = leg.call_id
            words.append(call_id)
        if (caller := self.callers.get(CallId(call_id))) and caller.talk_bridge:
            words.append(caller.talk_bridge)
        return words

    def _leg_of(self, event: Headers) -> LegChannel | None:
        return self.ringing.of(event.get("Uniqueid", ""))

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

    def _new_channel(self, event: Headers) -> None:
        unique_id, channel = event["Uniqueid"], event["Channel"]
        if leg := self.ringing.of(unique_id):
            self.ringing.new_channel(leg, channel)
        elif unique_id.startswith(SAY_PREFIX):
            self.announcing.new_channel(unique_id)
        elif caller := self.callers.get(CallId(unique_id)):
            self.clients.new_channel(caller, channel)
        elif not unique_id.startswith(LEG_PREFIX):
            self.busy(unique_id, channel, event.get("Exten", ""))

    def _originate_response(self, event: Headers) -> None:
        if event.get("Uniqueid", "").startswith(SAY_PREFIX):
            self.announcing.originate_response(event)
        elif not self.clients.originate_response(event):
            self.ringing.originate_response(event)

    def busy(self, unique_id: str, channel: str, dialled: str) -> None:
        """A channel that is not ours: if it is a manager's device, the manager is busy.

        ``dialled``: "" or "s" where the device did not dial but was called.
        """
        address = channel.rpartition("-")[0]
        if address in self.addresses and unique_id not in self.own_calls:
            self.own_calls[unique_id] = address
            if dialled not in ("", "s"):
                self._dialled[unique_id] = dialled
            self._tell(port.AddressBusy(address, unique_id))

    def _new_state(self, event: Headers) -> None:
        unique_id, state = event["Uniqueid"], event["ChannelState"]
        if leg := self.ringing.of(unique_id):
            self.ringing.new_state(leg, state)
        elif (caller := self.callers.get(CallId(unique_id))) and state == UP:
            caller.answered = True

    def _key(self, event: Headers) -> None:
        if leg := self.ringing.of(event["Uniqueid"]):
            self.ringing.key(leg, event)
        else:
            self.leading.key(event)

    def _hangs_up(self, event: Headers) -> None:
        """The other side of a channel has hung up: Hangup follows when Asterisk has ended it."""
        if caller := self.callers.get(CallId(event["Uniqueid"])):
            caller.going = True

    def _dialplan_says(self, event: Headers) -> None:
        unique_id = event["Uniqueid"]
        leg = self.ringing.of(unique_id)
        if event["UserEvent"] == HEARD and leg is not None:
            self._tell(port.GreetingHeard(leg.leg_id))
        elif (
            event["UserEvent"] == STAGE
            and (address := self.own_calls.get(unique_id))
            and event["Stage"].isdecimal()
        ):
            self._stage_dialled[unique_id] = event["Channel"]
            self._tell(port.StageDialled(address, unique_id, int(event["Stage"])))

    def _hangup(self, event: Headers) -> None:
        unique_id = event["Uniqueid"]
        cause = int(event["Cause"]) if event["Cause"].isdecimal() else 0
        words = f"{cause} {event.get('Cause-txt', '')}".strip()
        if leg := self.ringing.of(unique_id):
            self.ringing.hung_up(leg, cause, words)
        elif unique_id.startswith(SAY_PREFIX):
            self.announcing.ended(unique_id)
        elif caller := self.callers.pop(CallId(unique_id), None):
            if self.clients.hung_up(caller, cause, words):
                return
            self.leading.close(caller)
            self.announcing.silence(caller)
            if event.get("Context") == ALONE_CONTEXT:
                words = f"{words}, {port.UNSEEN}"  # the dialplan had taken the call from us
            if not caller.stranger:
                self._tell(port.CallerGone(caller.call_id, words))
        elif address := self.own_calls.pop(unique_id, None):
            self._dialled.pop(unique_id, None)
            self._stage_dialled.pop(unique_id, None)
            self._tell(port.AddressIdle(address, unique_id))

    def _bridge_enter(self, event: Headers) -> None:
        bridge, unique_id = event["BridgeUniqueid"], event["Uniqueid"]
        caller = self.callers.get(CallId(unique_id))
        if event["BridgeTechnology"] == "holding_bridge":
            if caller is not None and caller.holding and not caller.held:
                self.leading.held(caller, bridge)
            return
        if dialled := self._dialled.pop(unique_id, None):
            # Dial puts both into a bridge when the other side picks up, not before.
            address = self.own_calls[unique_id]
            self._tell(port.OwnCallJoined(address, unique_id, dialled))
            return
        leg = self.ringing.of(unique_id)
        if caller is None and leg is None and unique_id not in self.own_calls:
            return
        if caller is not None:
            self.leading.talks(caller, bridge)
        inside = self._bridges.setdefault(bridge, set())
        inside.add(unique_id)
        for member in tuple(inside):
            leg = self.ringing.of(member)
            partner = self.callers.get(leg.call_id) if leg is not None else None
            if leg is not None and partner is not None and leg.call_id in inside:
                self.ringing.joined(leg, partner)
        for member in inside:
            if (one := self.callers.get(CallId(member))) and one.joined is None:
                self._taken(one, inside)

    def _taken(self, caller: CallerChannel, inside: set[str]) -> None:
        """The caller talks: with whom, where it is nobody whom we rang?  A phone that an engine
        before us rang, and that was picked up meanwhile."""
        address = self._own_call_in(inside)
        if address and not caller.talked and not caller.stranger:
            caller.talked = True
            self._tell(port.CallerTaken(caller.call_id, address))

    def _own_call_in(self, inside: Collection[str]) -> str:
        """The manager's device that is in the bridge by a call of its own; "" for none."""
        return next((self.own_calls[one] for one in inside if one in self.own_calls), "")

    def _bridge_leave(self, event: Headers) -> None:
        bridge, unique_id = event["BridgeUniqueid"], event["Uniqueid"]
        if caller := self.callers.get(CallId(unique_id)):
            self.leading.left(caller, bridge)
            if not caller.held:
                self.announcing.silence(caller)
        inside = self._bridges.get(bridge)
        if inside is not None:
            inside.discard(unique_id)
            if not inside:
                del self._bridges[bridge]

    def _handed_over(self, event: Headers) -> None:
        """A manager joined the caller with another call of theirs."""
        if event["Result"] != "Success":
            return
        transferee = CallId(event.get("TransfereeUniqueid", ""))
        other = "TransferTarget"
        caller = self.callers.get(transferee)
        if caller is None:
            # The phone may name the two calls the other way round.
            caller = self.callers.get(CallId(event.get("TransferTargetUniqueid", "")))
            other = "Transferee"
        if caller is None or caller.stranger:
            return
        first = event["OrigTransfererUniqueid"].startswith(LEG_PREFIX)
        target = event["SecondTransfererExten" if first else "OrigTransfererExten"]
        address = event.get(f"{other}Channel", "").rpartition("-")[0]
        if not address:
            # Asterisk does not always name the other side: it is in one of these bridges.
            inside: set[str] = set()
            for name in ("DestBridgeUniqueid", "SecondBridgeUniqueid", "OrigBridgeUniqueid"):
                inside |= self._bridges.get(event.get(name, ""), set())
            inside -= {event["OrigTransfererUniqueid"], event["SecondTransfererUniqueid"]}
            address = self._own_call_in(inside)
        self._tell(port.CallerHandedOver(caller.call_id, target, address))

    def _device_state(self, event: Headers) -> None:
        address = event["Device"]
        reachable = event["State"] not in ("UNAVAILABLE", "INVALID")
        was_reachable = address not in self.unreachable
        if reachable:
            self.unreachable.discard(address)
        elif len(self.unreachable) < MAX_DEVICES:
            self.unreachable.add(address)
        # Rung, talking, free: each call changes the state some times, and no reachability.
        if reachable is not was_reachable and address in self.addresses:
            self._tell(port.AddressReachable(address, reachable))

    # After a time without a line -----------------------------------------------------------

    def known(self) -> set[str]:
        """The Uniqueids of everything we believe to be there."""
        legs = (LEG_PREFIX + leg for leg in self.legs)
        return {*self.callers, *legs, *self.own_calls, *self.announcing.known()}

    def settled(self) -> set[str]:
        """``known`` without what Asterisk may just be making."""
        making = {LEG_PREFIX + leg.leg_id for leg in self.legs.values() if not leg.channel}
        making |= {call_id for call_id, one in self.callers.items() if one.being_made}
        return self.known() - making - (self.announcing.known() - self.announcing.settled())

    def forget_missing(self, there: set[str], why: str, among: set[str] | None = None) -> int:
        """End what (``among`` these) is not ``there``; returns how many that were."""
        missing = sorted((self.known() if among is None else among & self.known()) - there)
        for unique_id in missing:
            self.forget(unique_id, why)
        return len(missing)

    def forget(self, unique_id: str, why: str) -> None:
        """It is gone, or no business of ours any more."""
        self.take({"Event": "Hangup", "Uniqueid": unique_id, "Cause": "0", "Cause-txt": why})

    def forget_empty_bridges(self) -> None:
        """Nobody whom we know is in them: somebody's leaving was not told."""
        known = self.known()
        for bridge, inside in list(self._bridges.items()):
            inside &= known
            if not inside:
                del self._bridges[bridge]

    def forget_bridges(self) -> None:
        """Who is in which bridge is about to be told anew."""
        self._bridges.clear()
        for caller in self.callers.values():
            caller.held = False
            caller.holding_bridge = caller.talk_bridge = ""

    def hang_up_stray(self, channel: str) -> None:
        """End a channel (its name or Uniqueid) that nobody waits for any more."""
        self._act("Hangup", (("Channel", channel), ("Cause", "16")))

    def tell(self, event: port.SwitchEvent) -> None:
        """What was found out about the time before."""
        self._tell(event)

    def tell_up(self) -> None:
        """All is re-read."""
        self._tell(port.SwitchUp())
