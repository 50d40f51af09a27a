"""The login in a real Chromium, against the page as a process."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.async_api import Browser, Route, expect

from pbx.journal.database import open_for_writing
from pbx.settings import WebSettings
from pbx.web.principal import Role
from tests.web.looking import looking
from tests.web.people import PASSWORD, make_user

pytestmark = pytest.mark.browser


@pytest.fixture
def base(settings: WebSettings) -> Iterator[str]:
    """Where the page answers; an admin ``root`` and a manager ``ivanov`` are there."""
    engine = open_for_writing(settings.database)
    make_user(engine, "root")
    make_user(engine, "ivanov", Role.MANAGER, agent="ivanov")
    engine.dispose()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = {
        **os.environ,
        "VORONKA_STATE_DIR": str(settings.state_dir),
        "VORONKA_PLAN": str(settings.plan),
        "VORONKA_WEB_PORT": str(port),
        "VORONKA_WEB_METRICS_PORT": "0",
    }
    with subprocess.Popen(
        (sys.executable, "-m", "pbx.web"), env=env, stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as page:
        assert page.stderr is not None
        assert page.stdin is not None
        assert b"web_started" in page.stderr.readline()
        yield f"http://127.0.0.1:{port}"
        page.stdin.close()
        page.wait(30)


async def slowly(route: Route) -> None:
    """As by a slow line."""
    await asyncio.sleep(0.5)
    await route.continue_()


async def test_coming_in_and_going_out_by_keyboard(base: str, chrome: Browser) -> None:
    async with looking(chrome, "about:blank") as page:
        await page.goto(f"{base}/audit?who=root")
        await expect(page.locator("#name")).to_be_focused()
        await page.keyboard.type("root")
        await page.keyboard.press("Tab")
        await page.keyboard.type("wrong")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_have_text("Имя или пароль не подходит.")
        await page.wait_for_load_state()
        # The name stays, and the password is what comes next.
        await expect(page.locator("#password")).to_be_focused()
        await page.keyboard.type(PASSWORD)
        await expect(page.locator("#password")).to_have_value(PASSWORD)
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"{base}/audit?who=root")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Журнал действий")
        assert "Неудачный вход" in await page.content()

        await page.get_by_role("button", name="Моя учётная запись, язык и оформление").click()
        await page.get_by_role("button", name="Выйти").click()
        await page.wait_for_url(f"{base}/login")
        await page.goto(f"{base}/audit")
        await page.wait_for_url(f"{base}/login?next=%2Faudit")


async def test_a_link_from_another_site_finds_who_is_signed_in(base: str, chrome: Browser) -> None:
    async with looking(chrome, "about:blank") as page:
        await page.goto(f"{base}/login")
        await page.fill("#name", "root")
        await page.fill("#password", PASSWORD)
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"{base}/")
        # Another host is another site: its links come without our SameSite=Strict cookie.
        await page.route(
            "http://crm.example/",
            lambda route: route.fulfill(
                content_type="text/html", body=f'<a href="{base}/users">to the PBX</a>'
            ),
        )
        await page.goto("http://crm.example/")
        await page.get_by_role("link").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Пользователи")


async def test_a_user_and_a_token_are_made_and_the_user_comes_in(
    base: str, chrome: Browser
) -> None:
    async with looking(chrome, "about:blank") as page:
        await page.goto(f"{base}/login?next=/users/new")
        await page.fill("#name", "root")
        await page.fill("#password", PASSWORD)
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"{base}/users/new")
        await page.fill("#name", "maria")
        # Departments are a supervisor's question.
        await expect(page.get_by_label("support")).to_be_hidden()
        await page.get_by_label("Руководитель").check()
        await page.get_by_label("support").check()
        password = await page.input_value("#password")
        await page.get_by_role("button", name="Завести").click()
        await page.wait_for_url(f"{base}/users?done=added")
        await expect(page.get_by_role("row", name="maria")).to_contain_text("support")

        await page.goto(f"{base}/tokens/new")
        await page.fill("#name", "CRM")
        await page.get_by_label("calls:read").check()
        # A slow line: the script of a page comes after the page, and a press must not get lost.
        await page.route("**/tokens*.js*", slowly)
        await page.get_by_role("button", name="Создать токен").click()
        secret = await page.input_value("#secret")
        assert secret.startswith("vrk_")
        await page.get_by_role("button", name="Копировать").click()
        await expect(page.get_by_role("button", name="Скопировано")).to_be_visible()
        await page.unroute_all()
        await page.get_by_role("link", name="Токен сохранён").click()
        await page.get_by_role("button", name="Отозвать").click()
        await page.get_by_role("dialog").get_by_role("button", name="Отозвать").click()
        await page.wait_for_url(f"{base}/tokens?done=revoked")
        await expect(page.get_by_text("Отозван", exact=True)).to_be_visible()

        await page.context.clear_cookies()
        await page.goto(f"{base}/login")
        await page.fill("#name", "maria")
        await page.fill("#password", password)
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"{base}/")
        await expect(page.get_by_role("link", name="Пользователи")).to_have_count(0)
