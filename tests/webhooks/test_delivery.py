"""The webhook against real receivers on loopback: one that takes all, and worse ones."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import random
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp.resolver import DefaultResolver

from pbx.journal.database import open_for_reading, open_for_writing
from pbx.journal.port import Stamped
from pbx.journal.writer import SqlJournal
from pbx.missed.book import MissedBook, close_by_hand
from pbx.webhooks import outbox, service
from pbx.webhooks.book import EventBook
from pbx.webhooks.kinds import EventKind
from pbx.webhooks.mail_target import MailTarget
from pbx.webhooks.outbox import Message
from pbx.webhooks.queries import DeliveryFilter, deliveries, replay, replay_since
from pbx.webhooks.sending import NotDelivered
from pbx.webhooks.service import DeliveryService, TargetStats
from pbx.webhooks.target import Target
from pbx.webhooks.targets import read_targets
from pbx.webhooks.webhook import Webhook
from tests.missed.day import BEGAN, IVAN, MARIA, RULE, Day
from tests.webhooks.post_office import post_office
from tests.webhooks.receiver import receiver

SECRET = b"k" * 24
MESSAGE = Message("msg_1", "missed.opened", BEGAN, '{"type":"missed.opened"}', 0)


async def test_a_message_is_signed_so_that_the_receiver_can_check_it() -> None:
    async with receiver(204) as crm, Webhook(Target(crm.url, SECRET)) as webhook:
        await webhook.send(MESSAGE)

    ((headers, body),) = crm.seen
    assert headers["webhook-id"] == "msg_1"
    content = b".".join([b"msg_1", headers["webhook-timestamp"].encode(), body])
    expected = base64.b64encode(hmac.digest(SECRET, content, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "refused"),
    [(500, False), (503, False), (429, False), (400, True), (404, True), (302, True), (0, False)],
)
async def test_anything_but_success_is_not_delivered(status: int, refused: bool) -> None:
    async with (
        receiver(status) as crm,
        Webhook(Target(crm.url, SECRET), answer_s=0.3) as webhook,
    ):
        with pytest.raises(NotDelivered) as raised:
            await webhook.send(MESSAGE)

        assert raised.value.refused is refused
        assert len(crm.seen) == 1, "no redirect is followed"


async def test_a_receiver_that_is_away_is_not_delivered_to() -> None:
    async with receiver(200) as crm:
        pass
    async with Webhook(Target(crm.url, SECRET)) as webhook:
        with pytest.raises(NotDelivered):
            await webhook.send(MESSAGE)


async def test_a_name_that_leads_to_metadata_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(self: object, host: str, port: int = 0, family: int = 0) -> list[object]:
        meta = {"hostname": host, "host": "169.254.169.254", "port": port}
        return [meta | {"family": family, "proto": 0, "flags": 0}]

    monkeypatch.setattr(DefaultResolver, "resolve", resolve)
    async with Webhook(Target("http://crm.test/", SECRET), answer_s=5.0) as webhook:
        with pytest.raises(NotDelivered, match="ClientConnector"):
            await webhook.send(MESSAGE)


class Engine:
    """A log with the service beside it, as ``pbx run`` has them."""

    def __init__(self, folder: Path, targets: Sequence[Target | MailTarget]) -> None:
        self.database = f"sqlite:///{folder / 'log.db'}"
        self.day = Day()
        self._began = datetime.now(UTC) - timedelta(hours=1)
        subscriptions = {one.name: one.events for one in targets}
        events = EventBook(subscriptions)
        book = MissedBook(RULE, subscriptions)
        self.log = SqlJournal(self.database, spool=folder / "spool.jsonl", followers=[events, book])
        self.log.start()
        self.service = DeliveryService(
            events,
            targets,
            read=open_for_reading(self.database),
            write=open_for_writing(self.database),
            utc_now=lambda: datetime.now(UTC),
            rng=random.Random(1),
        )

    def stats(self, name: str = "missed") -> TargetStats:
        return self.service.stats[name]

    def keep(self) -> None:
        entries, self.day.entries = self.day.entries, []
        for entry in entries:
            # A little while ago, or the messages would be too old to be sent.
            self.log.write(Stamped(self._began + (entry.at - BEGAN), entry.entry))
        assert self.log.flush(10.0)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds():  # noqa: ASYNC110 (a receiver's list: there is nothing to await)
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def engine(folder: Path, *targets: Target | MailTarget) -> AsyncIterator[Engine]:
    made = Engine(folder, targets)
    made.service.start()
    try:
        yield made
    finally:
        await made.service.stop()
        made.log.close(10.0)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(service, "SETTLE_EVERY_S", 0.02)
    monkeypatch.setattr(outbox, "RETRY_FIRST", timedelta(milliseconds=20))


async def test_open_and_closed_are_told_in_order(tmp_path: Path) -> None:
    async with receiver(200) as crm, engine(tmp_path, Target(crm.url, SECRET)) as made:
        made.day.missed(IVAN)
        made.day.missed(MARIA)
        made.keep()
        await made.until(lambda: made.stats().delivered == 2)
        made.day.talks(IVAN)
        made.keep()
        await made.until(lambda: made.stats().delivered == 3)
        await made.until(lambda: made.stats().waiting == 0)

        assert crm.told == [
            ("missed.opened", IVAN),
            ("missed.opened", MARIA),
            ("missed.closed", IVAN),
        ]
        assert json.loads(crm.seen[-1][1])["data"]["class"] == "got_through"


async def test_what_fails_is_sent_again_the_same_and_later_ones_wait(tmp_path: Path) -> None:
    async with receiver(500, 503, 500, 200) as crm:
        async with engine(tmp_path, Target(crm.url, SECRET)) as made:
            made.day.missed(IVAN)
            made.day.calls_back(IVAN)
            made.keep()
            await made.until(lambda: made.stats().failed == 2)
        # The engine goes and comes back.
        async with engine(tmp_path, Target(crm.url, SECRET)) as made:
            await made.until(lambda: made.stats().delivered == 2)

    opened = [body for headers, body in crm.seen if b"missed.opened" in body]
    ids = {headers["webhook-id"] for headers, body in crm.seen if b"missed.opened" in body}
    assert len(opened) >= 3
    assert len(set(opened)) == len(ids) == 1
    assert crm.told[-1] == ("missed.closed", IVAN)
    assert crm.told[:-1] == [("missed.opened", IVAN)] * (len(crm.seen) - 1)


async def test_a_message_that_is_refused_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Long enough that the other's turn comes first on a busy machine, too.
    monkeypatch.setattr(outbox, "RETRY_FIRST", timedelta(seconds=2))
    async with receiver(400, 200) as crm, engine(tmp_path, Target(crm.url, SECRET)) as made:
        made.day.missed(IVAN)
        made.day.missed(MARIA)
        made.keep()
        await made.until(lambda: made.stats().delivered == 2)

        assert [number for _, number in crm.told] == [IVAN, MARIA, IVAN]


async def test_a_message_nobody_wants_is_given_up_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "GIVE_UP_AFTER", timedelta(0))
    async with receiver(500) as crm, engine(tmp_path, Target(crm.url, SECRET)) as made:
        made.day.missed(IVAN)
        made.keep()
        await made.until(lambda: made.stats().dead == 1)
        await made.until(lambda: made.stats().waiting == 0)


async def test_an_engine_without_a_webhook_drops_what_the_command_line_leaves(
    tmp_path: Path,
) -> None:
    async with engine(tmp_path) as made:
        call_id = made.day.missed(IVAN)
        made.keep()
        write = open_for_writing(made.database)
        close_by_hand(write, call_id, at=BEGAN, by="ops", reason="by mail")
        await made.until(lambda: not outbox.waiting(write))
        write.dispose()


def crm_of(url: str, *kinds: EventKind, name: str = "crm", **more: object) -> Target:
    return Target(url, SECRET, name, frozenset(kinds), **more)  # type: ignore[arg-type]


CALL = (
    EventKind.CALL_STARTED,
    EventKind.CALL_RINGING,
    EventKind.CALL_ANSWERED,
    EventKind.CALL_ENDED,
)


async def test_a_call_s_events_come_in_order_to_each_target_that_wants_them(
    tmp_path: Path,
) -> None:
    async with receiver(500, 200) as crm, receiver(200) as wall:
        first = crm_of(crm.url, *CALL)
        second = crm_of(wall.url, EventKind.CALL_ENDED, name="wall")
        async with engine(tmp_path, first, second) as made:
            made.day.talks(IVAN)
            made.keep()
            await made.until(lambda: made.stats("crm").delivered == 3)
            await made.until(lambda: made.stats("wall").delivered == 1)

    kinds = [json.loads(body)["type"] for _, body in crm.seen]
    assert kinds == ["call.started", "call.started", "call.answered", "call.ended"]
    ended = json.loads(crm.seen[-1][1])["data"]
    assert (ended["number"], ended["agent"], ended["outcome"]) == (IVAN, "anna", "answered")
    assert [json.loads(body)["type"] for _, body in wall.seen] == ["call.ended"]


async def test_one_subject_that_fails_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Long enough that the other's turn comes first on a busy machine, too.
    monkeypatch.setattr(outbox, "RETRY_FIRST", timedelta(seconds=2))
    async with receiver(400, 200) as crm:
        target = crm_of(crm.url, EventKind.CALL_ENDED, at_once=1)
        async with engine(tmp_path, target) as made:
            made.day.talks(IVAN)
            made.day.talks(MARIA)
            made.keep()
            await made.until(lambda: made.stats("crm").delivered == 2)

    assert [number for _, number in crm.told] == [IVAN, MARIA, IVAN]


async def test_what_was_followed_before_is_not_told_twice(tmp_path: Path) -> None:
    async with receiver(200) as crm, engine(tmp_path, crm_of(crm.url, *CALL)) as made:
        made.day.talks(IVAN)
        told = list(made.day.entries)
        made.keep()
        await made.until(lambda: made.stats("crm").delivered == 3)
        made.day.entries = told
        made.day.talks(MARIA)
        made.keep()
        await made.until(lambda: made.stats("crm").delivered == 6)

        assert len({headers["webhook-id"] for headers, _ in crm.seen}) == len(crm.seen) == 6


async def test_deliveries_are_listed_and_what_is_dead_is_sent_again_with_its_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "GIVE_UP_AFTER", timedelta(0))
    now = datetime.now(UTC)
    async with receiver(500, 200) as crm:
        target = crm_of(crm.url, EventKind.CALL_ENDED)
        async with engine(tmp_path, target) as made:
            made.day.talks(IVAN)
            made.keep()
            await made.until(lambda: made.stats("crm").dead == 1)
            read, write = open_for_reading(made.database), open_for_writing(made.database)
            (tried,) = deliveries(read, DeliveryFilter(dead=True))
            assert (tried.status, tried.problem, tried.result) == (500, "status 500", "dead")
            assert replay(write, [tried.event_id], now) == 1
            await made.until(lambda: made.stats("crm").delivered == 1)
            assert [one.status for one in deliveries(read, DeliveryFilter())] == [200, 500]
            day = now - timedelta(days=1)
            assert replay_since(write, day, now, target="crm", dead_only=True) == 0
            assert replay_since(write, day, now, target="crm", dead_only=False) == 1
            await made.until(lambda: made.stats("crm").delivered == 2)
            read.dispose()
            write.dispose()

    assert len({headers["webhook-id"] for headers, _ in crm.seen}) == 1


def office_of(folder: Path, port: int) -> Target | MailTarget:
    file = folder / "targets.yaml"
    file.write_text(
        f"targets: {{office: {{smtp: '127.0.0.1:{port}', tls: none, from: a@example.org, "
        "to: b@example.org, events: [missed.opened]}}\n"
    )
    (made,) = read_targets(file, folder)
    return made


async def test_a_mail_waits_for_its_server_over_a_restart_and_comes_once(tmp_path: Path) -> None:
    async with post_office("451 later", "451 later", "250 OK") as office:
        target = office_of(tmp_path, office.port)
        async with engine(tmp_path, target) as made:
            made.day.missed(IVAN)
            made.keep()
            await made.until(lambda: made.stats("office").failed == 2)
        async with engine(tmp_path, target) as made:
            await made.until(lambda: made.stats("office").delivered == 1)
            await made.until(lambda: made.stats("office").waiting == 0)

    taken = [office.mail(at) for at in range(len(office.envelopes))]
    assert len({mail["Message-ID"] for mail in taken}) == 1
    assert taken[-1]["To"] == "b@example.org"
    assert IVAN in taken[-1]["Subject"]


async def test_a_mail_that_is_dead_is_sent_again_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "GIVE_UP_REFUSED_AFTER", timedelta(0))
    async with (
        post_office("552 no", "250 OK") as office,
        engine(tmp_path, office_of(tmp_path, office.port)) as made,
    ):
        made.day.missed(IVAN)
        made.keep()
        await made.until(lambda: made.stats("office").dead == 1)
        read, write = open_for_reading(made.database), open_for_writing(made.database)
        (tried,) = deliveries(read, DeliveryFilter(dead=True))
        assert (tried.status, tried.result) == (552, "dead")
        assert replay(write, [tried.event_id], datetime.now(UTC)) == 1
        await made.until(lambda: made.stats("office").delivered == 1)
        read.dispose()
        write.dispose()
    assert len(office.envelopes) == 2


async def test_a_target_that_is_gone_leaves_dead_letters(tmp_path: Path) -> None:
    async with receiver(500) as crm:
        async with engine(tmp_path, crm_of(crm.url, EventKind.CALL_ENDED)) as made:
            made.day.talks(IVAN)
            made.keep()
            await made.until(lambda: made.stats("crm").failed > 0)
        async with engine(tmp_path, crm_of(crm.url, *CALL, name="other")) as made:
            write = open_for_writing(made.database)
            await made.until(lambda: not outbox.waiting(write))
            write.dispose()
