"""The wall in a real Chromium, with a live state that the test tells."""

from __future__ import annotations

import re

import httpx
import pytest
from fastapi import FastAPI
from playwright.async_api import Browser, Page, expect

from pbx.web import live
from pbx.web.access import SCOPES, Kind, Principal, Role, signed_in
from pbx.web.state import WebState
from tests.web.looking import SIZES, looking, overflow, served
from tests.web.made_up import ANNA, FIRST, Asked, agent, ago, call, change, queue, who, whole

pytestmark = pytest.mark.timeout(90)
browsing = pytest.mark.browser


async def row(page: Page, call_id: str) -> dict[str, str]:
    cells = await page.locator(f'[data-call="{call_id}"] td').all_inner_texts()
    return dict(zip(("stage", "time", "client", "where", "manager"), cells, strict=True))


async def shows(page: Page, figure: str, value: str) -> None:
    await expect(page.locator(f"#{figure} .value")).to_have_text(value)


def seconds(shown: str) -> int:
    minutes, s = shown.split(":")
    return int(minutes) * 60 + int(s)


@browsing
async def test_a_call_is_seen_wherever_it_is(state: WebState, url: str, chrome: Browser) -> None:
    async with looking(chrome, url) as page:
        await expect(page.locator("#link")).to_have_text("На связи")
        await expect(page.locator("#no-calls")).to_be_visible()

        state.live.take(change(calls=[call("c1", "menu")]))
        await shows(page, "f-menu", "1")
        shown = await row(page, "c1")
        assert shown["stage"] == "В меню"
        assert "+7 916 123-45-67" in shown["client"]
        assert "+7 800 555-01-00" in shown["where"]

        state.live.take(change(calls=[call("c1", "waiting", 70)], queues=[queue("sales", 1, 70)]))
        await shows(page, "f-waiting", "1")
        await expect(page.locator("#f-waiting small")).to_contain_text("дольше всех 1:1")
        await expect(page.locator('[data-queue="sales"] td').nth(1)).to_contain_text("1 1:1")
        await expect(page.locator("#said")).to_have_text("Клиенты ждут: 1")
        await shows(page, "f-menu", "0")
        assert "Продажи" in (await row(page, "c1"))["where"]

        rung = call("c1", "ringing", 75, agents_rung=["anna"])
        anna = {**ANNA, "state": "ringing", "call_id": "c1", "since": ago(2)}
        state.live.take(change(calls=[rung], agents=[anna]))
        await shows(page, "f-ringing", "1")
        assert (await row(page, "c1"))["manager"] == "Анна Ким"
        card = page.locator('[data-agent="anna"]')
        await expect(card).to_contain_text("Звонит")
        await expect(card).to_contain_text("+7 916 123-45-67")

        talks = call("c1", "talking", 0, agent="anna")
        anna = {**anna, "state": "talking", "since": ago(0)}
        state.live.take(change(calls=[talks], agents=[anna], queues=[queue("sales")]))
        await shows(page, "f-talking", "1")
        await expect(card).to_contain_text("Говорит")
        await expect(page.locator("#said")).to_have_text("Никто не ждёт")

        state.live.take(change(gone=["c1"], agents=[ANNA]))
        await expect(page.locator("[data-call]")).to_have_count(0)
        await expect(card).to_contain_text("Свободен")
        await shows(page, "f-free", "1")


