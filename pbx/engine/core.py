"""Joins a caller's walk, the distribution and a switch, without I/O and without a clock.

House rules: time comes in with each event; what shall be done goes out through ``send`` and what
happened through ``note``, both plain callables that neither fail nor call back.  The only joint
between the two pure rooms is here: a walk ends in ``QueueCaller`` or ``CallAgent``, which becomes
``CallerQueued`` or ``CallerForAgent``; the distribution's ``ReturnCaller`` becomes
``CallerReturned``.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from ivr import commands as ivr_commands
from ivr import events as ivr_events
from ivr.nodes import ToQueue
from ivr.walk import Walk
from pbx.days import day_ends
from pbx.engine.after_talk import stage_dialled
from pbx.engine.awaited import Awaited
from pbx.engine.call import LiveCall, LiveCalls, Place, Stage
from pbx.engine.callbacks import Callbacks
from pbx.engine.clicks import Clicks
from pbx.engine.devices import DeviceMap, spellings
from pbx.engine.elsewhere import Elsewhere
from pbx.engine.found_talks import FoundTalks
from pbx.engine.lookups import Lookups
from pbx.engine.older_plans import OlderPlans
from pbx.engine.outcome import outcome_of, short_abandon_s
from pbx.engine.outside import OutsideCalls
from pbx.engine.pauses import Pauses
from pbx.engine.recording import Recordings
from pbx.engine.waiting import WaitingRoom
from pbx.journal import port as journal
from pbx.lookup.port import Lookup, Said
from pbx.numbers import clean_name, normalise
from pbx.plan.model import Number, Plan
from pbx.switch import port as switch
from routing import commands, events, facts
from routing.dispatcher import Dispatcher
from routing.estimate import ServiceRates
from routing.values import (
    AgentId,
    CallId,
    Disposition,
    Outcome,
    QueueId,
    ReturnReason,
    SkillNeed,
)

TRANSFER_RING_S = 30.0
"""How long the target of an agent's transfer is rung, seconds."""

NO_PHONES = switch.Phones()

Send = Callable[[switch.SwitchCommand], None]
Note = Callable[[journal.Entry, float], None]
ToUtc = Callable[[float], datetime]


