"""What the log promises, on SQLite and on a real PostgreSQL alike."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from pbx.cli.timeline import moments
from pbx.engine.virtual import Reply
from pbx.journal import port as journal
from pbx.journal.backlog import Limits
from pbx.journal.database import open_for_reading
from pbx.journal.port import Stamped
from pbx.journal.queries import CallFilter, call_story, list_calls, totals
from pbx.journal.recall import recall, recall_outside
from pbx.journal.walks import walks
from pbx.journal.writer import SqlJournal
from pbx.lookup.port import Known, Request
from pbx.plan.model import OutsideLimits
from pbx.reports.contacts import CallerBook
from pbx.switch.script import At, CallerScript, HangUp, PhoneAct, Reaction
from routing import facts
from routing.values import AgentId, CallId, Outcome, QueueId
from tests.world import DID, START, Story, agent, plan, play, sales

Open = Callable[..., SqlJournal]
BEGAN = datetime.fromtimestamp(START, UTC)


@pytest.fixture
def open_log(url: str, tmp_path: Path) -> Iterator[Open]:
    before = threading.active_count()
    logs: list[SqlJournal] = []

    def opened(**limits: float) -> SqlJournal:
        log = SqlJournal(
            url,
            spool=tmp_path / "spool.jsonl",
            followers=[CallerBook()],
            limits=Limits(**limits),  # type: ignore[arg-type]
        )
        log.start()
        logs.append(log)
        return log

    yield opened
    for log in logs:
        log.close(10.0)
    assert threading.active_count() == before, "the log left a thread"


def morning() -> Story:
    """Two callers: one through a menu to Anna past Boris who refuses, one who gives up."""
    anna, boris = agent("anna"), agent("boris")
    company = plan([boris, anna], [sales(boris, anna, strategy="linear")], entry="main")
    phones = {
        "PJSIP/boris": (PhoneAct(Reaction.REJECT, 1.0),),
        "PJSIP/anna": (PhoneAct(Reaction.ANSWER, 2.0, 30.0),),
    }
    callers = [
        CallerScript("Мария", 0.0, DID, "89161234567", keys=("3", "1")),
        CallerScript("", 5.0, DID, "anonymous"),
    ]
    return play(company, callers, phones)


def keep(log: SqlJournal, story: Story) -> None:
    for entry in story.entries:
        log.write(entry)
    assert log.flush(10.0)


def asked(url: str) -> Engine:
    return open_for_reading(url)


def test_a_call_is_told_whole(open_log: Open, url: str) -> None:
    keep(open_log(), morning())
    engine = asked(url)

    first, second = list_calls(engine, CallFilter())
    assert first.number == "+79161234567"
    assert first.name == "Мария"
    assert first.outcome == Outcome.ANSWERED.value
    assert first.agent == "anna"
    assert first.queue == "sales"
    assert first.strategy == "linear"
    assert first.started_at == BEGAN
    assert first.talk_s == pytest.approx(30.0)
    assert [(leg.agent, leg.disposition) for leg in first.legs] == [
        ("boris", "rejected"),
        ("anna", "answered"),
    ]
    assert second.number == ""

    story = call_story(engine, first.call_id)
    assert story is not None
    assert [(one.node, one.digits) for one in story.steps][:2] == [("main", "3"), ("deep", "1")]
    assert [tuple(one.chosen) for one in story.offers] == [("boris",), ("anna",)]
    left_out = story.offers[1].left_out
    assert [(one.agent, one.reason) for one in left_out] == [("boris", "just_refused")]
    engine.dispose()


def test_filters_and_totals_agree(open_log: Open, url: str) -> None:
    keep(open_log(), morning())
    engine = asked(url)

    assert len(list_calls(engine, CallFilter(number="8 (916) 123-45-67"))) == 1
    assert len(list_calls(engine, CallFilter(agent="boris"))) == 1
    assert len(list_calls(engine, CallFilter(outcome="answered"))) == 1
    assert len(list_calls(engine, CallFilter(since=BEGAN + timedelta(seconds=1)))) == 1
    sums = totals(engine, CallFilter())
    assert sums.calls == 2
    assert sums.by_outcome["answered"] == 1
    engine.dispose()


def test_writing_again_what_was_written_changes_nothing(open_log: Open, url: str) -> None:
    story = morning()
    log = open_log()
    keep(log, story)
    engine = asked(url)
    before = list_calls(engine, CallFilter())
    keep(log, story)

    assert [(one.call_id, one.outcome, one.talk_s) for one in list_calls(engine, CallFilter())] == [
        (one.call_id, one.outcome, one.talk_s) for one in before
    ]
    engine.dispose()


def test_the_next_start_remembers(open_log: Open, url: str) -> None:
    log = open_log()
    keep(log, morning())

    memory = recall(
        log.engine,
        queues=(QueueId("sales"),),
        day_began=BEGAN - timedelta(hours=1),
        talks_since=BEGAN - timedelta(days=90),
    )

    assert memory.last_chosen == {"sales": "anna"}
    talk = memory.last_talks.get("+79161234567")
    assert talk is not None
    assert talk.agent_id == "anna"
    assert memory.records[AgentId("anna")].calls == 1


def test_outside_calls_made_are_remembered_and_refused_ones_are_told(
    open_log: Open, url: str
) -> None:
    mobile = "PJSIP/+79160000001@trunk"
    anna = agent("anna", (mobile, 0.0))
    company = replace(
        plan([anna], [sales(anna, max_wait_s=20.0)]),
        outside_devices={mobile: "+79160000001"},
        outside_limits=OutsideLimits(per_hour_each=2),
    )
    answers = PhoneAct(Reaction.ANSWER, 2.0, 5.0)
    sends = PhoneAct(Reaction.ANSWER, 2.0, 5.0, transfer_to="89161112233")
    phones = {mobile: (sends, answers), "PJSIP/+79161112233@trunk": (answers,)}
    callers = [CallerScript("", at_s, DID, "89161234567") for at_s in (0.0, 100.0)]
    keep(open_log(), play(company, callers, phones))
    engine = asked(url)

    calls = recall_outside(engine, devices={mobile}, since=BEGAN)
    assert [agent_id for _, agent_id in calls] == ["anna", None]
    assert [at - BEGAN for at, _ in calls] == [timedelta(0), timedelta(seconds=7)]
    assert recall_outside(engine, devices=(), since=BEGAN + timedelta(seconds=8)) == []
    (second, _) = list_calls(engine, CallFilter())[::-1]
    assert {leg.cause for leg in second.legs} == {"refused: manager_limit"}
    engine.dispose()


def test_none_of_10_000_entries_is_lost_at_the_end_and_order_is_kept(
    open_log: Open, url: str
) -> None:
    log = open_log()
    call = journal.CallStarted(CallId("c"), DID, "", "", "", "", "ru")
    log.write(Stamped(BEGAN, call))
    for n in range(10_000):
        step = journal.MenuStep(CallId("c"), f"n{n}", "menu", None, "")
        log.write(Stamped(BEGAN, step))
    log.close(30.0)

    engine = asked(url)
    story = call_story(engine, "c")
    assert story is not None
    assert [one.node for one in story.steps] == [f"n{n}" for n in range(10_000)]
    assert log.stats().dropped == 0
    engine.dispose()


def test_what_a_crm_said_is_a_step_aside_and_the_calls_name_and_language(
    open_log: Open, url: str
) -> None:
    anna = agent("anna")
    callers = [
        CallerScript("Мария", float(n), DID, number, keys=("1",), hang_up=HangUp(At.WAITING, 9.0))
        for n, number in enumerate(("+79161234567", "+79160000002"))
    ]

    def crm(request: Request) -> Reply:
        ours = request.number == "+79161234567"
        return Reply(Known(name="Ромашка", language="en"), 0.25 if ours else 5.0)

    story = play(plan([anna], [sales(anna)], entry="main"), callers, {}, crm=crm)
    keep(open_log(), story)

    engine = asked(url)
    first, second = (call_story(engine, one) for one in ("sim-1", "sim-2"))
    assert first is not None
    assert second is not None
    assert (first.call.name, first.call.language) == ("Ромашка", "en")
    assert (second.call.name, second.call.language) == ("Мария", "ru")
    told = [(one.steps[0].kind, one.steps[0].detail) for one in (first, second)]
    assert told == [
        ("lookup", 'answered after 250 ms: name "Ромашка"; language en'),
        ("lookup", "late after 700 ms: no answer within 700 ms"),
    ]
    assert "lookup: answered after 250 ms" in moments(first)[1].words
    assert first.call.menu_path == "main › 1 › sales"
    assert [one.steps[0] for one in walks(engine, None, None)] == [("main", "1")] * 2
    engine.dispose()


@pytest.mark.parametrize("hours", [1, -1], ids=["", "the clock was put back since"])
def test_a_crash_leaves_no_call_open(open_log: Open, url: str, hours: int) -> None:
    entries = [one for one in morning().entries if not isinstance(one.entry, journal.CallEnded)]
    log = open_log()
    for entry in entries:
        log.write(entry)
    log.flush(10.0)

    assert log.close_open_calls(BEGAN + timedelta(hours=hours)) == 2

    engine = asked(url)
    rows = list_calls(engine, CallFilter())
    assert all(one.ended_at and one.ended_at >= one.started_at for one in rows)
    assert all(one.reconstructed for one in rows)
    engine.dispose()


def test_a_locked_database_loses_nothing_and_keeps_order(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    log = SqlJournal(
        f"sqlite:///{path}",
        spool=tmp_path / "spool.jsonl",
        limits=Limits(batch=20, memory=50, busy_timeout_s=0.05, retry_most_s=0.1, linger_s=0.01),
    )
    log.start()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("begin immediate")
    log.write(Stamped(BEGAN, journal.CallStarted(CallId("c"), DID, "", "", "", "", "ru")))
    for n in range(500):
        log.write(Stamped(BEGAN, journal.MenuStep(CallId("c"), f"n{n}", "menu", None, "")))
    assert not log.flush(0.5)
    assert log.stats().failing
    assert log.stats().in_spool > 0, "what memory does not hold goes to the spool"
    other.execute("rollback")
    other.close()

    assert log.flush(10.0)
    log.close(10.0)
    engine = open_for_reading(f"sqlite:///{path}")
    story = call_story(engine, "c")
    assert story is not None
    assert [one.node for one in story.steps] == [f"n{n}" for n in range(500)]
    engine.dispose()


def test_agent_states_become_intervals(open_log: Open, url: str) -> None:
    story = morning()
    keep(open_log(), story)
    changes = [one for one in story.of(facts.AgentChanged) if one.agent_id == "anna"]
    engine = asked(url)
    with engine.connect() as connection:
        rows = connection.execute(
            text("select state from agent_states where agent = 'anna' order by interval_id")
        ).all()
    assert [row[0] for row in rows] == [one.new.value for one in changes]
    engine.dispose()
