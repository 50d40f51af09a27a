"""What works by a script alone is not to be seen before its script: a press is never lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, Route, expect

from pbx.web.access import Role, signed_in
from pbx.web.state import WebState
from tests.web.application import application
from tests.web.looking import looking, served
from tests.web.morning import principal
from tests.web.test_calls_in_browser import recorded_talk

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

_DEAD = """() => {
  const seen = (one) => one.checkVisibility({ visibilityProperty: true });
  // A form that goes somewhere by itself; one of a dialog is only seen when a script has opened it.
  const sends = (form) => form && (form.hasAttribute("action") || form.method === "dialog");
  const works = {
    BUTTON: (one) =>
      one.hasAttribute("popovertarget") || (one.type === "submit" && sends(one.form)),
    INPUT: (one) => one.readOnly || sends(one.form),
    SELECT: (one) => sends(one.form),
    TEXTAREA: (one) => sends(one.form),
    FORM: sends,
  };
  return [...document.querySelectorAll("button, input, select, textarea, form, [role=slider]")]
    .filter((one) => seen(one) && !one.disabled && !(works[one.tagName] ?? (() => false))(one))
    .map((one) => one.outerHTML.slice(0, 160));
}"""


async def no_script(page: Page) -> None:
    async def refused(route: Route) -> None:
        await route.abort()

    await page.route("**/*.js", refused)


@pytest.fixture
async def url(shop: WebState) -> AsyncIterator[str]:
    app = application(shop)
    app.dependency_overrides[signed_in] = lambda: principal(shop, Role.ADMIN, agent="ivanov")
    async with served(app) as address:
        yield address


async def test_nothing_dead_is_shown_while_no_script_has_come(
    shop: WebState, url: str, chrome: Browser
) -> None:
    talk = recorded_talk(shop)
    async with looking(chrome, "about:blank") as page:
        await no_script(page)
        for path in (
            *("/", "/missed?state=all", "/my", "/calls", f"/calls/{talk.call_id}", "/reports"),
            *("/funnel", "/users", "/users/new", "/tokens", "/tokens/new", "/audit"),
        ):
            answer = await page.goto(f"{url}{path}")
            assert answer is not None
            assert answer.status == 200, path
            assert await page.evaluate(_DEAD) == [], path


@pytest.mark.parametrize("path", ["/my", "/"])
async def test_it_is_all_there_when_the_script_is(path: str, url: str, chrome: Browser) -> None:
    async with looking(chrome, f"{url}{path}") as page:
        await expect(page.locator(".scripted").first).to_be_visible()
        hidden = "document.querySelector('.scripted').checkVisibility({ visibilityProperty: true })"
        assert await page.evaluate(hidden) is True


async def test_a_choice_before_the_script_is_made_when_it_comes(url: str, chrome: Browser) -> None:
    async with looking(chrome, "about:blank") as page:
        come = asyncio.Event()

        async def late(route: Route) -> None:
            await come.wait()
            await route.continue_()

        await page.route("**/missed.js", late)
        await page.goto(f"{url}/missed", wait_until="commit")
        await page.locator('select[name="queue"]').select_option("sales")
        await expect(page.locator('select[name="queue"]')).to_have_value("sales")
        come.set()
        await page.wait_for_url("**/missed?queue=sales")
