"""Outside numbers are called by the allow-list, in their hours, within their limits; or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.nodes import CallOut, CollectDigits, DialAgent, Node
from ivr.schedule import Schedule, Window
from pbx.engine.outside import HOUR_S, OutsideCalls
from pbx.journal import port as journal
from pbx.plan.load import load
from pbx.plan.model import OutsideLimits, Plan
from pbx.switch.script import CallerScript, PhoneAct, Reaction
from routing import facts
from routing.plan import Agent
from routing.values import AgentId, Outcome
from tests.world import DID, START, agent, plan, play, sales, tree

MOBILE = "+79160000001"
ADDRESS = f"PJSIP/{MOBILE}@trunk"
ANSWERS = PhoneAct(Reaction.ANSWER, after_s=2.0, talk_s=30.0)
SILENT = PhoneAct(Reaction.NO_ANSWER)
#: Stories begin on a Wednesday at 11:06 UTC.
NIGHT = Schedule("night", ZoneInfo("UTC"), {day: (Window(time(22), time(6)),) for day in range(7)})


def company(
    *agents: Agent,
    entry: str = "to-sales",
    limits: OutsideLimits = OutsideLimits(),  # noqa: B008 (frozen)
    prefixes: tuple[str, ...] = ("+7916",),
    nodes: Mapping[str, Node] = {},
    **queue: object,
) -> Plan:
    return replace(
        plan(agents, [sales(*agents, **queue)], entry=entry, nodes={**tree(), **nodes}),  # type: ignore[arg-type]
        allowed_prefixes=prefixes,
        outside_limits=limits,
        outside_devices={ADDRESS: MOBILE},
    )


def out(number: str = MOBILE) -> dict[str, Node]:
    return {"out": CallOut("out", number, f"PJSIP/{number}@trunk", 20.0, on_failure="message")}


def callers(count: int, every_s: float = 100.0) -> list[CallerScript]:
    return [CallerScript("", n * every_s, DID, f"8916123000{n}") for n in range(count)]


@pytest.mark.parametrize(
    ("limits", "prefixes", "number", "reason"),
    [
        (OutsideLimits(hours=NIGHT), ("+7916",), MOBILE, "hours"),
        (OutsideLimits(), ("+7495",), MOBILE, "not_allowed"),
        (OutsideLimits(), (), MOBILE, "not_allowed"),
        (OutsideLimits(), ("+7",), "+78091234567", "premium"),
        (OutsideLimits(per_hour=0), ("+7916",), MOBILE, "limit"),
    ],
)
def test_a_refused_call_out_is_not_dialled_and_takes_the_failure_way(
    limits: OutsideLimits, prefixes: tuple[str, ...], number: str, reason: str
) -> None:
    where = company(agent("anna"), entry="out", limits=limits, prefixes=prefixes, nodes=out(number))

    story = play(where, callers(1), {f"PJSIP/{number}@trunk": (ANSWERS,)})

    (refused,) = story.of(journal.OutsideRefused)
    assert (refused.number, refused.agent, refused.reason) == (number, None, reason)
    assert not story.of(journal.OutsideLegStarted)
    assert story.outcomes == {"sim-1": Outcome.VOICEMAIL}


def test_the_company_limit_ends_after_the_hour_that_slides() -> None:
    where = company(agent("anna"), entry="out", limits=OutsideLimits(per_hour=2), nodes=out())

    story = play(where, callers(5, every_s=1_300.0), {ADDRESS: (ANSWERS,) * 5}, for_s=6_000)

    # At 0 and 1,300 s; not at 2,600; the first has left the hour at 3,900, the second at 5,200.
    assert [one.call_id for one in story.of(journal.OutsideRefused)] == ["sim-3"]
    assert list(story.outcomes.values()).count(Outcome.ANSWERED) == 4


def test_a_mobile_is_not_rung_above_its_managers_limit_and_the_desk_phone_still_is() -> None:
    anna = agent("anna", ("PJSIP/anna", 0.0), (ADDRESS, 0.0))
    where = company(anna, limits=OutsideLimits(per_hour_each=1))
    phones = {"PJSIP/anna": (SILENT, ANSWERS), ADDRESS: (ANSWERS, ANSWERS)}

    story = play(where, callers(2), phones)

    (refused,) = story.of(journal.OutsideRefused)
    assert (refused.call_id, refused.agent, refused.reason) == ("sim-2", "anna", "manager_limit")
    assert story.talks == {"sim-1": "anna", "sim-2": "anna"}
    assert [(one.disposition.value, one.cause) for one in story.of(facts.LegFinished)][-2:] == [
        ("failed", "refused: manager_limit"),
        ("answered", "16 Normal Clearing"),
    ]


@pytest.mark.parametrize("retry_delay_s", [0.0, 5.0])
def test_a_manager_whose_only_phone_may_not_be_called_leaves_the_caller_the_queues_way(
    retry_delay_s: float,
) -> None:
    anna = agent("anna", (ADDRESS, 0.0))
    limits = OutsideLimits(hours=NIGHT)
    where = company(anna, limits=limits, max_wait_s=20.0, retry_delay_s=retry_delay_s)

    story = play(where, callers(1), {ADDRESS: (ANSWERS,)})

    assert story.outcomes == {"sim-1": Outcome.VOICEMAIL}
    assert 3 <= len(story.of(journal.OutsideRefused)) <= 21, "asked again, but not in one instant"
    assert not story.of(facts.LegRang)


def test_a_refused_mobile_ends_with_the_offer_that_another_took() -> None:
    anna = agent("anna", ("PJSIP/anna", 0.0), (ADDRESS, 0.0))
    where = company(anna, limits=OutsideLimits(hours=NIGHT))
    at_once = PhoneAct(Reaction.ANSWER, after_s=0.2, talk_s=5.0)

    story = play(where, callers(1), {"PJSIP/anna": (at_once,), ADDRESS: (ANSWERS,)})

    assert sorted(how for _, _, how in story.legs) == ["answered", "answered_elsewhere"]


@pytest.mark.parametrize(
    ("target", "prefixes", "limits", "reason"),
    [
        ("89161112233", ("+7916",), OutsideLimits(hours=NIGHT), "hours"),
        ("+442071838750", ("+7916",), OutsideLimits(), "not_allowed"),
        ("88091234567", ("+7",), OutsideLimits(), "premium"),
        ("89161112233", ("+7916",), OutsideLimits(per_hour_each=0), "manager_limit"),
    ],
)
def test_a_transfer_that_may_not_be_called_comes_back_to_the_manager(
    target: str, prefixes: tuple[str, ...], limits: OutsideLimits, reason: str
) -> None:
    where = company(agent("anna"), prefixes=prefixes, limits=limits)
    sends = PhoneAct(Reaction.ANSWER, 2.0, 5.0, transfer_to=target)

    story = play(where, callers(1), {"PJSIP/anna": (sends, ANSWERS)})

    (refused,) = story.of(journal.OutsideRefused)
    assert (refused.agent, refused.reason) == ("anna", reason)
    assert [one.agent_id for one in story.of(facts.LegJoined)] == ["anna", "anna"]
    assert not story.of(journal.OutsideLegStarted)


def test_an_allowed_transfer_is_called_and_counts_for_who_sent_it() -> None:
    where = company(agent("anna"), limits=OutsideLimits(per_hour_each=1))
    sends = PhoneAct(Reaction.ANSWER, 2.0, 5.0, transfer_to="89161112233")
    phones = {"PJSIP/anna": (sends, sends, ANSWERS), "PJSIP/+79161112233@trunk": (ANSWERS,) * 2}

    story = play(where, callers(2), phones)

    assert [one.call_id for one in story.of(journal.OutsideLegStarted)] == ["sim-1"]
    assert [one.call_id for one in story.of(journal.OutsideRefused)] == ["sim-2"]


def test_calls_before_a_restart_still_count() -> None:
    where = company(agent("anna"), limits=OutsideLimits(per_hour=2, per_hour_each=1))
    calls = OutsideCalls()
    calls.remember([(START - HOUR_S, None), (START - 10, AgentId("anna"))])
    at = datetime.fromtimestamp(START, UTC)

    assert calls.ask(where, MOBILE, AgentId("anna"), START, at) == "manager_limit"
    assert calls.ask(where, MOBILE, AgentId("boris"), START, at) is None
    assert calls.ask(where, MOBILE, None, START, at) == "limit"


@given(
    gaps=st.lists(st.floats(0, 4_000, allow_nan=False), max_size=60),
    who=st.lists(st.sampled_from(["anna", "boris"]), min_size=60, max_size=60),
    per_hour=st.integers(0, 5),
    each=st.integers(0, 3),
)
def test_no_hour_ever_has_more_calls_than_its_limits(
    gaps: list[float], who: list[str], per_hour: int, each: int
) -> None:
    where = company(limits=OutsideLimits(per_hour=per_hour, per_hour_each=each))
    calls, now = OutsideCalls(), START
    made: list[tuple[float, str]] = []
    for gap, name in zip(gaps, who, strict=False):
        now += gap
        at = datetime.fromtimestamp(now, UTC)
        if calls.ask(where, MOBILE, AgentId(name), now, at) is None:
            made.append((now, name))
    for group, limit in [(made, per_hour)] + [
        ([one for one in made if one[1] == name], each) for name in ("anna", "boris")
    ]:
        assert all(
            later - first >= HOUR_S
            for (first, _), (later, _) in zip(group, group[limit:], strict=False)
        )
        assert not group or limit


@given(st.text("0123456789+*#ABCD", max_size=20))
def test_no_digits_reach_a_number_outside_the_allow_list(target: str) -> None:
    """Whatever a manager types into a transfer."""
    where = company(agent("anna"), prefixes=("+7916",))
    sends = PhoneAct(Reaction.ANSWER, 2.0, 5.0, transfer_to=target or "1")
    story = play(where, callers(1), {"PJSIP/anna": (sends, ANSWERS)}, for_s=300)
    assert all(one.number.startswith("+7916") for one in story.of(journal.OutsideLegStarted))


@given(st.text("0123456789*#+", min_size=1, max_size=12))
def test_dialling_an_extension_reaches_managers_only(digits: str) -> None:
    """Whatever a caller types: an extension rings that manager's phones, all else nothing."""
    everyone = {"101": AgentId("anna"), "102": AgentId("boris")}
    nodes: dict[str, Node] = {
        "ask": CollectDigits("ask", (), "ext", 1, 12, 5.0, 2.0, 0, True, (), "dial", "message"),
        "dial": DialAgent("dial", None, "ext", everyone, 20.0, "message", "message", "message"),
    }
    where = company(agent("anna"), agent("boris"), entry="ask", nodes=nodes)
    phones = {"PJSIP/anna": (ANSWERS,), "PJSIP/boris": (ANSWERS,)}

    story = play(where, [CallerScript("", 0.0, DID, "89161234567", keys=(digits,))], phones)

    typed = digits.partition("#")[0]
    rung = {one.address for one in story.of(facts.LegStarted)}
    assert rung == ({f"PJSIP/{everyone[typed]}"} if typed in everyone else set())
    assert not story.of(journal.OutsideLegStarted)


def test_the_shipped_plan_lets_callers_dial_managers_and_nothing_else() -> None:
    shipped = load(Path(__file__).parent.parent.parent / "config")
    dials = [node for node in shipped.tree.values() if isinstance(node, DialAgent)]
    by_extension = [node for node in dials if node.agent_id is None]
    assert by_extension
    for node in by_extension:
        assert node.extensions == shipped.extensions
        assert set(node.extensions.values()) <= set(shipped.routing.agents)
