"""A stage that a manager dials after a talk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from pbx.engine.after_talk import stage_dialled
from pbx.funnel.book import Noted
from pbx.funnel.dialled import DialledStages
from pbx.funnel.telling import MANAGER, Told, of_talk, record
from pbx.journal import port as journal
from pbx.journal.tables import stage_events
from pbx.journal.writer import SqlJournal
from pbx.plan.load import load
from pbx.switch import port as switch
from routing.values import AgentId
from tests.missed.day import IVAN, MARIA, Day
from tests.world import START, agent, plan, sales, stage

ANNA = AgentId("anna")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqlJournal]:
    made = SqlJournal(
        f"sqlite:///{tmp_path / 'log.db'}",
        spool=tmp_path / "spool.jsonl",
        followers=[DialledStages()],
    )
    made.start()
    yield made
    made.close(5.0)


def told(log: SqlJournal, day: Day) -> list[tuple[str, str, str, str]]:
    """What the funnel has of it."""
    for entry in day.entries:
        log.write(entry)
    day.entries = []
    assert log.flush(10.0)
    query = select(stage_events).order_by(stage_events.c.at)
    with log.engine.connect() as connection:
        return [(r.stage, r.number, r.agent, r.call_id) for r in connection.execute(query)]


def test_it_is_of_the_last_talk_and_told_twice_it_is_told_once(log: SqlJournal) -> None:
    day = Day()
    day.talks(IVAN)
    day.talks(MARIA, "boris")
    day.told(journal.StageDialled(ANNA, "meeting"))
    day.pause(seconds=5)
    day.told(journal.StageDialled(ANNA, "meeting"), journal.StageDialled(ANNA, "need"))
    assert told(log, day) == [
        ("meeting", IVAN, "anna", "call-0001"),
        ("need", IVAN, "anna", "call-0001"),
    ]


def test_pressed_in_the_page_as_well_it_is_the_same_event(log: SqlJournal) -> None:
    company = load(Path("config"))
    day = Day()
    day.talks(IVAN, "petrova")
    day.told(journal.StageDialled(AgentId("petrova"), "meeting"))
    once = told(log, day)
    pressed = Told(
        of_talk("call-0001", "petrova", "meeting"),
        "meeting",
        manager="petrova",
        call_id="call-0001",
    )
    assert record(log.engine, [pressed], company, day.now, via=MANAGER) == Noted(0, 1)
    assert told(log, day) == once


def test_it_is_of_a_call_that_the_manager_made(log: SqlJournal) -> None:
    day = Day()
    day.talks(IVAN)
    day.calls_back(MARIA)
    day.told(journal.StageDialled(ANNA, "meeting"))
    assert told(log, day) == [("meeting", MARIA, "anna", "")]


def test_without_a_talk_of_today_or_a_number_there_is_nothing(log: SqlJournal) -> None:
    day = Day()
    day.told(journal.StageDialled(ANNA, "meeting"))
    day.talks(IVAN)
    day.pause(hours=13)
    day.told(journal.StageDialled(ANNA, "meeting"))
    day.talks("")
    day.told(journal.StageDialled(ANNA, "meeting"))
    assert told(log, day) == []


@pytest.mark.parametrize(
    ("number", "name"), [(0, "qualified"), (1, "cold-call"), (7, "repeat-order"), (8, ""), (99, "")]
)
def test_the_number_is_the_stages_in_the_plan(number: int, name: str) -> None:
    made = stage_dialled(load(Path("config")), [ANNA], number)
    assert made == (journal.StageDialled(ANNA, name) if name else None)
    assert stage_dialled(load(Path("config")), [ANNA, AgentId("boris")], number) is None


def test_only_what_is_noted_is_told_to_be() -> None:
    anna = agent("anna")
    company = replace(plan([anna], [sales(anna)]), funnel=load(Path("config")).funnel)
    world, story = stage(company, [], {})
    sent: list[object] = []
    world.core._send = sent.append
    for key, number in (("k1", 2), ("k2", 40)):
        world.core.handle(switch.StageDialled(anna.devices[0].address, key, number), START)
    world.core.handle(switch.StageDialled("PJSIP/nobody", "k3", 2), START)
    assert sent == [switch.StageNoted("k1")]
    (noted,) = story.of(journal.StageDialled)
    assert noted == journal.StageDialled(ANNA, "meeting")
