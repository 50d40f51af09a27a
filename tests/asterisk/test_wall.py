"""A real call on the wall: ``pbx run`` with its page, a login, and Chromium."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Page, expect

from lab.asterisk import AsteriskLab
from lab.service import PbxProcess
from lab.sipp import Answer, Caller, Dialling, Phone
from pbx.journal.database import open_for_writing
from pbx.web.principal import Role
from tests.asterisk.running import DID
from tests.web.looking import chromium, looking
from tests.web.people import PASSWORD, make_user

pytestmark = [pytest.mark.asterisk, pytest.mark.browser, pytest.mark.timeout(120)]

CLIENT = "79161234567"
SOON_MS = 3_000
"""How soon the page must show what the switch knows, on a machine that does much else; what it
takes is measured by ``python -m bench.wall``."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def signed_in(page: Page, url: str, name: str = "maria") -> None:
    # The page is a process beside the engine, and may come up after it.
    async with asyncio.timeout(30), httpx.AsyncClient() as client:
        while True:
            with contextlib.suppress(httpx.ConnectError):
                await client.get(url + "healthz")
                break
            await asyncio.sleep(0.1)
    await page.goto(url)
    await page.locator('input[name="name"]').fill(name)
    await page.locator('input[name="password"]').fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator("#link")).to_have_text("На связи", timeout=30_000)


async def test_a_real_call_is_seen_in_menu_waiting_ringing_talking_and_gone(
    plan: Path, tmp_path: Path
) -> None:
    port = free_port()
    web = {"VORONKA_WEB": "on", "VORONKA_WEB_PORT": str(port)}
    async with (
        AsteriskLab(phones=["anna", "boris"]) as lab,
        PbxProcess(lab, plan, tmp_path / "state", settings=web) as pbx,
        Phone(lab, "anna", Answer(1500)) as anna,
        chromium() as browser,
        looking(browser, "about:blank") as page,
    ):
        log = open_for_writing(pbx.database)
        make_user(log, "maria", Role.SUPERVISOR, departments=("*",))
        log.dispose()
        await signed_in(page, f"http://127.0.0.1:{port}/")
        card = page.locator('[data-agent="anna"]')

        async def figure(name: str, value: str) -> None:
            shown = page.locator(f"#f-{name} .value")
            await expect(shown).to_have_text(value, timeout=SOON_MS)

        # Anna is sent into a pause on the page, so that the caller has to wait.
        await card.click()
        await page.locator("#reason").fill("Планёрка")
        await page.keyboard.press("Enter")
        await expect(card).to_contain_text("Пауза", timeout=SOON_MS)

        async with Caller(lab, Dialling(DID, from_number=CLIENT)) as caller:
            await caller.answered(10)
            await figure("menu", "1")
            row = page.locator("[data-call]")
            await expect(row).to_contain_text("+7 916 123-45-67")
            await expect(row).to_contain_text("В меню")

            await caller.press("1")
            await figure("waiting", "1")
            await expect(row).to_contain_text("Ждёт")
            await figure("menu", "0")

            await card.click()
            await page.get_by_role("button", name="Вернуть к работе").click()
            await anna.wait_for(lambda call: call.ringing_at is not None)
            await expect(card).to_contain_text("Звонит", timeout=SOON_MS)
            await figure("ringing", "1")

            await anna.wait_for(lambda call: call.answered_at is not None)
            await expect(card).to_contain_text("Говорит", timeout=SOON_MS)
            await figure("talking", "1")
            await expect(row).to_contain_text("Анна")

            caller.hang_up()
            await caller.ended()
            await expect(row).to_have_count(0, timeout=SOON_MS)
            await expect(card).to_contain_text("Свободен", timeout=SOON_MS)
            await figure("talking", "0")
        # The day's figures come from the log, once a second at most.
        await expect(page.locator("#f-answered .value")).to_have_text("1", timeout=10_000)
        await expect(page.locator("#f-level .value")).to_have_text("100\u00a0%")
        assert lab.log_errors() == []
