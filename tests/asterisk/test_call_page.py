"""A real call, recorded: then its page is opened in Chromium, and plays it."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import expect

from lab.asterisk import AsteriskLab
from lab.service import PbxProcess
from lab.sipp import Answer, Caller, Dialling, Phone
from pbx.journal.database import open_for_reading, open_for_writing
from pbx.web.accounts.audit import AuditFilter, list_notes
from pbx.web.principal import Role
from tests.asterisk.running import PLAN, QUEUE, calls_of, logged
from tests.asterisk.test_wall import free_port, signed_in
from tests.web.looking import chromium, looking
from tests.web.people import make_user

pytestmark = [pytest.mark.asterisk, pytest.mark.browser, pytest.mark.timeout(120)]

CLIENT = "79161234567"
RECORDED = PLAN.replace(
    "    strategy: round-robin\n", "    strategy: round-robin\n    record: all\n"
)


async def test_a_recorded_call_is_told_and_played_on_its_page(
    tmp_path: Path,
) -> None:
    port = free_port()
    on = {"VORONKA_WEB": "on", "VORONKA_WEB_PORT": str(port)}
    plan = tmp_path / "plan.yaml"
    plan.write_text(RECORDED, encoding="utf-8")
    async with (
        AsteriskLab(phones=["anna", "boris"]) as lab,
        PbxProcess(lab, plan, tmp_path / "state", settings=on) as pbx,
        Phone(lab, "anna", Answer(800, talk_ms=4000), tone_hz=500),
        chromium() as browser,
        looking(browser, "about:blank") as page,
    ):
        log = open_for_writing(pbx.database)
        make_user(log, "maria", Role.SUPERVISOR, departments=("*",))
        log.dispose()
        await signed_in(page, f"http://127.0.0.1:{port}/")
        await Caller(lab, Dialling(QUEUE, from_number=CLIENT, tone_hz=200)).run(30)
        await logged(pbx, lambda calls: bool(calls) and calls[-1].outcome == "answered")

        await page.goto(f"http://127.0.0.1:{port}/calls")
        await page.locator("tr.call a").first.click()
        await expect(page.locator("h1")).to_have_text("+7 916 123-45-67")
        await expect(page.locator(".story")).to_contain_text("Анна: ответ, разговор начался")
        await expect(page.locator("svg.part.talk").first).to_have_attribute(
            "aria-label", "Клиент. Разговор · Анна: 0:04, с 0:01 по 0:05"
        )
        # The file is made a moment after the talk.
        player = page.locator("[data-player]")
        for _ in range(20):
            if await player.count():
                break
            await page.wait_for_timeout(500)
            await page.reload()
        await expect(player).to_have_attribute("data-drawn", "2")
        await player.get_by_role("button", name="Слушать").click()
        await expect(player.locator(".clock b")).to_have_text("0:02", timeout=8_000)
        await expect(player.locator(".clock b")).to_have_text("0:04", timeout=8_000)
        await expect(player.get_by_role("button", name="Слушать")).to_be_visible()

        (call,) = calls_of(pbx)
        read = open_for_reading(pbx.database)
        heard = [one for one in list_notes(read, AuditFilter()) if one.action == "listened"]
        read.dispose()
        assert [(one.who, one.details) for one in heard] == [("maria", {"call_id": call.call_id})]
        assert lab.log_errors() == []
