"""Whole calls as scripts, played on the simulated switch and on a real Asterisk: one story each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ivr.nodes import ToQueue
from pbx.journal import port as journal
from pbx.plan.model import Announcements, Plan, QueueSounds, Spoken
from pbx.switch.script import At, CallerScript, HangUp, PhoneAct, Reaction, Script
from routing import facts
from tests.world import DID, SALES, Story, agent, plan, sales, tree

MOBILE = "PJSIP/+79160000001@trunk"


def answers(after_s: float = 0.6, talk_s: float | None = 1.2, to: str | None = None) -> PhoneAct:
    """Picks up, talks, hangs up (or sends the caller on)."""
    return PhoneAct(Reaction.ANSWER, after_s, talk_s, to)


BUSY = PhoneAct(Reaction.BUSY)
REJECTS = PhoneAct(Reaction.REJECT, 0.4)
SILENT = PhoneAct(Reaction.NO_ANSWER)
OFF = PhoneAct(Reaction.UNREACHABLE)


@dataclass(frozen=True, slots=True)
class Told:
    """A story: a company, and what callers and phones do."""

    company: Plan
    script: Script


def caller(at_s: float = 0.0, who: int = 1, **more: object) -> CallerScript:
    """A caller with a number of their own."""
    return CallerScript("Иван", at_s, DID, f"+7916123450{who}", **more)  # type: ignore[arg-type]


def _one(**phone: tuple[PhoneAct, ...]) -> dict[str, tuple[PhoneAct, ...]]:
    return {f"PJSIP/{name}": acts for name, acts in phone.items()}


def _menu_two_levels() -> Told:
    anna = agent("anna")
    company = plan([anna], [sales(anna)], entry="main")
    return Told(company, Script((caller(keys=("3", "1")),), _one(anna=(answers(),))))


def _wrong_key_then_back_then_right() -> Told:
    anna = agent("anna")
    company = plan([anna], [sales(anna)], entry="main")
    return Told(company, Script((caller(keys=("7", "3", "9", "1")),), _one(anna=(answers(),))))


def _hangs_up(at: At, after_s: float, keys: tuple[str, ...]) -> Callable[[], Told]:
    def told() -> Told:
        anna = agent("anna")
        company = plan([anna], [sales(anna, max_wait_s=60.0)], entry="main")
        phones = _one(anna=(answers(1.0, None) if at is At.TALKING else SILENT,))
        return Told(company, Script((caller(keys=keys, hang_up=HangUp(at, after_s)),), phones))

    return told


def _hangs_up_in_music() -> Told:
    anna = agent("anna")
    company = plan([anna], [sales(anna)])
    # Anna talks with the first caller; the second hears music and gives up.
    script = (caller(0.0), caller(1.5, 2, hang_up=HangUp(At.WAITING, 1.0)))
    return Told(company, Script(script, _one(anna=(answers(0.5, 4.0),))))


def _refused_goes_on(act: PhoneAct) -> Callable[[], Told]:
    def told() -> Told:
        anna, boris = agent("anna"), agent("boris")
        queue = sales(anna, boris, strategy="linear", ring_time_s=2.0)
        phones = _one(anna=(act,), boris=(answers(),))
        return Told(plan([anna, boris], [queue]), Script((caller(),), phones))

    return told


def _two_at_once() -> Told:
    team = [agent(name) for name in ("anna", "boris", "vera")]
    phones = {one.devices[0].address: (answers(0.5, 1.5),) for one in team}
    return Told(plan(team, [sales(*team)]), Script((caller(),), phones))


def _freed_midway() -> Told:
    anna, boris = agent("anna"), agent("boris")
    queue = sales(anna, boris, ring_time_s=30.0)
    phones = _one(anna=(answers(0.5, 3.0), answers(0.5, 1.0)), boris=(SILENT,))
    return Told(plan([anna, boris], [queue]), Script((caller(0.0), caller(1.5, 2)), phones))


def _mobile_after_delay() -> Told:
    anna = agent("anna", ("PJSIP/anna", 0.0), (MOBILE, 1.5))
    phones = {"PJSIP/anna": (SILENT,), MOBILE: (answers(),)}
    return Told(plan([anna], [sales(anna)]), Script((caller(),), phones))


def _transfer() -> Told:
    anna, boris = agent("anna"), agent("boris")
    queue = sales(anna, boris, strategy="linear")
    phones = _one(anna=(answers(0.5, 1.0, "102"),), boris=(answers(),))
    return Told(plan([anna, boris], [queue]), Script((caller(),), phones))


def _voicemail_after_wait() -> Told:
    anna = agent("anna")
    queue = sales(anna, ring_time_s=1.5, max_wait_s=2.5, retry_delay_s=5.0)
    phones = _one(anna=(SILENT,))
    return Told(plan([anna], [queue]), Script((caller(message_s=3.0),), phones))


def _leaves_by_a_key() -> Told:
    anna = agent("anna")
    nodes = tree()
    waits = nodes["to-sales"]
    assert isinstance(waits, ToQueue)
    nodes["to-sales"] = replace(waits, keys={"1": "message"})
    # The place is told while the phone rings, and the key is pressed into it.
    told = Announcements(Spoken(0.5, 30.0), True, False, Spoken(0.0, None))
    company = replace(
        plan([anna], [sales(anna)], nodes=nodes), queue_sounds={SALES: QueueSounds("", told)}
    )
    script = (caller(in_line=("1", 1.5), message_s=3.0),)
    return Told(company, Script(script, _one(anna=(SILENT,))))


def _strategy(name: str) -> Callable[[], Told]:
    def told() -> Told:
        team = [agent(one) for one in ("anna", "boris", "vera")]
        phones = {
            one.devices[0].address: (answers(0.4, 0.6 + 0.4 * n),) for n, one in enumerate(team)
        }
        callers = tuple(caller(n * 2.5, n + 1) for n in range(4))
        return Told(plan(team, [sales(*team, strategy=name)]), Script(callers, phones))

    return told


STORIES: dict[str, Callable[[], Told]] = {
    "menu_two_levels": _menu_two_levels,
    "wrong_key_then_back_then_right": _wrong_key_then_back_then_right,
    "hangs_up_in_the_menu": _hangs_up(At.MENU, 0.7, ()),
    "hangs_up_in_music": _hangs_up_in_music,
    "hangs_up_while_it_rings": _hangs_up(At.RINGING, 1.0, ("1",)),
    "hangs_up_in_the_talk": _hangs_up(At.TALKING, 1.0, ("1",)),
    "busy_goes_to_the_next": _refused_goes_on(BUSY),
    "rejected_goes_to_the_next": _refused_goes_on(REJECTS),
    "no_answer_goes_to_the_next": _refused_goes_on(SILENT),
    "two_pick_up_at_once": _two_at_once,
    "freed_midway_is_rung": _freed_midway,
    "mobile_after_delay": _mobile_after_delay,
    "transfer_to_an_extension": _transfer,
    "voicemail_after_the_wait": _voicemail_after_wait,
    "key_leaves_for_voicemail": _leaves_by_a_key,
    "round_robin": _strategy("round-robin"),
    "longest_idle": _strategy("longest-idle"),
    "fewest_calls": _strategy("fewest-calls"),
    "least_talk_time": _strategy("least-talk-time"),
    "skill_priority": _strategy("skill-priority"),
    "sticky": _strategy("sticky-to-last-manager"),
}


def summary(story: Story) -> list[dict[str, object]]:
    """What must be the same on every switch: per call, in the order of arrival."""
    told: list[dict[str, object]] = []
    for started in story.of(journal.CallStarted):
        call_id = started.call_id
        (ended,) = [one for one in story.of(journal.CallEnded) if one.call_id == call_id]
        legs = [one for one in story.of(facts.LegFinished) if one.call_id == call_id]
        told.append(
            {
                "from": started.number,
                "name": started.name,
                "outcome": ended.outcome.value,
                "steps": [
                    (one.node_id, one.digits)
                    for one in story.of(journal.MenuStep)
                    if one.call_id == call_id
                ],
                "legs": sorted((one.agent_id, one.disposition.value) for one in legs),
                "talked_with": [
                    one.agent_id for one in story.of(facts.LegJoined) if one.call_id == call_id
                ],
                "waited_s": round(ended.wait_s),
            }
        )
    return told
