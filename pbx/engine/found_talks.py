"""Talks that were going on when the engine started: they are led on at their end like any other.

House rules: part of core.py, as pure.  The switch tells that somebody talks, the log what the call
had come to: its step in the plan, its waits, the leg and whose it is.  What nobody saw (when a talk
began that was picked up while no engine ran) is marked as such in the log, and completed there from
the switch's own records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from ivr import events as ivr_events
from ivr.nodes import CallOut, DialAgent, ToQueue
from ivr.walk import Walk
from pbx.engine.call import LiveCall, LiveCalls, OutsideLeg, Stage
from pbx.engine.callback import CALLBACK_NODE, tree_for
from pbx.engine.devices import DeviceMap
from pbx.engine.elsewhere import Elsewhere
from pbx.engine.recording import Recordings
from pbx.journal import port as journal
from pbx.numbers import clean_name, normalise
from pbx.plan.model import Number, Plan
from pbx.switch import port as switch
from routing import events
from routing.dispatcher import Dispatcher
from routing.values import AgentId, CallId, DeviceId, LegId, QueueId, Seconds


class FoundTalks:
    """``left``: the calls that the log knows no end of."""

    def __init__(
        self,
        left: Mapping[CallId, journal.OpenTalk],
        calls: LiveCalls,
        elsewhere: Elsewhere,
        recordings: Recordings,
        dispatcher: Dispatcher,
        *,
        note: Callable[[journal.Entry, Seconds], None],
        tell: Callable[[events.Event, Seconds], None],
        to_utc: Callable[[Seconds], datetime],
    ) -> None:
        self._left = dict(left)
        self._calls = calls
        self._elsewhere = elsewhere
        self._recordings = recordings
        self._dispatcher = dispatcher
        self._note = note
        self._tell = tell
        self._to_utc = to_utc
        self._unseen: set[str] = set()

    def found(
        self,
        event: switch.TalkFound,
        plan: Plan,
        numbers: Mapping[str, Number],
        devices: DeviceMap,
        now: Seconds,
    ) -> None:
        """``numbers``: the plan's, by all that may be dialled for them."""
        call = self._calls.by_id.get(event.call_id)
        if call is not None and call.stage is Stage.TALKING:
            return  # known, and told again
        left = self._left.pop(event.call_id, None)
        if call is None:
            call = self._call(event, left, plan, numbers.get(event.dialled), now)
        leg = left.legs.get(event.leg_id) if left is not None else None
        if leg is None and left is not None and not event.leg_id:
            event, leg = _handed_over(event, left)
        at_it = devices.agents_at(event.address)
        agent_id = leg.agent_id if leg is not None else next(iter(at_it), None)
        if event.record_as:
            self._recordings.take_over(call, event.leg_id, event.record_as)
        if event.leg_id and agent_id in self._dispatcher.agents and not (leg and leg.outside):
            assert agent_id is not None, "known to the distribution"
            self._of_the_distribution(call, event.leg_id, agent_id, leg, now)
        else:
            self._elsewhere_(call, event, agent_id, leg, now)

    def _call(
        self,
        event: switch.TalkFound,
        left: journal.OpenTalk | None,
        plan: Plan,
        number: Number | None,
        now: Seconds,
    ) -> LiveCall:
        """The call as it had come to be."""
        caller = normalise(left.number if left and left.number else event.number, plan.region)
        name = left.name if left is not None else clean_name(event.name)
        language = left.language if left is not None else plan.languages[0]
        if number is None:
            did = left.did if left is not None else event.dialled[:40]
            number = Number(did=did, entry="", language=language)
        if left is not None:
            began = min(left.started_at.timestamp(), now)
        else:
            ahead_s = self._to_utc(now).timestamp() - now  # the switch goes by the wall
            began = min(event.started_at - ahead_s, now)
        queue_id = left.queue_id if left is not None else None
        call = LiveCall(
            call_id=event.call_id,
            plan=plan,
            number=number,
            caller_e164=caller.e164,
            caller_shown=caller.e164 or caller.raw,
            caller_name=name,
            walk=_walk(plan, left, number.language if left is None else language),
            started_at=began,
            stage=Stage.TALKING,
            queue_id=queue_id,
            wait_s=left.wait_s if left is not None else 0.0,
            talk_s=left.talk_s if left is not None else 0.0,
            callback_of=left.callback_of if left is not None else "",
            told_of_recording=True,
        )
        call.walk.step(ivr_events.WalkStarted(), self._to_utc(now))  # it is where it was
        self._calls.add(call)
        started = journal.CallStarted(
            call_id=call.call_id,
            did=number.did,
            number=caller.e164,
            number_raw=caller.raw,
            name=name,
            source=number.source,
            language=language,
            reconstructed=True,
            callback_of=call.callback_of,
        )
        self._note(started, began)
        return call

    def _of_the_distribution(
        self,
        call: LiveCall,
        leg_id: LegId,
        agent_id: AgentId,
        leg: journal.OpenLeg | None,
        now: Seconds,
    ) -> None:
        joined_at = leg.joined_at.timestamp() if leg and leg.joined_at else None
        if joined_at is None:
            self._unseen |= {leg_id, call.call_id}
        found = events.TalkFound(
            call_id=call.call_id,
            leg_id=leg_id,
            agent_id=agent_id,
            device_id=leg.device_id if leg is not None else DeviceId(""),
            queue_id=leg.queue_id if leg is not None else call.queue_id,
            number=call.caller_e164,
            started_at=leg.started_at.timestamp() if leg is not None else now,
            joined_at=joined_at,
        )
        self._tell(found, now)
        call.last_agent = agent_id
        if joined_at is not None:
            self._elsewhere.talk_begins(call, leg_id, min(joined_at, now))

    def _elsewhere_(
        self,
        call: LiveCall,
        event: switch.TalkFound,
        agent_id: AgentId | None,
        leg: journal.OpenLeg | None,
        now: Seconds,
    ) -> None:
        """An outside number, or somebody whom a manager had called for the caller."""
        by_itself = not event.leg_id or (leg is not None and leg.agent_id is not None)
        leg_id = event.leg_id or self._elsewhere.new_leg()
        began = min(leg.started_at.timestamp(), now) if leg is not None else now
        # Who was joined by a manager talked from the leg's beginning on; when an outside number
        # picked up is not in the log.
        joined_at = began if by_itself else now
        if leg is None:
            started = journal.OutsideLegStarted(
                call.call_id, leg_id, event.address, event.address, agent_id
            )
            self._note(started, now)
        if leg is None or not by_itself:
            self._unseen.add(call.call_id)
        call.outside_leg = OutsideLeg(
            leg_id, began, joined=True, joined_at=joined_at, handed_over=by_itself, agent=agent_id
        )
        if not by_itself:
            self._calls.by_outside_leg[leg_id] = call
        call.last_agent = agent_id
        self._elsewhere.talk_begins(call, leg_id, joined_at)

    # What was not seen -------------------------------------------------------------------

    def named(self, event: switch.SwitchEvent) -> switch.SwitchEvent:
        """The end of what we saw no beginning of says so."""
        match event:
            case events.LegEnded(leg_id, _, cause) if leg_id in self._unseen:
                self._unseen.discard(leg_id)
                return replace(event, cause=_unseen(cause))
            case switch.CallerGone(call_id, cause) if call_id in self._unseen:
                self._unseen.discard(call_id)
                return replace(event, cause=_unseen(cause))
            case _:
                return event


def _unseen(cause: str) -> str:
    return f"{cause}, {switch.UNSEEN}" if cause else switch.UNSEEN


def _handed_over(
    event: switch.TalkFound, left: journal.OpenTalk
) -> tuple[switch.TalkFound, journal.OpenLeg | None]:
    """The leg in the log of a talk that a manager had arranged."""
    for leg_id, leg in left.legs.items():
        if leg.outside and leg.agent_id is not None:
            return replace(event, leg_id=leg_id), leg
    return event, None


def _walk(plan: Plan, left: journal.OpenTalk | None, language: str) -> Walk:
    """At the step that had given the caller to people; after the talk it goes on from there."""
    node_id = left.node_id if left is not None else ""
    passed = left.passed if left is not None else ()
    if isinstance(plan.tree.get(node_id), ToQueue | DialAgent | CallOut):
        return Walk(plan.tree, node_id, language=language, passed=passed)
    queue_id = left.queue_id if left is not None and left.queue_id else QueueId("")
    tree = tree_for(plan, queue_id)
    return Walk(tree, CALLBACK_NODE, language=language, passed=passed)
