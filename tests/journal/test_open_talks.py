"""What the log knows of talks that an engine which died had arranged."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from pbx.journal import port as journal
from pbx.journal.open_talks import open_talks
from pbx.journal.port import OpenLeg
from pbx.journal.writer import SqlJournal
from routing import facts
from routing.values import AgentId, CallId, DeviceId, Disposition, LegId, OfferId, QueueId
from tests.missed.day import BEGAN, IVAN, MARIA, Day
from tests.world import DID, SALES

ANNA, BORIS = AgentId("anna"), AgentId("boris")


@pytest.fixture
def log(url: str, tmp_path: Path) -> Iterator[SqlJournal]:
    made = SqlJournal(url, spool=tmp_path / "spool.jsonl")
    made.start()
    yield made
    made.close(10.0)


def rings(day: Day, call_id: CallId, leg: str, agent: AgentId, queue: QueueId | None) -> LegId:
    """A device of the agent's is rung, for a queue or because they were asked for."""
    offer, leg_id = OfferId(f"offer-{leg}"), LegId(leg)
    day.told(
        facts.OfferMade(offer, call_id, queue, "linear", (agent,), (), ""),
        facts.LegStarted(leg_id, call_id, offer, agent, DeviceId(f"{agent}/1"), "PJSIP/x"),
    )
    return leg_id


def talks(day: Day) -> None:
    """Ivan: out of the menu into the queue, 20 s with Boris, sent on, and now with Anna; Maria
    was served and has gone."""
    call_id = day.begins(IVAN, name="Иван")
    day.told(
        journal.MenuStep(call_id, "welcome", "play", None, ""),
        journal.MenuStep(call_id, "to-sales", "toqueue", None, ""),
    )
    day.pause(seconds=30)
    first = rings(day, call_id, "l1", BORIS, SALES)
    day.pause(seconds=5)
    day.told(
        facts.LegJoined(first, call_id, BORIS), facts.WaitEnded(call_id, SALES, 35.0, "joined")
    )
    day.pause(seconds=20)
    day.told(facts.LegFinished(first, call_id, BORIS, Disposition.ANSWERED, "16", 5.0, 20.0))
    second = rings(day, call_id, "l2", ANNA, None)
    day.pause(seconds=3)
    day.told(facts.LegJoined(second, call_id, ANNA))
    day.talks(MARIA)


def test_a_talk_is_known_with_all_that_its_call_had_come_to(log: SqlJournal) -> None:
    day = Day()
    talks(day)
    for entry in day.entries:
        log.write(entry)
    assert log.flush(10.0)

    ((call_id, talk),) = open_talks(log.engine).items()
    assert call_id == "call-0001"
    assert (talk.did, talk.number, talk.name, talk.language) == (DID, IVAN, "Иван", "ru")
    assert (talk.queue_id, talk.node_id, talk.passed) == (
        SALES,
        "to-sales",
        ("welcome", "to-sales"),
    )
    assert (talk.wait_s, talk.talk_s, talk.callback_of) == (35.0, 20.0, "")
    assert talk.started_at == BEGAN
    rung_at = BEGAN + timedelta(seconds=55)
    assert talk.legs == {
        "l2": OpenLeg(
            agent_id=ANNA,
            device_id=DeviceId("anna/1"),
            queue_id=None,
            outside=False,
            started_at=rung_at,
            joined_at=rung_at + timedelta(seconds=3),
        )
    }


def test_a_leg_that_only_rang_is_known_with_its_queue_and_an_outside_number_as_such(
    log: SqlJournal,
) -> None:
    day = Day()
    waiting, out = day.begins(IVAN), day.begins(MARIA, queue=None)
    rings(day, waiting, "l1", ANNA, SALES)
    day.told(journal.OutsideLegStarted(out, LegId("x1"), "PJSIP/+7@trunk", "+7"))
    for entry in day.entries:
        log.write(entry)
    assert log.flush(10.0)

    found = open_talks(log.engine)
    leg = found[waiting].legs[LegId("l1")]
    assert (leg.queue_id, leg.joined_at, leg.outside) == (SALES, None, False)
    leg = found[out].legs[LegId("x1")]
    assert (leg.agent_id, leg.outside) == (None, True)
    assert found[out].node_id == ""
