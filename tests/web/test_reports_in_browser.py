"""Reports in a real browser: what is drawn can be pointed at, walked with keys, and clicked."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import FastAPI
from playwright.async_api import Browser

from pbx.funnel.book import note
from pbx.funnel.stages import StageEvent
from pbx.web.access import Role
from pbx.web.state import WebState
from tests.web.looking import SIZES, looking, overflow, served
from tests.web.seeded import seed
from tests.web.viewers import let_in, somebody

pytestmark = pytest.mark.browser

WHOLE = "since=2026-11-02&until=2026-11-08&by=manager&compare=1"


@pytest.fixture
async def site(state: WebState, app: FastAPI) -> AsyncIterator[str]:
    first = datetime(2026, 10, 25, 21, tzinfo=UTC)
    staff = {"petrova": "sales", "ivanov": "sales", "orlova": "accounting"}
    seed(state.write, staff, ("sales", "accounting"), first, 14, 40, random.Random(2))
    let_in(app, somebody(Role.ADMIN))
    async with served(app) as url:
        yield url


async def test_a_bar_tells_its_value_and_a_click_filters(site: str, chrome: Browser) -> None:
    async with looking(chrome, f"{site}/reports?{WHOLE}") as page:
        bar = page.locator("#bars .mark").first
        await bar.hover()
        assert "Период до" in (await page.locator("#plot-tip").inner_text())
        name = await page.locator("#plot-tip strong").inner_text()
        await bar.click()
        await page.wait_for_selector(".filter")
        assert name in (await page.locator(".filter").inner_text())
        await page.locator(".filter").click()
        await page.wait_for_selector(".filter", state="detached")
        assert parse_qs(urlsplit(page.url).query) == parse_qs(WHOLE)


async def test_plots_are_walked_with_keys(site: str, chrome: Browser) -> None:
    async with looking(chrome, f"{site}/reports?{WHOLE}") as page:
        await page.locator("#course .mark").first.focus()
        assert (await page.locator("#plot-tip strong").inner_text()).startswith("2")
        await page.keyboard.press("ArrowRight")
        assert (await page.locator("#plot-tip strong").inner_text()).startswith("3")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**since=2026-11-03&until=2026-11-03**")
        # A day is drawn by its hours.
        assert (await page.locator("#course .mark").count()) == 24


async def test_slices_filters_and_measures_are_chosen_by_hand(site: str, chrome: Browser) -> None:
    async with looking(chrome, f"{site}/reports?{WHOLE}") as page:
        await page.locator("select[name=by]").first.select_option("source")
        await page.wait_for_url("**by=source**")
        await page.locator("[data-picker=measures] summary").click()
        await page.get_by_label("Доля потерянных").check()
        await page.locator("[data-picker=measures] button[type=submit]").click()
        await page.wait_for_url("**lost_share**")
        await page.locator("#add-filter").click()
        await page.locator("#filter-slice").select_option("manager")
        await page.locator("#filter-search").fill("петр")
        await page.locator("#filter-labels a", has_text="Мария Петрова").click()
        await page.wait_for_url("**manager=petrova**")
        assert (await page.locator(".filter-label").inner_text()) == "Мария Петрова"
        await page.locator("thead a", has_text="Доля потерянных").click()
        await page.wait_for_url("**sort=-lost_share**")
        assert (await page.locator("th[aria-sort=descending]").count()) == 1


@pytest.mark.parametrize("size", SIZES)
async def test_nothing_is_wider_than_the_screen(site: str, chrome: Browser, size: str) -> None:
    async with looking(chrome, f"{site}/reports?{WHOLE}", size=size) as page:
        assert (await page.locator("#week .mark").count()) > 20
        assert await overflow(page) <= 0


@pytest.mark.parametrize("size", SIZES)
async def test_the_funnel_narrows_and_names_its_weak_link(
    site: str, state: WebState, chrome: Browser, size: str
) -> None:
    at = datetime(2026, 11, 3, 9, tzinfo=UTC)
    note(
        state.write,
        [
            StageEvent(f"{stage}{n}", stage, f"+7916{n:07}", at, agent="petrova")
            for stage, many in (("cold-call", 200), ("meeting", 22), ("need", 18))
            for n in range(many)
        ],
        at,
    )
    async with looking(
        chrome, f"{site}/funnel?since=2026-11-02&until=2026-11-08", size=size
    ) as page:
        bands = page.locator("table.funnel .band")
        wide = [await bands.nth(n).bounding_box() for n in range(3)]
        widths = [box["width"] for box in wide if box is not None]
        assert widths[0] > 5 * widths[1] > 5 * widths[2] > 0
        assert "81,8 %" in (await page.locator("table.funnel").inner_text()).replace("\u00a0", " ")
        assert (await page.locator("tr.weak .chip").inner_text()) == "слабое звено"
        assert await overflow(page) <= 0
        await page.locator("select[name=by]").select_option("manager")
        await page.wait_for_url("**by=manager**")
        await page.locator(".groups tbody a", has_text="Мария Петрова").click()
        await page.wait_for_url("**manager=petrova**")