@browsing
async def test_times_tick_by_the_servers_clock(
    state: WebState, url: str, chrome: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.live.take(change(calls=[call("c1", "waiting", 30)]))
    async with looking(chrome, "about:blank") as page:
        # A machine whose clock is an hour behind.
        await page.add_init_script("const now = Date.now; Date.now = () => now() - 3_600_000;")
        await page.goto(url)
        time = page.locator('[data-call="c1"] td').nth(1)
        await expect(time).to_have_text(re.compile(r"^0:3\d$"))
        before = seconds(await time.inner_text())
        await expect(time).not_to_have_text(f"0:{before:02}")
        assert before < seconds(await time.inner_text()) <= before + 2
        # Since ten minutes before the tests began, and not by an hour more or less.
        pause = page.locator('[data-agent="boris"] .time')
        assert 600 <= seconds(await pause.inner_text()) < 3000


@browsing
async def test_the_day_is_told(state: WebState, url: str, chrome: Browser) -> None:
    async with looking(chrome, url) as page:
        for figure, value in {
            "f-level": "63\u00a0%",
            "f-offered": "20",
            "f-answered": "15",
            "f-lost": "4",
            "f-missed": "3",
        }.items():
            await shows(page, figure, value)
        await expect(page.locator("#f-lost small")).to_have_text("и 1 коротких")
        await expect(page.locator("#f-missed small")).to_have_text("старшему 2\u00a0ч")
        await expect(page.locator('[data-queue="sales"] .level')).to_have_text("63\u00a0%")
        # What is on the phone's screen speaks English, too.
        async with looking(chrome, url, locale="en-GB") as english:
            await expect(english.locator("#f-lost small")).to_have_text("and 1 short")
            await expect(english.locator("#link")).to_have_text("Connected")


@browsing
async def test_a_lost_connection_is_told_plainly_and_comes_back(
    state: WebState, app: FastAPI, asked: Asked, chrome: Browser
) -> None:
    state.live.take(FIRST)
    async with looking(chrome, "about:blank") as page:
        async with served(app) as address:
            port = int(address.rsplit(":", 1)[1])
            await page.goto(address)
            await expect(page.locator("#link")).to_have_text("На связи")
            state.live.take(None)
            await expect(page.locator("#broken")).to_contain_text("Станция не отвечает с")
            await expect(page.locator("[data-agent]")).to_have_count(2)
            state.live.take({**FIRST, "ready": False})
            await expect(page.locator("#link")).to_have_text("Станция не принимает звонки")
            await expect(page.locator("#broken")).to_be_hidden()
        await expect(page.locator("#link")).to_have_text("Нет связи", timeout=15_000)
        await expect(page.locator("#broken")).to_contain_text("Соединяемся снова")
        state.live._ended = False  # as a new process
        async with served(app, port=port):
            await expect(page.locator("#link")).to_contain_text("Станция не", timeout=15_000)
            state.live.take(FIRST)
            await expect(page.locator("#link")).to_have_text("На связи")
            await expect(page.locator("#broken")).to_be_hidden()


@browsing
async def test_before_any_engine_was_seen_no_empty_tables_stand_there(
    state: WebState, app: FastAPI, asked: Asked, chrome: Browser
) -> None:
    async with served(app) as address, looking(chrome, address) as page:
        await expect(page.locator("#unseen")).to_contain_text("Станция не запущена")
        await expect(page.locator("#calls")).to_be_hidden()
        await expect(page.locator("#filter")).to_be_hidden()
        state.live.take(FIRST)
        await expect(page.locator("#unseen")).to_be_hidden()
        await expect(page.locator("[data-agent]")).to_have_count(2)


@browsing
async def test_on_a_phone_the_page_one_is_on_stays_in_sight(
    state: WebState, url: str, chrome: Browser
) -> None:
    for path in ("/", "/users", "/audit"):
        async with looking(chrome, url + path, size="phone") as page:
            await expect(page.locator(".pages [aria-current]")).to_be_in_viewport(ratio=1)


@browsing
async def test_a_supervisor_sends_into_a_pause_and_back(
    state: WebState, url: str, asked: Asked, chrome: Browser
) -> None:
    async with looking(chrome, url) as page:
        await page.locator('[data-agent="anna"]').click()
        dialog = page.locator("#manager")
        await expect(dialog).to_contain_text("Анна Ким")
        await expect(dialog).to_contain_text("Свободен")
        await dialog.locator("#reason").fill("Планёрка")
        await page.keyboard.press("Enter")
        await expect(page.locator("#toasts")).to_contain_text("Анна Ким: пауза")
        await expect(dialog).to_be_hidden()

        await page.locator('[data-agent="boris"]').focus()
        await page.keyboard.press("Enter")
        await expect(dialog).to_contain_text("Обед")
        asked.reply = None
        await dialog.get_by_role("button", name="Вернуть к работе").click()
        await expect(page.locator("#toasts")).to_contain_text("Не получилось")
        assert "control.sock" not in await page.content()
        asked.reply = {"ok": True, "state": "free"}
        await dialog.get_by_role("button", name="Вернуть к работе").click()
        await expect(page.locator("#toasts")).to_contain_text("Борис Лу: снова в работе")

    pause, *resumed = asked.requests
    assert pause == {"command": "pause", "agent": "anna", "reason": "Планёрка", "by": "maria"}
    assert resumed == [{"command": "unpause", "agent": "boris", "by": "maria"}] * 2


@browsing
async def test_it_is_used_by_keyboard(state: WebState, url: str, chrome: Browser) -> None:
    async with looking(chrome, url) as page:
        await expect(page.locator("[data-agent]")).to_have_count(2)
        await page.keyboard.press("/")
        await page.keyboard.type("борис")
        await expect(page.locator("[data-agent]")).to_have_count(1)
        await page.keyboard.type("ъ")
        await expect(page.locator("#no-people")).to_have_text("Никто не подходит")
        await page.keyboard.press("Escape")
        await expect(page.locator("[data-agent]")).to_have_count(2)
        await page.locator('[data-agent="anna"]').focus()
        await page.keyboard.press("ArrowDown")
        await expect(page.locator('[data-agent="boris"]')).to_be_focused()
        await page.keyboard.press("ArrowLeft")
        await expect(page.locator('[data-agent="anna"]')).to_be_focused()
        await page.locator('#states [data-state="paused"]').click()
        await expect(page.locator("[data-agent]")).to_have_count(1)

        await page.keyboard.press("w")
        await expect(page.locator(".bar")).to_be_hidden()
        assert "wall=1" in page.url
        await page.reload()
        await expect(page.locator(".bar")).to_be_hidden()
        await page.keyboard.press("Escape")
        await expect(page.locator(".bar")).to_be_visible()
        assert "wall" not in page.url


@browsing
@pytest.mark.parametrize("count", [0, 5, 500])
async def test_however_many_they_are_nothing_overflows(
    count: int, state: WebState, url: str, chrome: Browser
) -> None:
    states = ["free", "talking", "ringing", "wrap_up", "paused", "offline", "reserved"]
    people = [
        agent(f"a{n}", f"Константин Белозерский-Покровский {n}", f"Отдел {n % 8}", states[n % 7])
        for n in range(count)
    ]
    calls = [call(f"c{n}", "talking", agent=f"a{n}") for n in range(count)]
    queues = [queue("sales", 4000, 9000), queue("support")] if count else []
    state.live.take(whole(people, calls, queues))
    for size in SIZES:
        for path in ("/", "/?wall=1"):
            for locale in ("ru-RU", "en-GB"):
                async with looking(chrome, url + path, size=size, locale=locale) as page:
                    await expect(page.locator("[data-agent]")).to_have_count(count)
                    assert await overflow(page) <= 0, (size, path, locale)
                    assert await page.locator("[data-call]").count() == min(count, 60)


@browsing
@pytest.mark.parametrize("count", [5, 500])
async def test_no_time_is_cut_off(count: int, state: WebState, url: str, chrome: Browser) -> None:
    people = [agent(f"a{n}", "Ким", state="wrap_up", since=ago(36_000)) for n in range(count)]
    state.live.take(whole(people, [], []))
    async with looking(chrome, url, size="wall") as page:
        await expect(page.locator("[data-agent]")).to_have_count(count)
        cut = """[...document.querySelectorAll('.agent')]
            .filter((one) => one.scrollWidth > one.clientWidth).length"""
        assert await page.evaluate(cut) == 0


@browsing
async def test_a_manager_sees_what_is_theirs(
    state: WebState, app: FastAPI, url: str, chrome: Browser
) -> None:
    app.dependency_overrides[signed_in] = lambda: who(Role.MANAGER, agent_id="anna")
    state.live.take(change(calls=[call("c1", "waiting"), call("c2", "talking", agent="boris")]))
    async with looking(chrome, url) as page:
        await expect(page.locator("[data-agent]")).to_have_count(1)
        await expect(page.locator("[data-queue]")).to_have_count(1)
        assert (await row(page, "c1"))["client"].strip() == "Клиент"
        await expect(page.locator("[data-call]")).to_have_count(1)
        await shows(page, "f-menu", "—")
        await page.locator('[data-agent="anna"]').click()
        await expect(page.locator("#pause")).to_be_hidden()


@browsing
async def test_a_stream_that_ends_is_opened_again_unseen(
    state: WebState, url: str, chrome: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LONGEST_S", 0.3)
    async with looking(chrome, url) as page:
        await expect(page.locator("#link")).to_have_text("На связи")
        broken = await page.evaluate(
            """() => new Promise((done) => {
                const link = document.getElementById("link");
                const told = () => link.dataset.link !== "live" && done(link.dataset.link);
                const seen = new MutationObserver(told);
                seen.observe(link, { attributes: true });
                setTimeout(() => done(""), 4000);
            })"""
        )
        assert broken == ""


@browsing
async def test_a_supervisor_sees_that_somebody_may_come_from_the_menu(
    state: WebState, app: FastAPI, url: str, chrome: Browser
) -> None:
    app.dependency_overrides[signed_in] = lambda: who(Role.SUPERVISOR, "sales")
    ivanov = agent("ivanov", "Иван Иванов", "sales")
    leads = next(did for did in state.plan.numbers if "sales" in state.leads_to(did))
    calls = [call("c1", "menu", did=leads), call("c2", "menu", did="+78000000000")]
    state.live.take(whole([ivanov], calls, [queue("sales")]))
    async with looking(chrome, url) as page:
        await shows(page, "f-menu", "1")
        shown = await row(page, "c1")
        assert shown["client"].strip() == "Клиент"
        await expect(page.locator("[data-call]")).to_have_count(1)
        state.live.take(change(calls=[call("c1", "waiting", did=leads)]))
        await expect(page.locator('[data-call="c1"]')).to_contain_text("+7 916 123-45-67")
        await shows(page, "f-menu", "0")


async def test_whom_one_may_not_see_one_may_not_pause(
    app: FastAPI, asked: Asked, browser: httpx.AsyncClient, state: WebState
) -> None:
    support = Principal(
        Kind.USER,
        "maria",
        Role.SUPERVISOR,
        frozenset({"support"}),
        None,
        SCOPES[Role.SUPERVISOR],
        state.staff,
    )
    anna = who(Role.MANAGER, agent_id="ivanov")
    for principal, agent_id, status in (
        (support, "smirnov", 200),
        (support, "ivanov", 403),
        (support, "nobody", 403),
        (anna, "ivanov", 403),
    ):
        app.dependency_overrides[signed_in] = lambda principal=principal: principal
        answer = await browser.post("/live/pause", data={"agent": agent_id, "reason": "x"})
        assert answer.status_code == status, (principal.role, agent_id)
    assert [one["agent"] for one in asked.requests] == ["smirnov"]


async def test_an_engine_that_refuses_is_told_without_its_words(
    asked: Asked, browser: httpx.AsyncClient
) -> None:
    asked.reply = None
    answer = await browser.post("/live/pause", data={"agent": "ivanov", "reason": "x"})
    assert (answer.status_code, answer.json()) == (409, {"ok": False})
