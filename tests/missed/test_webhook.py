"""The webhook against real receivers on loopback: one that takes all, and worse ones."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp.resolver import DefaultResolver

from pbx.journal.database import open_for_reading, open_for_writing
from pbx.journal.port import Stamped
from pbx.journal.writer import SqlJournal
from pbx.missed import outbox, service
from pbx.missed.book import MissedBook, close_by_hand
from pbx.missed.outbox import Message
from pbx.missed.service import MissedService
from pbx.missed.target import Target
from pbx.missed.webhook import NotDelivered, Webhook
from tests.missed.day import BEGAN, IVAN, MARIA, RULE, Day
from tests.missed.receiver import receiver

SECRET = b"k" * 24
MESSAGE = Message("msg_1", BEGAN, '{"type":"missed.opened"}', 0)


async def test_a_message_is_signed_so_that_the_receiver_can_check_it() -> None:
    async with receiver(204) as crm, Webhook(Target(crm.url, SECRET)) as webhook:
        await webhook.post(MESSAGE)

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
            await webhook.post(MESSAGE)

        assert raised.value.refused is refused
        assert len(crm.seen) == 1, "no redirect is followed"


async def test_a_receiver_that_is_away_is_not_delivered_to() -> None:
    async with receiver(200) as crm:
        pass
    async with Webhook(Target(crm.url, SECRET)) as webhook:
        with pytest.raises(NotDelivered):
            await webhook.post(MESSAGE)


async def test_a_name_that_leads_to_metadata_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(self: object, host: str, port: int = 0, family: int = 0) -> list[object]:
        meta = {"hostname": host, "host": "169.254.169.254", "port": port}
        return [meta | {"family": family, "proto": 0, "flags": 0}]

    monkeypatch.setattr(DefaultResolver, "resolve", resolve)
    async with Webhook(Target("http://crm.test/", SECRET), answer_s=5.0) as webhook:
        with pytest.raises(NotDelivered, match="ClientConnector"):
            await webhook.post(MESSAGE)


class Engine:
    """A log with the service beside it, as ``pbx run`` has them."""

    def __init__(self, folder: Path, url: str | None) -> None:
        self.database = f"sqlite:///{folder / 'log.db'}"
        self.day = Day()
        self._began = datetime.now(UTC) - timedelta(hours=1)
        book = MissedBook(RULE, tell=url is not None)
        self.log = SqlJournal(self.database, spool=folder / "spool.jsonl", followers=[book])
        self.log.start()
        self.service = MissedService(
            book,
            read=open_for_reading(self.database),
            write=open_for_writing(self.database),
            target=Target(url, SECRET) if url is not None else None,
            utc_now=lambda: datetime.now(UTC),
        )

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
async def engine(folder: Path, url: str | None) -> AsyncIterator[Engine]:
    made = Engine(folder, url)
    made.service.start()
    try:
        yield made
    finally:
        await made.service.stop()
        made.log.close(10.0)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(outbox, "RETRY_FIRST", timedelta(milliseconds=20))


async def test_open_and_closed_are_told_in_order(tmp_path: Path) -> None:
    async with receiver(200) as crm, engine(tmp_path, crm.url) as made:
        made.day.missed(IVAN)
        made.day.missed(MARIA)
        made.keep()
        await made.until(lambda: made.service.stats.delivered == 2)
        await made.until(lambda: made.service.open_tasks().get("sales", (0, 0.0))[0] == 2)
        made.day.talks(IVAN)
        made.keep()
        await made.until(lambda: made.service.stats.delivered == 3)
        await made.until(lambda: made.service.stats.waiting == 0)

        assert crm.told == [
            ("missed.opened", IVAN),
            ("missed.opened", MARIA),
            ("missed.closed", IVAN),
        ]
        assert json.loads(crm.seen[-1][1])["data"]["class"] == "got_through"


async def test_what_fails_is_sent_again_the_same_and_later_ones_wait(tmp_path: Path) -> None:
    async with receiver(500, 503, 500, 200) as crm:
        async with engine(tmp_path, crm.url) as made:
            made.day.missed(IVAN)
            made.day.calls_back(IVAN)
            made.keep()
            await made.until(lambda: made.service.stats.attempts_failed == 2)
        # The engine goes and comes back.
        async with engine(tmp_path, crm.url) as made:
            await made.until(lambda: made.service.stats.delivered == 2)

    opened = [body for headers, body in crm.seen if b"missed.opened" in body]
    ids = {headers["webhook-id"] for headers, body in crm.seen if b"missed.opened" in body}
    assert len(opened) >= 3
    assert len(set(opened)) == len(ids) == 1
    assert crm.told[-1] == ("missed.closed", IVAN)
    assert crm.told[:-1] == [("missed.opened", IVAN)] * (len(crm.seen) - 1)


async def test_a_message_that_is_refused_holds_up_no_other(tmp_path: Path) -> None:
    async with receiver(400, 200) as crm, engine(tmp_path, crm.url) as made:
        made.day.missed(IVAN)
        made.day.missed(MARIA)
        made.keep()
        await made.until(lambda: made.service.stats.delivered == 2)

        assert [number for _, number in crm.told] == [IVAN, MARIA, IVAN]


async def test_a_message_nobody_wants_is_given_up_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "GIVE_UP_AFTER", timedelta(0))
    async with receiver(500) as crm, engine(tmp_path, crm.url) as made:
        made.day.missed(IVAN)
        made.keep()
        await made.until(lambda: made.service.stats.given_up == 1)
        await made.until(lambda: made.service.stats.waiting == 0)


async def test_an_engine_without_a_webhook_drops_what_the_command_line_leaves(
    tmp_path: Path,
) -> None:
    async with engine(tmp_path, None) as made:
        call_id = made.day.missed(IVAN)
        made.keep()
        await made.until(lambda: bool(made.service.open_tasks()))
        write = open_for_writing(made.database)
        close_by_hand(write, call_id, at=BEGAN, by="ops", reason="by mail")
        await made.until(lambda: not made.service.open_tasks())
        await made.until(lambda: not outbox.waiting(write))
        write.dispose()
