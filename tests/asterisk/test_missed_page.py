"""A missed call worked off in Chromium: a real engine, a real Asterisk, and phones that ring."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import expect

from lab.asterisk import AsteriskLab
from lab.service import PbxProcess
from lab.sipp import Answer, Busy, Caller, Dialling, NoAnswer, Phone, TrunkPhones, in_turn
from pbx.journal.database import open_for_reading, open_for_writing
from pbx.recordings.names import file_of
from pbx.web.accounts.audit import AuditFilter, list_notes
from pbx.web.principal import Role
from tests.asterisk.running import logged, story_of
from tests.asterisk.test_callback import ANNA_HZ, CLIENT, CLIENT_HZ
from tests.asterisk.test_recording import pitch, sides
from tests.asterisk.test_wall import free_port, signed_in
from tests.web.looking import chromium, looking
from tests.web.people import make_user
from tests.world import DID

pytestmark = [pytest.mark.asterisk, pytest.mark.browser, pytest.mark.timeout(120)]

SOON_MS = 10_000
PLAN = f"""
settings:
  region: RU
  languages: [en]
  time_zone: UTC
  trunk: PJSIP/{{number}}@trunk
  outside: ["+7916"]
  outside_per_hour: 10
managers:
  anna: {{name: Анна, department: sales}}
queues:
  sales: {{members: anna, strategy: round-robin, ring_time: 15s, record: all}}
numbers:
  "{DID}": {{entry: {{queue: sales}}}}
"""


async def recording_of(pbx: PbxProcess, call_id: str) -> str:
    """Its path, when the file is there: a moment after the talk."""
    async with asyncio.timeout(20):
        while True:
            for one in story_of(pbx, call_id).recordings:
                if one.length_s is not None:
                    return one.path
            await asyncio.sleep(0.2)


async def test_a_manager_calls_back_from_the_page_and_the_task_closes_by_itself(
    tmp_path: Path,
) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN, encoding="utf-8")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    web = {"VORONKA_WEB": "on", "VORONKA_WEB_PORT": str(port)}
    talk = Answer(1500, talk_ms=4000)
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        PbxProcess(lab, plan, tmp_path / "state", settings=web) as pbx,
        Phone(lab, "anna", in_turn(NoAnswer(), Answer(1500)), tone_hz=ANNA_HZ) as anna,
        TrunkPhones(lab, {CLIENT: in_turn(Busy(500), talk)}, tone_hz=CLIENT_HZ) as outside,
        chromium() as browser,
        looking(browser, "about:blank") as own,
        looking(browser, "about:blank") as head,
    ):
        log = open_for_writing(pbx.database)
        make_user(log, "anna", Role.MANAGER, agent="anna")
        make_user(log, "maria", Role.SUPERVISOR, departments=("sales",))
        log.dispose()
        for page, name in ((own, "anna"), (head, "maria")):
            await signed_in(page, url + "/", name)
            await page.goto(url + "/missed")
            await expect(page.locator(".empty")).to_contain_text("Пропущенных нет")
        rows = [page.locator(f'[data-number="{CLIENT}"]') for page in (own, head)]

        async with Caller(lab, Dialling(DID[1:], from_number=CLIENT)) as caller:
            await anna.wait_for(lambda call: call.ringing_at is not None)
            # Who gives up while Asterisk answers is an error in its log; this one waits.
            await caller.answered()
            caller.hang_up()
            await caller.ended()
        for row in rows:  # nobody has loaded the page again
            await expect(row).to_be_visible(timeout=SOON_MS)

        # The supervisor has Anna call; the client is busy, so it is still to be done.
        button = head.locator("[data-do=call]")
        await button.click()
        await expect(head.locator("#manager option:checked")).to_have_text("Анна · Свободен")
        await head.locator("#choose").get_by_role("button", name="Позвонить").click()
        for row in rows:
            await expect(row.locator(".doing")).to_have_text("звонит у: Анна", timeout=SOON_MS)
        await logged(pbx, lambda calls: len(calls) == 2 and all(one.outcome for one in calls))
        for row in rows:
            await expect(row.locator(".doing")).to_have_text("", timeout=SOON_MS)
            await expect(row).to_be_visible()

        # Anna calls from her own page, and they talk.
        await own.locator("[data-do=call]").click()
        await expect(own.locator("#toasts")).to_contain_text("Звонит телефон менеджера")
        for doing in ("звонит у: Анна", "Анна: набираем клиента", "разговор: Анна"):
            await expect(rows[1].locator(".doing")).to_have_text(doing, timeout=SOON_MS)
        await expect(own.locator("[data-do=call]")).to_be_disabled()
        for page, row in zip((own, head), rows, strict=True):
            await expect(row).to_have_count(0, timeout=SOON_MS)
            await expect(page.locator(".empty")).to_contain_text("Пропущенных нет")
        calls = await logged(pbx, lambda calls: len(calls) == 3 and all(c.outcome for c in calls))
        await own.get_by_role("link", name="Закрытые").click()
        await expect(rows[0]).to_contain_text("Анна, ")

        first, second = outside.calls()
        assert (first.status, second.status) == (486, 200)
        ring, again = anna.calls()[-2:]
        for rung, called in ((ring, first), (again, second)):
            assert rung.answered_at is not None
            assert called.invite_at is not None
            assert rung.answered_at < called.invite_at, "the manager first"
        assert [(one.origin, one.outcome) for one in calls][-1] == ("click", "answered")
        said, heard = sides(file_of(lab.talks.host, await recording_of(pbx, calls[-1].call_id)))
        assert pitch(said) == pytest.approx(ANNA_HZ, rel=0.05)
        assert pitch(heard) == pytest.approx(CLIENT_HZ, rel=0.05)
        read = open_for_reading(pbx.database)
        notes = [one for one in list_notes(read, AuditFilter()) if one.action == "called"]
        read.dispose()
        assert [one.who for one in notes] == ["anna", "maria"]  # the newest first
        await lab.nothing_left()
        assert lab.log_errors() == []
