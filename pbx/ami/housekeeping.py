"""What we know against what Asterisk has, now and then: an event may have been lost.

House rules: what Asterisk does not have is forgotten at once.  Any other difference is put right
only when it is there at two looks in a row: at the first it may be an event on its way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from pbx.ami import reconcile
from pbx.ami.channels import CALL_CONTEXT, LEG_PREFIX, RINGING, SAY_PREFIX, UP, CallerChannel
from pbx.ami.protocol import Headers
from pbx.ami.translate import Channels
from pbx.switch.port import UNSEEN
from routing.values import CallId

HOLDING = "holding_bridge"
Difference = tuple[str, str]
"""(channel's Uniqueid, what is different)."""


class Lists(Protocol):
    """Asks Asterisk for a list."""

    async def listing(self, name: str) -> list[Headers]:
        """Raises ActionFailed."""


class HouseKeeping:
    """Looks at the channels that there are.  ``forgotten`` and ``repaired`` count from the start:
    what was known to us and gone, and events that must have been lost."""

    def __init__(self, lists: Lists, channels: Channels) -> None:
        self._lists = lists
        self._channels = channels
        self._seen_before: frozenset[Difference] = frozenset()
        self.forgotten = 0
        self.repaired = 0

    async def look(self) -> None:
        """One look.  Raises ActionFailed."""
        channels = self._channels
        # What began after the question was asked is not in the answer, and is left alone.
        settled, known = channels.settled(), channels.known()
        left = channels.recorder.unfinished()
        bridges = await self._lists.listing("BridgeList")
        found = await self._lists.listing("CoreShowChannels")
        there = {one.get("Uniqueid", "") for one in found}
        reconcile.served_without_us(channels, found)
        reconcile.take_up_recordings(channels, left, found)
        making = {(unique_id, "missing") for unique_id in known - settled - there}
        gone = settled | {one for one, what in making & self._seen_before}
        self.forgotten += channels.forget_missing(there, UNSEEN, among=gone)
        channels.forget_empty_bridges()
        technology = {
            one.get("BridgeUniqueid", ""): one.get("BridgeTechnology", "") for one in bridges
        }
        self._put_right(found, technology, making)

    def _put_right(
        self, found: list[Headers], technology: Mapping[str, str], making: set[Difference]
    ) -> None:
        bridge_of = {one.get("Uniqueid", ""): one.get("BridgeId", "") for one in found}
        differences = making
        for one in found:
            unique_id = one.get("Uniqueid", "")
            for what in self._different(one, technology, bridge_of):
                difference = (unique_id, what)
                differences.add(difference)
                if difference in self._seen_before:
                    self.repaired += 1
                    self._repair(one, what, technology)
        self._seen_before = frozenset(differences)

    def _different(
        self, one: Headers, technology: Mapping[str, str], bridge_of: Mapping[str, str]
    ) -> Iterator[str]:
        channels = self._channels
        unique_id, state = one.get("Uniqueid", ""), one.get("ChannelState", "")
        bridge = one.get("BridgeId", "")
        if leg := channels.ringing.of(unique_id):
            rings = state == RINGING and not leg.rings and not leg.picked_up
            if not leg.channel or rings or (state == UP and not leg.picked_up):
                yield "unseen"
            if bridge and not leg.joined and bridge_of.get(leg.call_id) == bridge:
                yield "bridged"
        elif caller := channels.callers.get(CallId(unique_id)):
            if caller.going:
                yield "going"
            if not caller.stranger and not caller.released:
                yield from _of_caller(caller, one, technology.get(bridge, ""))
        elif not self._is_known_otherwise(unique_id, one):
            yield "unseen"

    def _is_known_otherwise(self, unique_id: str, one: Headers) -> bool:
        channels = self._channels
        if unique_id.startswith(SAY_PREFIX):
            return channels.announcing.owns(unique_id)
        if unique_id in channels.own_calls:
            return True
        if unique_id.startswith(LEG_PREFIX):
            return False
        if one.get("Context") == CALL_CONTEXT:
            return one.get("Application") != "AGI"  # on its way to us, or away from us
        return one.get("Channel", "").rpartition("-")[0] not in channels.addresses

    def _repair(self, one: Headers, what: str, technology: Mapping[str, str]) -> None:
        channels = self._channels
        caller = channels.callers.get(CallId(one.get("Uniqueid", "")))
        if what == "unseen":
            reconcile.see(channels, one, technology.get(one.get("BridgeId", ""), ""))
        elif what == "bridged":
            leg = channels.ringing.of(one.get("Uniqueid", ""))
            if leg is not None:
                reconcile.bridged(channels, {**one, "Uniqueid": leg.call_id}, technology)
            reconcile.bridged(channels, one, technology)
        elif what == "going":
            channels.hang_up_stray(one.get("Channel", ""))
        elif caller is not None:
            reconcile.resume(channels, caller, one)


def _of_caller(caller: CallerChannel, one: Headers, technology: str) -> Iterator[str]:
    if technology == HOLDING:
        if caller.holding and not caller.held:
            yield "bridged"
    elif technology:
        if not caller.talk_bridge:
            yield "bridged"
    elif one.get("Application") == "AGI":
        in_bridge = caller.held or caller.talk_bridge
        waits = caller.holding or (caller.talked and not caller.ready)
        if in_bridge or waits:
            # The same command at both looks: not two waits that have just begun.
            yield f"back {caller.agi_id}"
