"""Plays a script of callers and phones (pbx.switch.script) with SIPp on a real Asterisk.

The same script can be played by the simulated switch: what the engine's log says must be the same.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from lab.asterisk import AsteriskLab
from lab.seen import CallSeen
from lab.sipp import (
    Answer,
    Behaviour,
    Busy,
    Caller,
    Dialling,
    NoAnswer,
    Phone,
    Plan,
    Reject,
    TrunkPhones,
    in_turn,
)
from pbx.switch.script import At, CallerScript, PhoneAct, Reaction, Script

KEY_MS = 200
"""How long a key is held, ms."""
LONGEST_CALL_S = 180.0
"""After this a caller who is still there is an error, seconds."""
POLL_S = 0.05


@dataclass(slots=True)
class Stage:
    """Phones that stand ready, by their address, and how to let callers call."""

    lab: AsteriskLab
    phones: dict[str, Phone] = field(default_factory=dict)
    mobiles: TrunkPhones | None = None

    async def perform(
        self,
        callers: Sequence[CallerScript],
        told: Callable[[CallerScript, CallSeen | None], None] = lambda caller, seen: None,
    ) -> list[CallSeen]:
        """Let everyone call at their time; ``told`` hears of each call's begin (None) and end."""
        begins = asyncio.get_running_loop().time()

        async def one(caller: CallerScript) -> CallSeen:
            await asyncio.sleep(begins + caller.at_s - asyncio.get_running_loop().time())
            told(caller, None)
            seen = await self.call(caller)
            told(caller, seen)
            return seen

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(caller)) for caller in callers]
        return [task.result() for task in tasks]

    async def call(self, script: CallerScript) -> CallSeen:
        """One call from its INVITE to its end."""
        dialling = Dialling(
            script.dialled.removeprefix("+"),
            from_number=script.number,
            from_name=script.name,
            cancel_ms=10_000,
        )
        async with Caller(self.lab, dialling) as caller:
            hand = asyncio.create_task(self._act(caller, script))
            try:
                return await caller.ended(LONGEST_CALL_S)
            finally:
                hand.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await hand

    async def _act(self, caller: Caller, script: CallerScript) -> None:
        """Presses keys and hangs up.  Menu questions are not heard here: a key comes
        ``key_delay_s`` after the one before, the first after the answer."""
        plan = script.hang_up
        await caller.answered(10.0)
        if plan is not None and plan.at is At.MENU and not script.keys:
            await asyncio.sleep(plan.after_s)
            caller.hang_up()
            return
        for keys in script.keys:
            await asyncio.sleep(script.key_delay_s)
            for key in keys:
                await caller.press(key)
                await asyncio.sleep(KEY_MS / 1000)
        if script.in_line is not None:
            key, after_s = script.in_line
            await asyncio.sleep(after_s)
            await caller.press(key)
        if plan is None:
            return
        if plan.at is At.TALKING:
            await self._talking(script.number)
        await asyncio.sleep(plan.after_s)
        caller.hang_up()

    async def _talking(self, number: str) -> None:
        """Until some phone has answered this caller."""
        digits = number.removeprefix("+")[-10:]
        while True:
            for phone in (*self.phones.values(), *([self.mobiles] if self.mobiles else [])):
                for call in phone.calls():
                    if call.answered and not call.ended and call.from_user.endswith(digits):
                        return
            await asyncio.sleep(POLL_S)


@contextlib.asynccontextmanager
async def stage(
    lab: AsteriskLab, phones: Mapping[str, tuple[PhoneAct, ...]]
) -> AsyncIterator[Stage]:
    """Phones by address (``PJSIP/anna``, ``PJSIP/+79161112233@trunk``), started; unreachable
    ones are those that are not."""
    ready = Stage(lab)
    mobiles: dict[str, Plan] = {}
    async with contextlib.AsyncExitStack() as stack:
        for address, acts in phones.items():
            if not acts or acts[0].reaction is Reaction.UNREACHABLE:
                continue
            name = address.removeprefix("PJSIP/")
            if name.endswith("@trunk"):
                mobiles[name.removesuffix("@trunk")] = _plan(acts)
            else:
                ready.phones[address] = await stack.enter_async_context(
                    Phone(lab, name, _plan(acts))
                )
        if mobiles:
            ready.mobiles = await stack.enter_async_context(TrunkPhones(lab, mobiles))
        yield ready


def phone_names(script: Script) -> list[str]:
    """Desk phones that the switch must know, reachable or not."""
    return [
        address.removeprefix("PJSIP/")
        for address in script.phones
        if not address.endswith("@trunk")
    ]


def _plan(acts: tuple[PhoneAct, ...]) -> Plan:
    behaviours = [_behaviour(act) for act in acts]
    return behaviours[0] if len(behaviours) == 1 else in_turn(*behaviours)


def _behaviour(act: PhoneAct) -> Behaviour:
    after_ms = round(act.after_s * 1000)
    match act.reaction:
        case Reaction.ANSWER:
            talk_ms = None if act.talk_s is None else round(act.talk_s * 1000)
            return Answer(after_ms, talk_ms, act.transfer_to)
        case Reaction.BUSY:
            return Busy()
        case Reaction.REJECT:
            return Reject(after_ms)
        case Reaction.NO_ANSWER | Reaction.UNREACHABLE:
            return NoAnswer()