class EngineCore:
    """One company's calls.

    ``handed_off`` is set when an agent became free and was rung again at once; the shell, which
    has a clock, takes it and measures.

    ``open_waits``, ``open_talks`` and ``open_callbacks``: of the engine before this one, taken up
    when their callers are found, and when the switch was looked at.  ``open_pauses`` hold on.
    ``rates``: what the queues have lately done, None: nobody knows.
    ``lookup``: how a CRM is asked who calls, None for not at all.
    ``handle`` takes a switch event, ``tell`` an event for the distribution from elsewhere (an
    agent's pause, a new plan), ``looked_up`` what the CRM says, ``woke`` the time that ``wake_at``
    asked for.
    """

    def __init__(
        self,
        plan: Plan,
        dispatcher: Dispatcher,
        *,
        send: Send,
        note: Note,
        to_utc: ToUtc,
        id_prefix: str,
        open_waits: Mapping[CallId, journal.OpenWait] = {},
        open_callbacks: Iterable[journal.OpenCallback] = (),
        open_talks: Mapping[CallId, journal.OpenTalk] = {},
        open_pauses: Iterable[journal.OpenPause] = (),
        rates: ServiceRates | None = None,
        lookup: Lookup | None = None,
    ) -> None:
        self.plan = plan
        self.dispatcher = dispatcher
        self.calls = LiveCalls()
        self.open_waits = dict(open_waits)
        self.rates = rates or ServiceRates(plan.routing)
        self.draining = False
        self.switch_up = False
        self.handed_off = False
        self._send = send
        self._note = note
        self._to_utc = to_utc
        self._dispatcher_wakes_at: float | None = None
        self._day_ends_at = math.inf
        self._waiting = WaitingRoom(dispatcher, self.rates, send=send, note=note)
        self._awaited = Awaited(
            send=send,
            note=note,
            walk_on=self._walk_on,
            leg_ended=lambda call, event, now: self._elsewhere.heard(call, event, now),
        )
        self._lookups = Lookups(lookup, note=note, go_on=self._begin)
        self.recordings = Recordings(send=send, note=note)
        self._elsewhere = Elsewhere(
            plan,
            self.calls,
            self.recordings,
            self._awaited,
            send=send,
            note=note,
            to_utc=to_utc,
            give_back=self._give_back,
            on_talk=self._talk_began,
            id_prefix=id_prefix,
        )
        self.callbacks = Callbacks(
            plan,
            self.calls,
            self._elsewhere,
            dispatcher,
            send=send,
            note=note,
            tell=self.tell,
            left=self._left,
            to_utc=to_utc,
            id_prefix=id_prefix,
        )
        self.callbacks.restore(open_callbacks)
        self.pauses = Pauses(
            dispatcher, open_pauses, note=note, tell=self.tell, id_prefix=id_prefix
        )
        self.clicks = Clicks(
            self.calls,
            self.callbacks,
            self._elsewhere,
            dispatcher,
            to_utc=to_utc,
            id_prefix=id_prefix,
        )
        self._found = FoundTalks(
            open_talks,
            self.calls,
            self._elsewhere,
            self.recordings,
            dispatcher,
            note=note,
            tell=self.tell,
            to_utc=to_utc,
        )
        self._older = OlderPlans()
        self._devices = DeviceMap(plan.routing)
        self._numbers = spellings(plan)
        # A reaction may bring a further event (a returned caller is queued again): it waits
        # here until the one before is done, so neither room is ever entered twice.
        self._pending: deque[events.Event] = deque()
        self._busy = False

    # What comes in -----------------------------------------------------------------------

    def open_for_work(self, now: float) -> None:
        """Log in the agents whom the plan has on duty; who was paused stays so."""
        self._look_at_the_day(now)
        self.pauses.restore(now)
        for agent_id in sorted(self.plan.on_duty):
            self.tell(events.AgentLoggedIn(agent_id), now)

    @property
    def wake_at(self) -> float | None:
        """When ``woke`` is wanted, None for never."""
        times = (
            self._dispatcher_wakes_at,
            self._waiting.next_at,
            self._awaited.next_at,
            self._lookups.next_at,
            self._elsewhere.next_at,
            self.callbacks.next_at,
        )
        return min((at for at in times if at is not None), default=None)

    def woke(self, now: float) -> None:
        """The time asked for by ``wake_at`` has come."""
        # A timer may fire a hair early: the time that was asked for has come all the same.
        now = max(now, self.wake_at or now)
        for leg_id in self._elsewhere.due(now):
            # The end of one may have stopped the other.
            if (end := self._elsewhere.take_refused(leg_id)) is not None:
                self.tell(end, now)
        self._dispatcher_wakes_at = None
        self.tell(events.Woke(), now)
        self._waiting.woke(now)
        self._lookups.woke(now)
        self._awaited.woke(now)
        self.callbacks.woke(now)

    def tell(self, event: events.Event, now: float) -> None:
        """Give the distribution an event and do what follows from it."""
        if now >= self._day_ends_at:
            # Nothing is decided between midnight and the first event after it.
            self._pending.append(events.DayBegan())
            self._look_at_the_day(now)
        self._pending.append(event)
        if self._busy:
            return
        self._busy = True
        try:
            while self._pending:
                step = self.dispatcher.handle(self._pending.popleft(), now)
                self.handed_off |= step.hands_off
                for fact in step.facts:
                    self.rates.observe(fact, now)
                    self._keep(fact, now)
                for command in step.commands:
                    self._carry_out(command, now)
        finally:
            self._busy = False

    def _look_at_the_day(self, now: float) -> None:
        today = self._to_utc(now)
        ends = day_ends(today, ZoneInfo(self.plan.time_zone))
        self._day_ends_at = now + (ends - today).total_seconds()

    def looked_up(self, call_id: CallId, said: Said, now: float) -> None:
        """The CRM has said who calls, or why it will not."""
        self._lookups.said(call_id, said, now)

    def replace_plan(self, plan: Plan, now: float, phones: switch.Phones = NO_PHONES) -> None:
        """A new plan is in force for new calls; calls in progress walk on by their own."""
        before, before_devices = self.plan, self._devices
        devices, numbers = DeviceMap(plan.routing), spellings(plan)
        distributed = self._older.routing(before, plan, len(self.calls.by_id))
        self.plan, self._elsewhere.plan, self.callbacks.plan = plan, plan, plan
        self._devices, self._numbers = devices, numbers
        self.rates.replace_plan(distributed, now)
        cut_off = (one for address in phones.unreachable for one in devices.devices_at(address))
        arriving = plan.on_duty - before.on_duty
        self.tell(events.PlanReplaced(distributed, arriving, frozenset(cut_off)), now)
        self._look_at_the_day(now)
        self.pauses.plan_replaced(plan.routing.agents, now)
        for key, address in phones.own_calls.items():
            was, now_is = before_devices.agents_at(address), devices.agents_at(address)
            for agent_id in now_is:
                if agent_id not in was:
                    self.tell(events.OwnCallStarted(agent_id, key), now)
            for agent_id in was:
                if agent_id not in now_is and agent_id in self.dispatcher.agents:
                    self.tell(events.OwnCallEnded(agent_id, key), now)

    def _left(self, call: LiveCall, now: float) -> None:
        """The call is over; queues that only older plans have may not be needed any more."""
        self.calls.remove(call)
        if call.plan is not self.plan and self._older.call_over():
            self.rates.replace_plan(self.plan.routing, now)
            self.tell(events.PlanReplaced(self.plan.routing), now)

    def handle(self, event: switch.SwitchEvent, now: float) -> None:
        """Take an event of the switch and do what follows from it."""
        match event := self._found.named(event):
            case switch.CallArrived():
                self._arrived(event, now)
            case switch.CallerDid(call_id, what):
                if call := self.calls.by_id.get(call_id):
                    if type(what) is call.walk.awaits:
                        self._awaited.answered(call)
                    self._walk_on(call, what, now)
            case switch.CallerGone(call_id, cause):
                if call := self.calls.by_id.get(call_id):
                    self._gone(call, cause, now)
            case switch.TalkOver(call_id):
                if call := self.calls.by_id.get(call_id):
                    self._give_back(call, ReturnReason.TALK_ENDED, now)
                else:  # nobody else would end it
                    self._send(switch.ForCaller(call_id, ivr_commands.HangUpCaller(None)))
            case switch.AnnouncementOver(call_id):
                if call := self.calls.by_id.get(call_id):
                    self._waiting.heard(call, now)
            case switch.KeyPressed(call_id, key):
                if call := self.calls.by_id.get(call_id):
                    self._key_in_line(call, key)
            case switch.WaitLeft(call_id):
                if call := self.calls.by_id.get(call_id):
                    self._left_by_key(call, now)
            case switch.LegKey(leg_id, key):
                self.recordings.key(leg_id, key, now)
            case switch.RecordingPaused(leg_id, paused):
                self.recordings.paused(leg_id, paused, now)
            case switch.RecordingEnded():
                self.recordings.over(event, now)
            case switch.CallerTransferred(call_id, target):
                if call := self.calls.by_id.get(call_id):
                    self._transferred(call, target, now)
            case switch.CallerHandedOver(call_id, target, address):
                if call := self.calls.by_id.get(call_id):
                    self._handed_over(call, target, address, now)
            case switch.CallerTaken(call_id, address):
                if call := self.calls.by_id.get(call_id):
                    self._taken(call, address, now)
            case switch.CallerFound(call_id, dialled, number, name, started_at):
                if call_id not in self.calls.by_id:
                    arrived = switch.CallArrived(call_id, dialled, number, name)
                    ahead_s = self._to_utc(now).timestamp() - now  # the switch goes by the wall
                    began = min(started_at - ahead_s, now) if started_at > 0 else now
                    self._arrived(arrived, now, found_since=began)
            case switch.TalkFound():
                self._found.found(event, self.plan, self._numbers, self._devices, now)
            case (
                events.DeviceRinging(leg_id)
                | events.DeviceAnswered(leg_id)
                | events.Joined(leg_id)
                | events.LegEnded(leg_id, _, _)
            ):
                if call := self.calls.by_outside_leg.get(leg_id):
                    self._elsewhere.heard(call, event, now)
                else:
                    self.tell(event, now)
                    if isinstance(event, events.DeviceAnswered):
                        self.callbacks.attempts.picked_up(leg_id, now)
            case switch.GreetingHeard(leg_id):
                self.callbacks.attempts.greeted(leg_id, now)
            case switch.ClientNotReached():
                self.callbacks.attempts.not_reached(event, now)
            case switch.ClientFound(call_id):
                self.callbacks.found(call_id, now)
            case switch.AddressBusy(address, key):
                for agent_id in self._devices.agents_at(address):
                    self.tell(events.OwnCallStarted(agent_id, key), now)
            case switch.OwnCallJoined(address, _, dialled):
                self._own_talk(address, dialled, now)
            case switch.StageDialled(address, key, number):
                noted = stage_dialled(self.plan, self._devices.agents_at(address), number)
                if noted is not None:
                    self._note(noted, now)
                    self._send(switch.StageNoted(key))
            case switch.AddressIdle(address, key):
                for agent_id in self._devices.agents_at(address):
                    self.tell(events.OwnCallEnded(agent_id, key), now)
            case switch.AddressReachable(address, reachable):
                for device_id in self._devices.devices_at(address):
                    self.tell(
                        events.DeviceReachable(device_id)
                        if reachable
                        else events.DeviceUnreachable(device_id),
                        now,
                    )
            case switch.SwitchUp():
                self.switch_up = True
                self._awaited.switch_up(now)
                self.callbacks.switch_up(now)
            case switch.SwitchDown():
                self.switch_up = False
                self._awaited.switch_down()

    def _own_talk(self, address: str, dialled: str, now: float) -> None:
        """A manager talks with somebody whom they called; inside numbers are not kept."""
        number = normalise(dialled, self.plan.region).e164
        agents = self._devices.agents_at(address)
        if number and agents:
            agent_id = agents[0] if len(agents) == 1 else None
            self._note(journal.OwnTalkStarted(agent_id, number), now)
            self.callbacks.talked(number, now)

    def _talk_began(self, call: LiveCall, now: float) -> None:
        """Somebody of us talks with the caller: nobody needs to call them any more."""
        if call.callback_of:
            self.callbacks.attempts.joined(call, now)
        elif call.caller_e164:
            self.callbacks.talked(call.caller_e164, now)

    @property
    def outside_calls(self) -> OutsideCalls:
        """What counts the calls to outside numbers."""
        return self._elsewhere.limits

    # A caller's way ----------------------------------------------------------------------

    def _arrived(
        self, event: switch.CallArrived, now: float, *, found_since: float | None = None
    ) -> None:
        """A caller is there; ``found_since``: since then, without an engine (their wait goes on
        where it was, a menu begins anew)."""
        plan = self.plan
        number = self._numbers.get(event.dialled)
        if self.draining or event.call_id in self.calls.by_id:
            # Stopping: the dialplan's own way serves who comes now.
            if self.draining:
                self._send(switch.Release(event.call_id))
            return
        known = number is not None
        if number is None:
            number = Number(did=event.dialled[:40], entry="", language=plan.languages[0])
        caller = normalise(event.number, plan.region)
        full = number.lines is not None and self.calls.on_number.get(number.did, 0) >= number.lines
        entry = number.above if full and number.above is not None else number.entry
        before = self.open_waits.pop(event.call_id, None)
        waits_from: float | None = found_since
        passed: tuple[str, ...] = ()
        resumed = before is not None and isinstance(plan.tree.get(before.node_id), ToQueue)
        if before is not None and resumed:
            entry, passed = before.node_id, before.passed
            waits_from = before.since.timestamp()
        began = now if found_since is None else found_since
        call = LiveCall(
            call_id=event.call_id,
            plan=plan,
            number=number,
            caller_e164=caller.e164,
            caller_shown=caller.e164 or caller.raw,
            caller_name=clean_name(event.name),
            walk=Walk(plan.tree, entry, language=number.language, passed=passed),
            started_at=began,
            waits_from=None if waits_from is None else min(waits_from, now),
            overflowed=full,
            told_of_recording=resumed,
        )
        self.calls.add(call)
        self.callbacks.caller_came(call.caller_e164, now)
        self._note(
            journal.CallStarted(
                call_id=call.call_id,
                did=number.did,
                number=caller.e164,
                number_raw=caller.raw,
                name=call.caller_name,
                source=number.source,
                language=number.language,
                reconstructed=found_since is not None,
            ),
            began,
        )
        if not known:
            self._note(
                journal.MenuStep(call.call_id, "", "unknown_number", None, "not in the plan"), now
            )
            self._do(call, ivr_commands.HangUpCaller(Outcome.REJECTED), now)
            return
        # Who is found has heard enough of silence: their menu begins at once.
        if found_since is not None or not self._lookups.begin(call, now):
            self._begin(call, now)

    def _begin(self, call: LiveCall, now: float) -> None:
        """The caller's way begins."""
        self._walk_on(call, ivr_events.WalkStarted(), now)
        if call.after_notice is None:
            call.waits_from = None

    def _walk_on(self, call: LiveCall, event: ivr_events.Event, now: float) -> None:
        if isinstance(event, ivr_events.PlayFinished) and call.after_notice is not None:
            handover, call.after_notice = call.after_notice, None
            self._do(call, handover, now)
            call.waits_from = None
            return
        if isinstance(event, ivr_events.MessageRecorded) and event.length_s > 0:
            call.message_left = True
            self._note(
                journal.MessageLeft(call.call_id, call.voicemail_box, event.path, event.length_s),
                now,
            )
        step = call.walk.step(event, self._to_utc(now))
        self._trace(call, step, now)
        for command in step.commands:
            self._do(call, command, now)

    def _trace(self, call: LiveCall, step: ivr_commands.Step, now: float) -> None:
        for taken in step.trace:
            self._note(
                journal.MenuStep(
                    call.call_id, taken.node_id, taken.kind, taken.digits, taken.detail
                ),
                now,
            )

    def _do(self, call: LiveCall, command: ivr_commands.Command, now: float) -> None:
        if (notice := self.recordings.notice_before(call, command)) is not None:
            command = notice
        match command:
            case ivr_commands.QueueCaller(queue_id, priority, needs):
                self._to_queue(call, queue_id, now, priority=priority, needs=needs)
            case ivr_commands.CallAgent(agent_id, ring_time_s):
                self._to_agent(call, agent_id, ring_time_s, now)
            case ivr_commands.CallOutside():
                self._elsewhere.ring(call, command, now)
            case ivr_commands.KeepCallback(queue_id, number):
                call.overflowed = True  # nobody for now, but not turned away
                self.callbacks.asked(call, queue_id, number or call.caller_e164, now)
            case ivr_commands.CheckNumber(queue_id, digits):
                self._walk_on(call, self.callbacks.check(call, queue_id, digits), now)
            case ivr_commands.HangUpCaller(outcome):
                call.stage = Stage.ENDING
                call.hung_up_by_us = True
                call.ending_as = outcome
                self._send(switch.ForCaller(call.call_id, command))
                self._awaited.answer(call, command, now)
            case _:
                if isinstance(command, ivr_commands.RecordMessage):
                    call.voicemail_box = command.box
                call.stage = Stage.MENU
                self._send(switch.ForCaller(call.call_id, command))
                self._awaited.answer(call, command, now)

    def _to_queue(
        self,
        call: LiveCall,
        queue_id: QueueId,
        now: float,
        *,
        priority: int = 0,
        needs: tuple[SkillNeed, ...] = (),
    ) -> None:
        call.stage = Stage.WAITING
        call.queue_id = queue_id
        since, call.waits_from = call.waits_from, None
        call.waiting_since = now if since is None else since
        priority += call.priority
        call.place = Place(queue_id, call.waiting_since, priority, needs)
        # Ring first, music second: the phone's ring is what the caller waits for.
        self.tell(
            events.CallerQueued(
                call.call_id,
                queue_id,
                call.caller_e164,
                needs,
                priority,
                waiting_since=since,
                # Who has talked with somebody is sent on to others on purpose.
                manager=None if call.talked else call.manager,
            ),
            now,
        )
        if call.stage is Stage.WAITING and call.queue_id == queue_id:
            sounds = call.plan.queue_sounds.get(queue_id)
            music = call.number.music
            if music is None:
                music = sounds.music if sounds else call.plan.default_music
            self._send(switch.Hold(call.call_id, music))
            self._waiting.enter(call, now)

    def _to_agent(self, call: LiveCall, agent_id: AgentId, ring_time_s: float, now: float) -> None:
        call.stage = Stage.RINGING_AGENT
        call.queue_id = None
        call.waiting_since = now
        self.tell(events.CallerForAgent(call.call_id, agent_id, call.caller_e164, ring_time_s), now)
        if call.stage is Stage.RINGING_AGENT:
            self._send(switch.Hold(call.call_id, "ringing"))

    def _key_in_line(self, call: LiveCall, key: str) -> None:
        """A key that leaves the line: the switch decides whether it came before a join."""
        queue_id = call.queue_id
        if call.stage is not Stage.WAITING or queue_id is None:
            return
        if call.walk.leaves_by(key, queue_id):
            call.leaving_by = key
            self._send(switch.Fetch(call.call_id))

    def _left_by_key(self, call: LiveCall, now: float) -> None:
        if call.stage is Stage.WAITING and (key := call.leaving_by):
            self.tell(events.CallerLeft(call.call_id, by_key=True), now)
            self._give_back(call, ReturnReason.KEY, now, key)

    def _give_back(self, call: LiveCall, reason: ReturnReason, now: float, key: str = "") -> None:
        """The caller goes on in the menu tree."""
        if call.stage is Stage.ENDING:
            return
        call.wait_ends(now)
        call.talk_ends(now)
        self._elsewhere.handed_over_ends(call, now)
        if (giver := call.giver) is not None:
            call.giver = None
            self._to_agent(call, giver, TRANSFER_RING_S, now)
            return
        if reason is not ReturnReason.TALK_ENDED and call.stage is Stage.WAITING:
            call.overflowed = True
        call.stage = Stage.MENU
        self._walk_on(call, ivr_events.CallerReturned(reason, key), now)

    def _transferred(self, call: LiveCall, target: str, now: float) -> None:
        """An agent sent the caller on.  A target that is not known, or where nobody answers,
        brings the caller back to that agent: a slip of the finger must not lose a caller."""
        self._note(journal.Transferred(call.call_id, call.talking_leg, target[:40]), now)
        giver = call.last_agent
        call.talk_ends(now)
        self._elsewhere.handed_over_ends(call, now)
        plan = call.plan
        if (agent_id := plan.extensions.get(target)) is not None:
            call.giver = giver if giver != agent_id else None
            self._to_agent(call, agent_id, TRANSFER_RING_S, now)
        elif (queue_id := plan.queue_extensions.get(target)) is not None:
            self._walk_on(call, ivr_events.SentTo(plan.queue_entries[queue_id]), now)
        elif plan.trunk and (number := normalise(target, plan.region)).e164:
            address = plan.trunk.format(number=number.e164)
            call.giver = giver
            self._elsewhere.ring(
                call, ivr_commands.CallOutside(number.e164, address, TRANSFER_RING_S), now
            )
        elif giver is not None:
            self._to_agent(call, giver, TRANSFER_RING_S, now)
        else:
            self._give_back(call, ReturnReason.UNAVAILABLE, now)

    def _handed_over(self, call: LiveCall, target: str, address: str, now: float) -> None:
        """An agent joined the caller with somebody whom they had called themselves."""
        self._note(journal.Transferred(call.call_id, call.talking_leg, target[:40]), now)
        call.talk_ends(now)
        self._elsewhere.handed_over_ends(call, now)
        self._elsewhere.talks(call, self._devices, address, target[:40], now)

    def _taken(self, call: LiveCall, address: str, now: float) -> None:
        """A phone that an engine before us rang has the caller: nobody else is to be rung."""
        if call.stage not in (Stage.WAITING, Stage.RINGING_AGENT):
            return
        self._elsewhere.talks(call, self._devices, address, address, now)
        self.tell(events.CallerLeft(call.call_id), now)

    def _gone(self, call: LiveCall, cause: str, now: float) -> None:
        """The caller's channel is gone: the last that is heard of the call."""
        stage = call.stage
        call.wait_ends(now)
        call.talk_ends(now)
        self._elsewhere.handed_over_ends(call, now)
        self._awaited.heard(call.call_id)
        self._lookups.gone(call.call_id)
        if leg := call.outside_leg:
            if not leg.joined:
                self._send(commands.StopRinging(leg.leg_id, Disposition.CANCELLED))
            self._awaited.end_of(call, leg.leg_id, 0.0, now)
        self.tell(events.CallerLeft(call.call_id), now)
        self._trace(call, call.walk.step(ivr_events.CallerHungUp(), self._to_utc(now)), now)
        short_s = short_abandon_s(call)
        outcome = outcome_of(call, stage)
        if outcome in (Outcome.ABANDONED_WAITING, Outcome.OVERFLOW, Outcome.FAILED):
            self.callbacks.missed(call, now)
        self._note(
            journal.CallEnded(
                call_id=call.call_id,
                outcome=outcome,
                short=outcome is Outcome.ABANDONED_WAITING and call.wait_s < short_s,
                wait_s=call.wait_s,
                talk_s=call.talk_s,
                cause=cause,
                last_node=call.walk.current or "",
            ),
            now,
        )
        self._left(call, now)
        self.callbacks.caller_went(call.caller_e164, now)

    # The distribution's answers ----------------------------------------------------------

    def _keep(self, fact: facts.Fact, now: float) -> None:
        if not self.callbacks.attempts.keeps_back(fact, now):
            self._note(fact, now)
        match fact:
            case facts.AgentChanged():
                self.pauses.observe(fact, now)
            case facts.LegJoined(leg_id, call_id, agent_id):
                if call := self.calls.by_id.get(call_id):
                    call.last_agent = agent_id
                    self._waiting.served(call, now)
                    self._elsewhere.talk_begins(call, leg_id, now)
            case facts.LegFinished(leg_id, call_id):
                self.recordings.ended(leg_id)
                self.callbacks.attempts.leg_ended(leg_id)
                call = self.calls.by_id.get(call_id)
                if call is not None and call.talking_leg == leg_id:
                    call.talk_ends(now)

    def _carry_out(self, command: commands.Command, now: float) -> None:
        match command:
            case commands.RingDevice(leg_id):
                if self._elsewhere.refuses(command, now):
                    return
                call = self.calls.by_id.get(command.call_id)
                self._send(
                    switch.Ring(
                        command.leg_id,
                        command.call_id,
                        command.address,
                        command.ring_time_s,
                        call.caller_shown if call else "",
                        call.caller_name if call else "",
                        self.recordings.name_for(call, leg_id, self._to_utc(now)),
                        self.callbacks.attempts.greeting(call, leg_id, command.agent_id),
                    )
                )
            case commands.StopRinging(leg_id, disposition):
                if (end := self._elsewhere.take_refused(leg_id, disposition)) is None:
                    self._send(command)
                else:
                    self.tell(end, now)
            case commands.ReturnCaller(call_id, reason):
                call = self.calls.by_id.get(call_id)
                if call is not None and call.callback_of and not call.talked:
                    self.callbacks.attempts.returned(call, now)
                elif call is not None:
                    self._give_back(call, reason, now)
            case commands.WakeAt(at):
                self._dispatcher_wakes_at = at
