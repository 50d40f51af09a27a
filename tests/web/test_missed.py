"""Missed calls on the page: who sees which, and what is asked of the engine for them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from playwright.async_api import Browser, expect
from sqlalchemy import insert, select, update

from pbx.journal.tables import audit, missed
from pbx.web.access import SCOPES, Kind, Principal, Role, signed_in
from pbx.web.state import WebState
from tests.web.looking import SIZES, looking, overflow
from tests.web.made_up import Asked, agent, ago, call, change, queue, whole
from tests.web.people import noted

pytestmark = pytest.mark.timeout(90)
browsing = pytest.mark.browser
NOW = datetime.now(UTC)
NUMBERS = {
    "anna": "+79160000001",
    "sales": "+79160000002",
    "support": "+79160000003",
    "nobody": "+79160000004",
    "old": "+79160000005",
    "done": "+79160000006",
}


def task(name: str, queue: str | None, agent: str | None = None, **more: Any) -> dict[str, Any]:
    at = more.pop("at", NOW - timedelta(minutes=5))
    return {
        "task_id": name,
        "number": NUMBERS[name],
        "name": f"Клиент {name}",
        "did": "+78005550100",
        "queue": queue,
        "agent": agent,
        "opened_at": at,
        "first_at": at,
        "last_at": at,
        "calls": 2,
        "last_call": f"{name}.2",
        "outcome": "abandoned_waiting",
        "closed_at": None,
        "closed_how": None,
        "closed_by": None,
        "reason": None,
        **more,
    }


TASKS = [
    task("anna", "sales", "ivanov"),
    task("sales", "sales"),
    task("support", "support"),
    task("nobody", None),
    task("old", "support", "petrova", at=NOW - timedelta(days=3)),
    task(
        "done", "sales", closed_at=NOW, closed_how="hand", closed_by="maria (web)", reason="by mail"
    ),
]


@pytest.fixture(autouse=True)
def tasks(state: WebState) -> None:
    with state.write.begin() as connection:
        connection.execute(insert(missed), [{**TASKS[0], **one} for one in TASKS])


def be(app: FastAPI, state: WebState, role: Role, *departments: str, agent: str = "") -> None:
    principal = Principal(
        Kind.USER,
        "maria",
        role,
        frozenset(departments),
        agent or None,
        SCOPES[role],
        state.staff,
    )
    app.dependency_overrides[signed_in] = lambda: principal


async def shown(browser: httpx.AsyncClient, path: str = "/missed") -> set[str]:
    answer = await browser.get(path)
    assert answer.status_code == 200
    return {name for name in NUMBERS if f'data-task="{name}"' in answer.text}


SEES = [
    (Role.ADMIN, (), "", "anna sales support nobody old"),
    (Role.SUPERVISOR, ("*",), "", "anna sales support nobody old"),
    (Role.SUPERVISOR, ("sales",), "", "anna sales old"),
    (Role.SUPERVISOR, ("support",), "", "support old"),
    (Role.MANAGER, (), "ivanov", "anna sales"),
    (Role.MANAGER, (), "petrova", "sales old"),
    (Role.MANAGER, (), "", ""),
]


@pytest.mark.parametrize(("role", "departments", "agent_id", "names"), SEES)
async def test_each_sees_what_is_theirs_to_work_off(
    role: Role,
    departments: tuple[str, ...],
    agent_id: str,
    names: str,
    app: FastAPI,
    state: WebState,
    browser: httpx.AsyncClient,
) -> None:
    be(app, state, role, *departments, agent=agent_id)

    assert await shown(browser) == set(names.split())


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("state=closed", "done"),
        ("state=all&queue=sales", "anna sales done"),
        ("period=today", "anna sales support nobody"),
        ("period=7d&queue=support", "support old"),
        ("owner=nobody", "nobody"),
        ("owner=mine", "anna"),
        ("owner=support", "support"),
        ("owner=petrova", "old"),
        ("state=x&period=x&owner=%00%27&before=%FF", ""),
    ],
)
async def test_what_is_asked_for_stands_in_the_address(
    query: str, names: str, app: FastAPI, state: WebState, browser: httpx.AsyncClient
) -> None:
    if NOW.astimezone(state.zone).hour == 0 and "today" in query:
        pytest.skip("five minutes ago was yesterday")
    be(app, state, Role.SUPERVISOR, "*", agent="ivanov")

    assert await shown(browser, f"/missed?{query}") == set(names.split())


QUEUES = [
    (Role.ADMIN, (), "", "sales support"),
    (Role.SUPERVISOR, ("*",), "", "sales support"),
    (Role.SUPERVISOR, ("sales",), "", "sales"),
    (Role.SUPERVISOR, ("support",), "ivanov", "sales support"),
    (Role.SUPERVISOR, (), "", ""),
    (Role.MANAGER, (), "ivanov", "sales"),
    (Role.MANAGER, (), "volkova", "support"),
    (Role.MANAGER, (), "", ""),
]


@pytest.mark.parametrize("path", ["/missed", "/calls"])
@pytest.mark.parametrize(("role", "departments", "agent_id", "queues"), QUEUES)
async def test_each_filters_by_the_queues_that_are_theirs(
    path: str,
    role: Role,
    departments: tuple[str, ...],
    agent_id: str,
    queues: str,
    app: FastAPI,
    state: WebState,
    browser: httpx.AsyncClient,
) -> None:
    be(app, state, role, *departments, agent=agent_id)
    text = (await browser.get(path)).text
    select = re.search(r'<select[^>]*name="queue">(.*?)</select>', text, re.DOTALL)
    offered = re.findall(r'<option value="([^"]+)"', select[1]) if select else []

    assert {"sales", "support"} & set(offered) == set(queues.split())


async def test_a_long_list_has_pages(
    app: FastAPI, state: WebState, browser: httpx.AsyncClient
) -> None:
    be(app, state, Role.ADMIN)
    with state.write.begin() as connection:
        connection.execute(
            insert(missed),
            [{**TASKS[1], "task_id": f"t{n}", "number": f"+7917{n:07}"} for n in range(210)],
        )
    seen: list[str] = []
    path = "/missed?queue=sales"
    while path:
        text = (await browser.get(path)).text
        seen += re.findall(r'data-task="([^"]+)"', text)
        older = re.search(r'href="([^"]+before=[^"]+)"', text)
        path = older[1].replace("&amp;", "&") if older else ""
    assert len(seen) == len(set(seen)) == 212


async def test_calling_back_rings_whom_one_may_ring(
    app: FastAPI, state: WebState, asked: Asked, browser: httpx.AsyncClient
) -> None:
    asked.reply = {"ok": True, "result": "ringing", "accepted": True}
    be(app, state, Role.MANAGER, agent="ivanov")
    own = await browser.post("/missed/call", data={"task": "anna"})
    other = await browser.post("/missed/call", data={"task": "anna", "agent": "petrova"})
    strange = await browser.post("/missed/call", data={"task": "support"})
    be(app, state, Role.SUPERVISOR, "sales")
    nobody = await browser.post("/missed/call", data={"task": "anna"})
    chosen = await browser.post("/missed/call", data={"task": "sales", "agent": "petrova"})

    assert [one.status_code for one in (own, other, strange, nobody, chosen)] == [
        200,
        403,
        404,
        403,
        200,
    ]
    assert own.json()["result"] == "ringing"
    click = {"command": "click", "by": "maria"}
    assert asked.requests == [
        {**click, "agent": "ivanov", "number": NUMBERS["anna"]},
        {**click, "agent": "petrova", "number": NUMBERS["sales"]},
    ]
    with state.read.connect() as connection:
        notes = connection.execute(select(audit.c.action, audit.c.subject)).all()
    assert [tuple(one) for one in notes] == [
        ("called", NUMBERS["anna"]),
        ("called", NUMBERS["sales"]),
    ]


async def test_closing_and_opening_again_are_asked_of_the_engine(
    app: FastAPI, state: WebState, asked: Asked, browser: httpx.AsyncClient
) -> None:
    be(app, state, Role.MANAGER, agent="ivanov")
    assert (
        await browser.post("/missed/close", data={"task": "sales", "reason": " spam "})
    ).status_code == 200
    assert (await browser.post("/missed/reopen", data={"task": "done"})).status_code == 200
    assert (await browser.post("/missed/close", data={"task": "old"})).status_code == 404
    asked.reply = None
    refused = await browser.post("/missed/close", data={"task": "sales"})

    assert (refused.status_code, refused.json()) == (409, {"ok": False})
    assert asked.requests[:2] == [
        {"command": "missed_close", "task": "sales", "by": "maria", "reason": "spam"},
        {"command": "missed_reopen", "task": "done", "by": "maria"},
    ]
    assert noted(state.read, "missed_closed", "missed_reopened") == [
        ("missed_closed", NUMBERS["sales"], {"reason": "spam"}),
        ("missed_reopened", NUMBERS["done"], {}),
    ]


@browsing
async def test_a_supervisor_works_one_off(
    app: FastAPI, state: WebState, asked: Asked, url: str, chrome: Browser
) -> None:
    be(app, state, Role.SUPERVISOR, "*")
    state.live.take(whole([agent("ivanov", "Иван Иванов", queues=["sales"])], [], [queue("sales")]))
    asked.reply = {"ok": True, "result": "ringing", "accepted": True}
    async with looking(chrome, url + "/missed") as page:
        row = page.locator('[data-task="anna"]')
        await expect(row).to_contain_text("+7 916 000-00-01")
        await expect(row).to_contain_text("2 звонка")
        await row.get_by_role("button", name="Перезвонить").click()
        # The owner is proposed, with what they do now.
        await expect(page.locator("#manager option:checked")).to_have_text("Иван Иванов · Свободен")
        await page.locator("#choose").get_by_role("button", name="Позвонить").click()
        await expect(page.locator("#toasts")).to_contain_text("Звонит телефон менеджера")

        click: dict[str, Any] = {"number": NUMBERS["anna"], "origin": "click"}
        state.live.take(change(calls=[call("c9", "ringing", agents_rung=["ivanov"], **click)]))
        doing = row.locator(".doing")
        await expect(doing).to_have_text("звонит у: Иван Иванов")
        await expect(row.get_by_role("button", name="Перезвонить")).to_be_disabled()
        state.live.take(change(calls=[call("c9", "talking", agent="ivanov", **click)]))
        await expect(doing).to_have_text("разговор: Иван Иванов")
        with state.write.begin() as connection:
            closed = {"closed_at": NOW, "closed_how": "manager", "closed_by": "ivanov"}
            connection.execute(update(missed).where(missed.c.task_id == "anna").values(closed))
        state.live.take(change(gone=["c9"]))
        await expect(row).to_have_count(0)

        # Another one is closed by hand, by keyboard.
        sales = page.locator('[data-task="sales"]')
        await sales.get_by_role("button", name="Закрыть").focus()
        await page.keyboard.press("Enter")
        await page.locator("#reason").fill("Ответили почтой")
        await page.keyboard.press("Enter")
        await expect(page.locator("#toasts")).to_contain_text("Закрыто: +7 916 000-00-02")
        # One that comes stands here without a reload.
        with state.write.begin() as connection:
            late = {**TASKS[0], **task("support", "support"), "task_id": "late"}
            connection.execute(insert(missed), [{**late, "number": "+79169999999"}])
        state.live.take(change(today={**TODAY, "open_missed": 9, "oldest_missed_at": ago(9)}))
        state.live.take(change(today={**TODAY, "open_missed": 10, "oldest_missed_at": ago(9)}))
        await expect(page.locator('[data-task="late"]')).to_be_visible()
    assert [one["command"] for one in asked.requests] == ["click", "missed_close"]
    assert asked.requests[0]["agent"] == "ivanov"
    assert asked.requests[1]["reason"] == "Ответили почтой"


TODAY = {**whole([], [], [])["today"]}


@browsing
async def test_a_press_is_not_lost_when_the_list_is_another_meanwhile(
    app: FastAPI, state: WebState, url: str, chrome: Browser
) -> None:
    be(app, state, Role.SUPERVISOR, "*")
    async with looking(chrome, url + "/missed") as page:
        button = page.locator('[data-task="anna"] [data-do=call]')
        await expect(button).to_be_visible()
        await button.hover()
        await page.mouse.down()
        async with page.expect_response("**/missed"):
            for open_missed in (9, 10):
                state.live.take(change(today={**TODAY, "open_missed": open_missed}))
                await page.wait_for_timeout(200)
        await page.wait_for_timeout(300)
        await page.mouse.up()
        await expect(page.locator("#choose")).to_be_visible()


@browsing
async def test_it_fits_every_screen(
    app: FastAPI, state: WebState, url: str, chrome: Browser
) -> None:
    be(app, state, Role.SUPERVISOR, "*", agent="ivanov")
    for size in SIZES:
        for locale in ("ru-RU", "en-GB"):
            async with looking(chrome, f"{url}/missed?state=all", size=size, locale=locale) as page:
                await expect(page.locator("[data-task]")).to_have_count(6)
                assert await overflow(page) <= 0, (size, locale)
