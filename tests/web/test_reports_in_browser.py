"""Reports in a real browser: what is drawn can be pointed at, walked with keys, and clicked."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import FastAPI
from playwright.sync_api import Browser

from pbx.funnel.book import note
from pbx.funnel.stages import StageEvent
from pbx.journal.database import open_for_writing
from pbx.settings import WebSettings
from pbx.web.access import Role
from pbx.web.app import build_app
from pbx.web.state import WebState
from tests.web.chromium import SIZES, chromium, overflow, quiet_page, served
from tests.web.seeded import seed
from tests.web.viewers import let_in, somebody

pytestmark = pytest.mark.browser

WHOLE = "since=2026-11-02&until=2026-11-08&by=manager&compare=1"


@pytest.fixture
def site(settings: WebSettings) -> Iterator[str]:
    log = open_for_writing(settings.database)
    first = datetime(2026, 10, 25, 21, tzinfo=UTC)
    staff = {"petrova": "sales", "ivanov": "sales", "orlova": "accounting"}
    seed(log, staff, ("sales", "accounting"), first, 14, 40, random.Random(2))
    log.dispose()

    def build() -> FastAPI:
        app = build_app(WebState(settings))
        let_in(app, somebody(Role.ADMIN))
        return app

    with served(build) as url:
        yield url


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def test_a_bar_tells_its_value_and_a_click_filters(site: str, browser: Browser) -> None:
    with quiet_page(browser) as page:
        page.goto(f"{site}/reports?{WHOLE}")
        bar = page.locator("#bars .mark").first
        bar.hover()
        assert "Период до" in page.locator("#plot-tip").inner_text()
        name = page.locator("#plot-tip strong").inner_text()
        bar.click()
        page.wait_for_selector(".filter")
        assert name in page.locator(".filter").inner_text()
        page.locator(".filter").click()
        page.wait_for_selector(".filter", state="detached")
        assert parse_qs(urlsplit(page.url).query) == parse_qs(WHOLE)


def test_plots_are_walked_with_keys(site: str, browser: Browser) -> None:
    with quiet_page(browser) as page:
        page.goto(f"{site}/reports?{WHOLE}")
        page.locator("#course .mark").first.focus()
        assert page.locator("#plot-tip strong").inner_text().startswith("2")
        page.keyboard.press("ArrowRight")
        assert page.locator("#plot-tip strong").inner_text().startswith("3")
        page.keyboard.press("Enter")
        page.wait_for_url("**since=2026-11-03&until=2026-11-03**")
        # A day is drawn by its hours.
        assert page.locator("#course .mark").count() == 24


def test_slices_filters_and_measures_are_chosen_by_hand(site: str, browser: Browser) -> None:
    with quiet_page(browser) as page:
        page.goto(f"{site}/reports?{WHOLE}")
        page.locator("select[name=by]").first.select_option("source")
        page.wait_for_url("**by=source**")
        page.locator("[data-picker=measures] summary").click()
        page.get_by_label("Доля потерянных").check()
        page.locator("[data-picker=measures] button[type=submit]").click()
        page.wait_for_url("**lost_share**")
        page.locator("#add-filter").click()
        page.locator("#filter-slice").select_option("manager")
        page.locator("#filter-search").fill("петр")
        page.locator("#filter-labels a", has_text="Мария Петрова").click()
        page.wait_for_url("**manager=petrova**")
        assert page.locator(".filter-label").inner_text() == "Мария Петрова"
        page.locator("thead a", has_text="Доля потерянных").click()
        page.wait_for_url("**sort=-lost_share**")
        assert page.locator("th[aria-sort=descending]").count() == 1


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_nothing_is_wider_than_the_screen(
    site: str, browser: Browser, width: int, height: int
) -> None:
    with quiet_page(browser, width=width, height=height) as page:
        page.goto(f"{site}/reports?{WHOLE}")
        assert page.locator("#week .mark").count() > 20
        assert overflow(page) <= 0


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_funnel_narrows_and_names_its_weak_link(
    site: str, settings: WebSettings, browser: Browser, width: int, height: int
) -> None:
    log = open_for_writing(settings.database)
    at = datetime(2026, 11, 3, 9, tzinfo=UTC)
    note(
        log,
        [
            StageEvent(f"{stage}{n}", stage, f"+7916{n:07}", at, agent="petrova")
            for stage, many in (("cold-call", 200), ("meeting", 22), ("need", 18))
            for n in range(many)
        ],
        at,
    )
    log.dispose()
    with quiet_page(browser, width=width, height=height) as page:
        page.goto(f"{site}/funnel?since=2026-11-02&until=2026-11-08")
        bands = page.locator("table.funnel .band")
        wide = [bands.nth(n).bounding_box() for n in range(3)]
        widths = [box["width"] for box in wide if box is not None]
        assert widths[0] > 5 * widths[1] > 5 * widths[2] > 0
        assert "81,8 %" in page.locator("table.funnel").inner_text().replace("\u00a0", " ")
        assert page.locator("tr.weak .chip").inner_text() == "слабое звено"
        assert overflow(page) <= 0
        page.locator("select[name=by]").select_option("manager")
        page.wait_for_url("**by=manager**")
        page.locator(".groups tbody a", has_text="Мария Петрова").click()
        page.wait_for_url("**manager=petrova**")
