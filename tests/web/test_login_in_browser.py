"""The login in a real Chromium, against the page as a process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import sleep

import pytest
from playwright.sync_api import Page, Route, expect, sync_playwright

from pbx.journal.database import open_for_writing
from pbx.settings import WebSettings
from pbx.web.principal import Role
from tests.web.chromium import CHROMIUM
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


@contextmanager
def chromium() -> Iterator[tuple[Page, list[str]]]:
    """A page in Russian, and what it complained of."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(locale="ru-RU").new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        yield page, said
        browser.close()


def slowly(route: Route) -> None:
    """As by a slow line."""
    sleep(0.5)
    route.continue_()


def test_coming_in_and_going_out_by_keyboard(base: str) -> None:
    with chromium() as (page, said):
        page.goto(f"{base}/audit?who=root")
        expect(page.locator("#name")).to_be_focused()
        page.keyboard.type("root")
        page.keyboard.press("Tab")
        page.keyboard.type("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("Имя или пароль не подходит.")
        page.wait_for_load_state()
        # The name stays, and the password is what comes next.
        expect(page.locator("#password")).to_be_focused()
        page.keyboard.type(PASSWORD)
        expect(page.locator("#password")).to_have_value(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{base}/audit?who=root")
        expect(page.get_by_role("heading", level=1)).to_have_text("Журнал действий")
        assert "Неудачный вход" in page.content()

        page.get_by_role("button", name="Моя учётная запись, язык и оформление").click()
        page.get_by_role("button", name="Выйти").click()
        page.wait_for_url(f"{base}/login")
        page.goto(f"{base}/audit")
        page.wait_for_url(f"{base}/login?next=%2Faudit")
    # The refused password is an answer of 403, and nothing else is wrong with a page.
    assert [one for one in said if "403" not in one] == []


def test_a_link_from_another_site_finds_who_is_signed_in(base: str) -> None:
    with chromium() as (page, _):
        page.goto(f"{base}/login")
        page.fill("#name", "root")
        page.fill("#password", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{base}/")
        # Another host is another site: its links come without our SameSite=Strict cookie.
        page.route(
            "http://crm.example/",
            lambda route: route.fulfill(
                content_type="text/html", body=f'<a href="{base}/users">to the PBX</a>'
            ),
        )
        page.goto("http://crm.example/")
        page.get_by_role("link").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Пользователи")


def test_a_user_and_a_token_are_made_and_the_user_comes_in(base: str) -> None:
    with chromium() as (page, said):
        page.goto(f"{base}/login?next=/users/new")
        page.fill("#name", "root")
        page.fill("#password", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{base}/users/new")
        page.fill("#name", "maria")
        # Departments are a supervisor's question.
        expect(page.get_by_label("support")).to_be_hidden()
        page.get_by_label("Руководитель").check()
        page.get_by_label("support").check()
        password = page.input_value("#password")
        page.get_by_role("button", name="Завести").click()
        page.wait_for_url(f"{base}/users?done=added")
        expect(page.get_by_role("row", name="maria")).to_contain_text("support")

        page.goto(f"{base}/tokens/new")
        page.fill("#name", "CRM")
        page.get_by_label("calls:read").check()
        # A slow line: the script of a page comes after the page, and a press must not get lost.
        page.route("**/tokens*.js*", slowly)
        page.get_by_role("button", name="Создать токен").click()
        secret = page.input_value("#secret")
        assert secret.startswith("vrk_")
        page.get_by_role("button", name="Копировать").click()
        expect(page.get_by_role("button", name="Скопировано")).to_be_visible()
        page.unroute_all()
        page.get_by_role("link", name="Токен сохранён").click()
        page.get_by_role("button", name="Отозвать").click()
        page.get_by_role("dialog").get_by_role("button", name="Отозвать").click()
        page.wait_for_url(f"{base}/tokens?done=revoked")
        expect(page.get_by_text("Отозван", exact=True)).to_be_visible()

        page.context.clear_cookies()
        page.goto(f"{base}/login")
        page.fill("#name", "maria")
        page.fill("#password", password)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{base}/")
        expect(page.get_by_role("link", name="Пользователи")).to_have_count(0)
    assert said == []
