"""A manager's own page: whose it is, and what one does there."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from playwright.async_api import expect
from sqlalchemy import insert, update

from pbx.engine.clicks import ClickResult
from pbx.funnel.contact import passed_by, passed_with
from pbx.funnel.telling import stages_of
from pbx.journal.queries import CallFilter, list_calls
from pbx.journal.story import CallRow
from pbx.journal.tables import calls, missed
from pbx.settings import WebSettings
from pbx.web.access import Role, signed_in
from pbx.web.my_data import own_page
from pbx.web.names import stage_titles
from pbx.web.state import WebState
from pbx.web.texts import LANGUAGES, texts
from tests.web.application import application
from tests.web.house import house
from tests.web.looking import SIZES, chromium, looking, overflow, served
from tests.web.morning import BEGAN, principal, seen_by
from tests.web.people import noted, quick

ME = "ivanov"


@asynccontextmanager
async def me(state: WebState, agent: str = ME) -> AsyncIterator[httpx.AsyncClient]:
    async with seen_by(state, Role.MANAGER, agent=agent) as browser:
        yield browser


def talked(state: WebState, agent: str = ME) -> CallRow:
    """A call in which they talked with the client."""
    return next(
        one
        for one in list_calls(state.read, CallFilter(agent=agent))
        if any(leg.agent == agent and leg.joined_at for leg in one.legs)
    )


# Whose ---------------------------------------------------------------------------------------


async def test_a_manager_has_their_own_page_and_no_other(shop: WebState) -> None:
    async with me(shop) as browser:
        page = await browser.get("/my")
        assert page.status_code == 200
        assert "Иван Иванов" in page.text
        assert (await browser.get(f"/my?agent={ME}")).status_code == 200
        for path in ("/my?agent=petrova", "/my/parts?agent=petrova", "/my?agent=nobody"):
            assert (await browser.get(path)).status_code == 403
        for path, more in (
            ("/my/pause", {"reason": "x"}),
            ("/my/call", {"number": "+79161234567"}),
            ("/my/stage", {"call": talked(shop, "petrova").call_id, "stage": "meeting"}),
        ):
            answer = await browser.post(path, data={"agent": "petrova", **more})
            assert answer.status_code == 403


async def test_a_supervisor_opens_their_peoples_pages(shop: WebState) -> None:
    async with seen_by(shop, Role.SUPERVISOR, departments=("sales",)) as browser:
        choice = await browser.get("/my")
        assert "Иван Иванов" in choice.text
        assert "Анна Орлова" not in choice.text
        assert "Иван Иванов" in (await browser.get("/my?agent=ivanov")).text
        assert (await browser.get("/my?agent=orlova")).status_code == 404
    async with seen_by(shop, Role.MANAGER) as browser:
        assert (await browser.get("/my")).status_code == 404


async def test_the_bar_leads_a_manager_to_it_and_others_not(shop: WebState) -> None:
    async with me(shop) as browser:
        assert 'href="/my"' in (await browser.get("/calls")).text
    async with seen_by(shop, Role.ADMIN) as browser:
        assert 'href="/my"' not in (await browser.get("/calls")).text


# What is shown --------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_managers_page_can_be_read(shop: WebState, language: str) -> None:
    async with seen_by(shop, Role.ADMIN, language=language) as browser:
        for agent in shop.plan.routing.agents:
            answer = await browser.get(f"/my?agent={agent}")
            assert answer.status_code == 200
            shown = answer.text.partition("<main")[2].partition("<script")[0]
            # A text that is not there would be shown as its key.
            assert not re.search(r">(my|calls|funnel|live)\.[a-z_.]+<", shown)


async def test_figures_and_calls_are_their_own(shop: WebState) -> None:
    stages = stage_titles(shop.plan, texts("en"))
    assert set(stages_of(shop.plan)) <= stages.keys()
    page = own_page(shop, ME, [])
    legs = [
        leg
        for one in list_calls(shop.read, CallFilter())
        for leg in one.legs
        if leg.agent == ME and leg.kind == "device"
    ]

    assert page.day.talks == sum(leg.joined_at is not None for leg in legs)
    assert page.day.talk_s == pytest.approx(sum(leg.talk_s or 0.0 for leg in legs))
    assert {one.call.call_id for one in page.calls} == {leg.call_id for leg in legs}
    assert all(
        one.talked == any(leg.joined_at and leg.call_id == one.call.call_id for leg in legs)
        for one in page.calls
    )


# Stages --------------------------------------------------------------------------------------


async def test_a_stage_is_told_once_however_often_the_button_is_pressed(shop: WebState) -> None:
    call = talked(shop)
    form = {"agent": ME, "call": call.call_id, "stage": "meeting"}
    async with me(shop) as browser:
        first = (await browser.post("/my/stage", data=form)).json()
        again = (await browser.post("/my/stage", data=form)).json()
        page = (await browser.get("/my/parts")).text

    assert (first, again) == ({"ok": True, "new": 1}, {"ok": True, "new": 0})
    (passed,) = passed_by(shop.read, call.number)
    assert (passed.stage, passed.agent, passed.call_id, passed.via) == (
        "meeting",
        ME,
        call.call_id,
        "manager",
    )
    assert passed_with(shop.read, ME, BEGAN) == {"meeting": 1}
    pressed = re.findall(r'data-stage="([^"]+)" aria-pressed="true"', page)
    assert pressed == ["meeting"]


async def test_a_stage_is_told_only_of_ones_own_talks(shop: WebState) -> None:
    theirs = next(
        one
        for one in list_calls(shop.read, CallFilter())
        if not any(leg.agent == ME and leg.joined_at for leg in one.legs)
    )
    hidden = talked(shop)
    with shop.write.begin() as connection:
        connection.execute(update(calls).where(calls.c.call_id == hidden.call_id).values(number=""))
    async with me(shop) as browser:
        for call, stage, status in (
            (theirs.call_id, "meeting", 404),
            ("nothing", "meeting", 404),
            (hidden.call_id, "meeting", 409),
            (hidden.call_id, "no-such-stage", 409),
        ):
            form = {"agent": ME, "call": call, "stage": stage}
            assert (await browser.post("/my/stage", data=form)).status_code == status

    assert passed_with(shop.read, ME, BEGAN) == {}


# The engine ----------------------------------------------------------------------------------


async def test_pause_resume_and_call_reach_the_engine(shop: WebState) -> None:
    async with house(shop) as running, me(shop) as browser:
        paused = await browser.post("/my/pause", data={"agent": ME, "reason": " обед "})
        assert paused.json()["state"] == "paused"
        refused = (await browser.post("/my/call", data={"agent": ME, "number": "1"})).json()
        assert (refused["ok"], refused["words"]) == (False, "You are paused")
        back = await browser.post("/my/pause", data={"agent": ME, "resume": "true"})
        assert back.json()["state"] == "free"
        assert (await browser.post("/my/pause", data={"agent": ME})).status_code == 409
        await running.written()
    # What the engine has refused has not been done; who was to be called is known all the same.
    # (The shop's clock stands still, so that lines have no order.)
    assert sorted(noted(shop.read, "paused", "unpaused", "called"), key=lambda one: one[0]) == [
        ("called", "1", {"manager": ME}),
        ("paused", ME, {"reason": "обед"}),
        ("unpaused", ME, {}),
    ]


async def test_without_an_engine_it_is_said_and_the_page_is_there(shop: WebState) -> None:
    async with me(shop) as browser:
        assert (await browser.get("/my")).status_code == 200
        answer = await browser.post("/my/pause", data={"agent": ME, "reason": "x"})
        assert answer.status_code == 409
        called = (await browser.post("/my/call", data={"agent": ME, "number": "1"})).json()
        assert called == {"ok": False, "words": "The PBX does not answer"}


def test_everything_that_becomes_of_a_click_has_words() -> None:
    for language in LANGUAGES:
        for result in ClickResult:
            assert f"my.click.{result}" in texts(language).all


# In a browser ----------------------------------------------------------------------------------


@pytest.mark.browser
async def test_the_page_follows_the_engine_without_being_loaded_again(
    settings: WebSettings, morning_log: Path, tmp_path: Path
) -> None:
    shutil.copy(morning_log, tmp_path / "voronka.db")
    state = WebState(settings, passwords=quick())
    app = application(state)
    app.dependency_overrides[signed_in] = lambda: principal(state, Role.MANAGER, agent=ME)
    async with (
        state.running(),
        house(state) as running,
        served(app) as url,
        chromium() as browser,
        looking(browser, f"{url}/my", locale="en-GB") as page,
    ):
        await expect(page.locator("#state")).to_have_text("Free")
        await page.get_by_role("button", name="Pause").click()
        await page.get_by_role("button", name="Lunch").click()
        await expect(page.locator("#state")).to_have_text("Paused")
        await expect(page.locator("#reason")).to_have_text("reason: Lunch")
        await page.get_by_role("button", name="Back to work").click()
        await expect(page.locator("#state")).to_have_text("Free")
        await expect(page.locator(".toast").last).to_contain_text("At work again")

        # What is in the log is shown as soon as something of theirs has happened.
        await expect(page.locator(".tasks .task")).to_have_count(0)
        at = state.now()
        opened = {"task_id": "m-1", "number": "+79169998877", "name": "Нина", "did": "", "calls": 1}
        times = {"opened_at": at, "first_at": at, "last_at": at, "last_call": "m-1"}
        with state.write.begin() as connection:
            connection.execute(
                insert(missed), {**opened, **times, "agent": ME, "outcome": "abandoned_waiting"}
            )
        await page.get_by_role("button", name="Pause").click()
        await page.get_by_label("Another reason").fill("dentist")
        await page.keyboard.press("Enter")
        await expect(page.locator("#reason")).to_have_text("reason: dentist")
        await expect(page.locator(".tasks .task strong")).to_have_text("+7 916 999-88-77")
        await page.get_by_role("button", name="Call back +7 916 999-88-77").click()
        await expect(page.locator(".toast").last).to_have_text("You are paused")
        await running.written()


@pytest.mark.browser
async def test_a_button_says_what_came_of_a_call(shop: WebState) -> None:
    app = application(shop)
    app.dependency_overrides[signed_in] = lambda: principal(shop, Role.MANAGER, agent=ME)
    async with (
        served(app) as url,
        chromium() as browser,
        looking(browser, f"{url}/my", locale="en-GB") as page,
    ):
        one = page.locator(".own-call", has=page.locator(".stages")).first
        await one.get_by_role("button", name="Invoice").click()
        await expect(one.get_by_role("button", name="Invoice")).to_be_disabled()
        await expect(page.locator(".toast")).to_contain_text("Noted: Invoice")
        await expect(
            page.locator(".small-funnel li", has_text="Invoice").locator("b")
        ).to_have_text("1")
        await page.reload()
        pressed = page.locator(".stage[aria-pressed='true']")
        await expect(pressed).to_have_text("Invoice")


@pytest.mark.browser
@pytest.mark.parametrize("size", sorted(SIZES))
async def test_nothing_is_wider_than_the_screen(shop: WebState, size: str) -> None:
    app = application(shop)
    app.dependency_overrides[signed_in] = lambda: principal(shop, Role.ADMIN)
    async with served(app) as url, chromium() as browser:
        for path in ("/my", f"/my?agent={ME}"):
            async with looking(browser, f"{url}{path}", size=size) as page:
                assert await overflow(page) <= 0
