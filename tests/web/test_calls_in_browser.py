"""Calls, a call and its recording in a real Chromium."""

from __future__ import annotations

import re
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import numpy as np
import pytest
from playwright.async_api import Page, expect
from sqlalchemy import insert, update

from pbx.journal.queries import CallFilter, list_calls
from pbx.journal.story import LegRow
from pbx.journal.tables import calls, missed, recordings
from pbx.web.access import Role, signed_in
from pbx.web.accounts.audit import AuditFilter, list_notes
from pbx.web.state import WebState
from tests.web.application import application
from tests.web.looking import SIZES, chromium, looking, overflow, served
from tests.web.morning import principal

pytestmark = [pytest.mark.browser]

LENGTH_S = 60


@asynccontextmanager
async def shown(
    state: WebState, path: str, *, size: str = "desk", locale: str = "en-GB"
) -> AsyncIterator[Page]:
    """A page as an administrator sees it."""
    app = application(state)
    app.dependency_overrides[signed_in] = lambda: principal(state, Role.ADMIN)
    async with (
        served(app) as url,
        chromium() as browser,
        looking(browser, f"{url}{path}", size=size, locale=locale) as page,
    ):
        yield page


def recorded_talk(state: WebState) -> LegRow:
    """A minute in which first the client speaks, then the manager."""
    leg = next(
        leg
        for call in list_calls(state.read, CallFilter())
        for leg in call.legs
        if leg.agent == "kuznetsova" and leg.joined_at is not None
    )
    day = f"{leg.started_at:%Y-%m-%d}"
    path = f"{day}/{day}-{leg.leg_id}.wav"
    file = state.settings.recordings / path
    file.parent.mkdir(parents=True)
    half = LENGTH_S * 8000 // 2
    tone = (9000 * np.sin(np.arange(half) / 5)).astype("<i2")
    quiet = np.zeros(half, "<i2")
    sides = [np.concatenate([quiet, tone]), np.concatenate([tone, quiet])]
    with wave.open(str(file), "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(np.column_stack(sides).tobytes())
    values = {"leg_id": leg.leg_id, "call_id": leg.call_id, "path": path, "length_s": LENGTH_S}
    times = {"started_at": leg.joined_at, "keep_until": leg.started_at + timedelta(days=90)}
    with state.write.begin() as connection:
        connection.execute(insert(recordings), {**values, **times})
    return leg


def not_called_back(state: WebState) -> str:
    """A call that was lost, and is to be called back; its id."""
    lost = list_calls(state.read, CallFilter(outcome="abandoned_waiting", limit=1))[0]
    at = lost.ended_at
    values = {
        **{"task_id": lost.call_id, "number": lost.number, "name": lost.name, "did": lost.did},
        **{"queue": lost.queue, "opened_at": at, "first_at": at, "last_at": at, "calls": 1},
        **{"last_call": lost.call_id, "outcome": lost.outcome},
    }
    with state.write.begin() as connection:
        connection.execute(insert(missed), values)
    return lost.call_id


async def test_a_filter_narrows_the_list_and_stands_in_the_address(shop: WebState) -> None:
    async with shown(shop, "/calls") as page:
        await expect(page.locator("tr.call")).to_have_count(18)
        await page.get_by_label("Outcome").select_option("abandoned_in_menu")
        await expect(page.locator("tr.call")).to_have_count(1)
        assert page.url.endswith("/calls?outcome=abandoned_in_menu")
        await page.get_by_role("link", name="Remove filter: Left in menu").click()
        await expect(page.locator("tr.call")).to_have_count(18)
        await page.keyboard.press("/")
        await page.keyboard.type("22-03")
        await page.keyboard.press("Enter")
        await expect(page.locator("tr.call")).to_have_count(1)
        assert page.url.endswith("/calls?number=22-03")
        await page.locator("h1").click()
        await page.keyboard.press("j")
        await page.keyboard.press("Enter")
        await expect(page.locator("h1")).to_have_text("+7 903 111-22-03")


async def test_a_bar_tells_what_it_is_to_the_mouse_and_to_the_keyboard(shop: WebState) -> None:
    call_id = recorded_talk(shop).call_id
    async with shown(shop, f"/calls/{call_id}") as page:
        talk = page.locator("svg.part.talk").last
        await talk.hover()
        tip = page.locator(".tip")
        await expect(tip).to_contain_text("Ольга Кузнецова. Talk: 0:")
        assert await page.locator(".story li.lit").count() > 0
        await page.locator("h1").hover()
        await expect(tip).to_be_hidden()
        await page.locator("svg.part[tabindex='0']").focus()
        await expect(tip).to_contain_text("Client. Menu")
        await page.keyboard.press("End")
        await expect(tip).to_contain_text("Ольга Кузнецова")
        await page.keyboard.press("Escape")
        await expect(tip).to_be_hidden()


# Looked at in the page: who asks from outside now and then may miss a second.
FROM_TWO_TO_EIGHT = """() => new Promise((resolve) => {
  const shown = document.querySelector("[data-player] .clock b");
  let began = 0;
  const look = setInterval(() => {
    const s = Number(shown.textContent.split(":")[1]);
    if (!began && s >= 2) began = performance.now() - (s - 2) * 500;
    if (s < 8) return;
    clearInterval(look);
    resolve(performance.now() - began);
  }, 20);
})"""


async def test_a_recording_is_played_sought_and_sped_up_and_written_down_once(
    shop: WebState,
) -> None:
    leg = recorded_talk(shop)
    async with shown(shop, f"/calls/{leg.call_id}") as page:
        box = page.locator("[data-player]")
        await expect(box).to_have_attribute("data-drawn", "2")
        assert list_notes(shop.read, AuditFilter()) == []
        at = box.locator(".drawing")

        await box.get_by_role("button", name="Listen").click()
        await expect(box.get_by_role("button", name="Pause")).to_be_visible()
        await expect(box.locator(".clock b")).to_have_text("0:01", timeout=5_000)

        place = await at.bounding_box()
        assert place is not None
        await at.click(position={"x": place["width"] * 0.75, "y": 20})
        await expect(box.locator(".clock b")).to_have_text(re.compile(r"0:4[5-8]"))

        await at.focus()
        await page.keyboard.press("ArrowLeft")
        await page.keyboard.press("ArrowLeft")
        await expect(box.locator(".clock b")).to_have_text(re.compile(r"0:3[5-9]"))
        await page.keyboard.press(" ")
        await expect(box.get_by_role("button", name="Listen")).to_be_visible()
        await page.keyboard.press("Home")
        await expect(at).to_have_attribute("aria-valuenow", "0")

        await box.get_by_role("button", name="2×").click()
        await box.get_by_role("button", name="Listen").click()
        took_ms = await page.evaluate(FROM_TWO_TO_EIGHT)
        assert took_ms < 0.75 * 6_000, "six seconds of the talk, by the page's own clock"

    notes = list_notes(shop.read, AuditFilter())
    assert [(one.action, one.subject) for one in notes] == [("listened", f"recording {leg.leg_id}")]


async def test_both_sides_are_drawn_apart(shop: WebState) -> None:
    """The client speaks in the first half and is above; the manager in the second, below."""
    leg = recorded_talk(shop)
    async with shown(shop, f"/calls/{leg.call_id}") as page:
        await expect(page.locator("[data-player]")).to_have_attribute("data-drawn", "2")
        inked = await page.evaluate(
            """() => {
              const canvas = document.querySelector("[data-player] canvas");
              const pen = canvas.getContext("2d");
              const [w, h] = [canvas.width, canvas.height];
              // Read once: Chromium complains of who reads a canvas again and again.
              const {data} = pen.getImageData(0, 0, w, h);
              const count = (left, top) => {
                let [n, all] = [0, 0];
                for (let y = Math.ceil(top); y < top + h / 2 - 4; y += 1) {
                  for (let x = Math.ceil(left); x < left + w / 2 - 4; x += 1) {
                    n += data[4 * (y * w + x) + 3] > 0;
                    all += 1;
                  }
                }
                return n / all;
              };
              return [[4, 2], [w / 2 + 4, 2], [4, h / 2 + 2], [w / 2 + 4, h / 2 + 2]]
                .map(([x, y]) => count(Math.floor(x), Math.floor(y)));
            }"""
        )

    client_first, client_then, manager_first, manager_then = inked
    assert client_first > 0.4
    assert manager_then > 0.4
    assert client_then < 0.1
    assert manager_first < 0.1


async def test_a_file_that_has_gone_meanwhile_is_said(shop: WebState) -> None:
    leg = recorded_talk(shop)
    async with shown(shop, f"/calls/{leg.call_id}") as page:
        for file in shop.settings.recordings.rglob("*.wav"):
            file.unlink()
        await page.get_by_role("button", name="Listen").click()
        await expect(page.locator(".fault")).to_contain_text("can't be played")
        await page.reload()
        await expect(page.locator(".note")).to_contain_text("not in the folder")


@pytest.mark.parametrize("size", sorted(SIZES))
async def test_a_manager_with_a_long_name_hides_no_column(shop: WebState, size: str) -> None:
    name = "Преображенская-Воскресенская Аполлинария Вениаминовна-Аполлинариевна"
    with shop.write.begin() as connection:
        # Whom the plan does not know is shown by their key.
        connection.execute(update(calls).values(agent=name, queue=name))
    async with shown(shop, "/calls", size=size, locale="ru-RU") as page:
        assert await overflow(page) <= 0
        last = page.locator("tr.call .talk").first
        await expect(last).to_be_in_viewport(ratio=1)
        cut = """[...document.querySelectorAll('.list')]
            .some((one) => one.scrollWidth > one.clientWidth)"""
        assert not await page.evaluate(cut)


@pytest.mark.parametrize("size", sorted(SIZES))
async def test_nothing_is_wider_than_the_screen(shop: WebState, size: str) -> None:
    leg = recorded_talk(shop)
    lost = not_called_back(shop)
    async with shown(shop, "/calls", size=size, locale="ru-RU") as page:
        for path in (
            "/calls",
            f"/calls/{leg.call_id}",
            f"/calls/{leg.call_id}?view=lead",
            f"/calls/{lost}",
        ):
            await page.goto(page.url.split("/calls")[0] + path)
            assert await overflow(page) <= 0
            # What a card cuts off would be wider, too.
            cut = """[...document.querySelectorAll('.card')].some(
                (one) => one.scrollWidth > one.clientWidth + 1)"""
            assert not await page.evaluate(cut)
