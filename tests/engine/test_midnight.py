"""At the company's midnight the counters of the day begin anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from pbx.days import day_began, day_ends
from pbx.switch.script import CallerScript, PhoneAct, Reaction
from routing.memory import AgentRecord, Memory
from routing.values import AgentId
from tests.world import DID, START, agent, plan, sales, stage

TALKS = PhoneAct(Reaction.ANSWER, 1.0, 60.0)
KAMCHATKA = ZoneInfo("Asia/Kamchatka")
"""23:06:40 when the stories begin."""
TO_MIDNIGHT_S = 3200.0
ANNA, BORIS = AgentId("anna"), AgentId("boris")


@pytest.mark.parametrize(
    ("comes_s", "takes"),
    [(TO_MIDNIGHT_S - 300, "boris"), (TO_MIDNIGHT_S + 300, "anna")],
)
def test_who_had_more_calls_yesterday_is_not_behind_today(comes_s: float, takes: str) -> None:
    team = [agent("anna"), agent("boris")]
    company = replace(
        plan(team, [sales(*team, strategy="fewest-calls")]), time_zone="Asia/Kamchatka"
    )
    memory = Memory(
        records={
            ANNA: AgentRecord(5, 900.0, START - 600.0),
            BORIS: AgentRecord(1, 60.0, START - 60.0),
        }
    )
    caller = CallerScript("c1", comes_s, DID, "+79161234567")
    world, story = stage(
        company, [caller], {"PJSIP/anna": (TALKS,), "PJSIP/boris": (TALKS,)}, memory=memory
    )

    world.run(START + 2 * TO_MIDNIGHT_S)

    assert list(story.talks.values()) == [takes]


def test_a_day_has_as_many_hours_as_the_clock_says() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    noon = datetime(2026, 10, 25, 12, tzinfo=UTC)

    assert day_ends(noon, berlin) - day_began(noon, berlin) == timedelta(hours=25)
    assert day_ends(day_began(noon, berlin), berlin) == day_ends(noon, berlin)
    begins = datetime.fromtimestamp(START, UTC)
    assert day_ends(begins, KAMCHATKA) == begins + timedelta(seconds=TO_MIDNIGHT_S)
