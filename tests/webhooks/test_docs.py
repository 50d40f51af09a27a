"""docs/webhooks.md tells what is really sent, and its code checks a real signature."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from pbx.funnel.book import note
from pbx.funnel.lookout import told_of
from pbx.funnel.sag import Judged, Trial, Verdict
from pbx.funnel.stages import StageEvent, Way
from pbx.journal import port as journal
from pbx.journal.database import open_for_writing
from pbx.journal.follower import Follower
from pbx.journal.tables import outbox
from pbx.journal.writer import SqlJournal
from pbx.missed.book import MissedBook
from pbx.webhooks.book import EventBook
from pbx.webhooks.kinds import ALL_KINDS
from pbx.webhooks.outbox import enqueue, settle
from pbx.webhooks.webhook import signed
from routing import facts
from routing.values import AgentId, CallId, DeviceId, LegId, OfferId, Outcome, QueueId
from tests.missed.day import IVAN, MARIA, RULE, Day

DOC = Path(__file__).parents[2] / "docs" / "webhooks.md"
EVERYTHING = {"crm": ALL_KINDS}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOC.read_text(encoding="utf-8"), re.DOTALL)


def told(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """What a day of everything tells, by kind."""
    url = f"sqlite:///{folder / 'log.db'}"
    followers: list[Follower] = [EventBook(EVERYTHING), MissedBook(RULE, EVERYTHING)]
    log = SqlJournal(url, spool=folder / "s.jsonl", followers=followers)
    log.start()
    day = Day()
    call_id = day.begins(IVAN, name="Иван")
    day.told(
        journal.MenuStep(call_id, "main/1", "toqueue", None, "queue sales"),
        journal.MenuStep(call_id, "main/1", "toqueue", None, "no_agents → bye"),
        journal.CallbackAsked(call_id, MARIA, QueueId("sales")),
        journal.MessageLeft(call_id, "sales", "/messages/1.wav", 12.5),
    )
    leg, anna = LegId("leg"), AgentId("anna")
    made = facts.LegStarted(leg, call_id, OfferId("o"), anna, DeviceId("d"), "PJSIP/x")
    day.told(made, facts.LegRang(leg, call_id), facts.LegJoined(leg, call_id, anna))
    day.told(journal.RecordingStarted(call_id, leg, "1.wav", day.now + timedelta(days=9)))
    day.ends(call_id, Outcome.ANSWERED)
    day.told(journal.RecordingKept(leg, "1.wav", 9.0))
    # A callback's place in the line is no call, and tells nothing.
    day.told(facts.LegRang(LegId("other"), CallId("callback-1")))
    day.missed(MARIA)
    for entry in day.entries:
        log.write(entry)
    log.close(10.0)
    assert log.unfollowed == 0
    engine = open_for_writing(url)
    stage = StageEvent("k", "invoice", "deal:17", day.now, IVAN, "anna", via="crm")
    note(engine, [stage], day.now)
    judged = Judged(Trial("manager=anna", "meeting", 425, 100, 55, 2), Verdict.FELL, 0.0004)
    fell = told_of(Way.SALES, judged, day.now - timedelta(days=7), day.now)
    with engine.begin() as connection:
        enqueue(connection, [fell], None, day.now)
    settle(engine, EVERYTHING, day.now)
    found: dict[str, list[dict[str, Any]]] = {}
    with engine.connect() as connection:
        for body in connection.execute(select(outbox.c.body).order_by(outbox.c.ordinal)).scalars():
            whole = json.loads(body)
            found.setdefault(whole["type"], []).append(whole["data"])
    engine.dispose()
    return found


def test_every_event_is_shown_with_the_fields_that_it_has(tmp_path: Path) -> None:
    shown = {one["type"]: one["data"] for one in map(json.loads, blocks("json"))}
    sent = told(tmp_path)

    assert set(shown) == set(sent)
    others = {"missed.closed", "missed.reopened", "missed.withdrawn"}
    assert set(shown) | others == {kind.value for kind in ALL_KINDS}
    for kind, data in sent.items():
        assert list(data[0]) == list(shown[kind]), kind
    assert len(sent["menu.passed"]) == 1, "coming back from a queue is no passing"
    assert len(sent["call.ringing"]) == 1
    (ready,) = sent["recording.ready"]
    assert ready["number"] == IVAN


def test_the_code_of_the_page_checks_a_signature() -> None:
    space: dict[str, Any] = {}
    exec(blocks("python")[0], space)
    secret, body = b"k" * 24, b'{"type":"call.started"}'
    headers = signed(secret, "msg_1", 1000, body)

    assert space["verify"](secret, headers, body, 1010.0)
    assert not space["verify"](secret, headers, body + b" ", 1010.0)
    assert not space["verify"](b"x" * 24, headers, body, 1010.0)
    assert not space["verify"](secret, headers, body, 2000.0), "old"
