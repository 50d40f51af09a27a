"""Coming in, staying in, going out."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import timedelta
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI
from sqlalchemy import select

from pbx.engine.clock import VirtualClock
from pbx.journal.tables import sessions, tokens, users
from pbx.settings import WebSettings
from pbx.web.access import needs
from pbx.web.accounts.audit import AuditFilter, list_notes
from pbx.web.accounts.doorkeeper import ADDRESS_PACE, NAME_PACE
from pbx.web.accounts.sessions import IDLE, LONGEST
from pbx.web.accounts.tokens import Paper, add_token, revoke_token
from pbx.web.accounts.users import (
    Place,
    change_place,
    disable_user,
    set_password,
)
from pbx.web.principal import Principal, Role, Scope
from pbx.web.state import WebState
from tests.web.application import application
from tests.web.people import BY, MADE_AT, PASSWORD, csrf_of, make_user, quick, sign_in

COOKIE = "voronka"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(MADE_AT.timestamp())


def later(clock: VirtualClock, span: timedelta) -> None:
    clock.advance_to(clock.now() + span.total_seconds())


def actions(state: WebState) -> list[tuple[str, str]]:
    """In no order: the clock stands still."""
    return sorted((one.action, one.who) for one in list_notes(state.read, AuditFilter()))


async def test_the_right_password_lets_in_and_the_way_goes_on(
    browser: httpx.AsyncClient, state: WebState
) -> None:
    make_user(state.write, "maria")
    sent = await browser.get("/?queue=sales")
    assert sent.headers["location"] == "/login?next=%2F%3Fqueue%3Dsales"

    answer = await sign_in(browser, "  Maria ", next="/?queue=sales")

    assert (answer.status_code, answer.headers["location"]) == (303, "/?queue=sales")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    page = await browser.get("/")
    assert page.status_code == 200
    assert "maria" in page.text
    assert (await browser.get("/login?next=//evil")).headers["location"] == "/"
    assert actions(state) == [("login", "maria"), ("user_added", "root")]


async def test_no_secret_is_kept(browser: httpx.AsyncClient, state: WebState) -> None:
    make_user(state.write, "maria")
    await sign_in(browser, "maria")
    secret = browser.cookies[COOKIE]
    paper = Paper("crm", frozenset({Scope.CALLS_READ}))
    _, token = add_token(state.write, paper, by=BY, at=MADE_AT)

    with state.read.connect() as connection:
        kept = [
            str(row)
            for table in (users, sessions, tokens)
            for row in connection.execute(select(table))
        ]
    assert len(kept) == 3
    for one in (PASSWORD, secret, token):
        assert not any(one in row for row in kept)
    assert "$argon2id$" in kept[0]


@pytest.mark.parametrize(
    "next", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
async def test_the_way_on_never_leads_elsewhere(
    browser: httpx.AsyncClient, state: WebState, next: str
) -> None:
    make_user(state.write, "maria")

    assert (await sign_in(browser, "maria", next=next)).headers["location"] == "/"


async def test_nobody_learns_which_names_there_are(
    browser: httpx.AsyncClient, state: WebState
) -> None:
    make_user(state.write, "maria")
    make_user(state.write, "oleg")
    disable_user(state.write, "oleg", by=BY, at=MADE_AT)

    answers = [
        await sign_in(browser, name, password)
        for name, password in (
            ("maria", "wrong"),
            ("nobody", PASSWORD),
            ("oleg", PASSWORD),
            ("", ""),
            ("maria", PASSWORD + "x" * 100_000),
        )
    ]

    assert {one.status_code for one in answers} == {403}
    plain = {
        one.text.replace('value="maria"', "")
        .replace('value="nobody"', "")
        .replace('value="oleg"', "")
        for one in answers[:3]
    }
    assert len(plain) == 1
    assert COOKIE not in browser.cookies
    # A name that is none may be a password typed into the wrong field.
    assert [one for one in actions(state) if one[0] == "login_failed"] == [
        ("login_failed", who) for who in ("", "", "maria", "maria", "oleg")
    ]


async def test_an_answer_takes_as_long_without_such_a_user(state: WebState) -> None:
    checked: list[str | None] = []
    right = state.door.passwords.right

    async def noted(hashed: str | None, password: str) -> bool:
        checked.append(hashed)
        return await right(hashed, password)

    state.door.passwords.right = noted  # type: ignore[method-assign]
    await state.door.let_in("nobody", PASSWORD, address="", browser="", instead_of="")

    assert checked == [None]
    assert not await right(None, "nobody's password")


async def test_guessing_a_name_becomes_slow_and_its_owner_still_comes_in_from_a_known_place(
    app: FastAPI, state: WebState, clock: VirtualClock
) -> None:
    make_user(state.write, "maria")
    home, elsewhere = (client_from(app, one) for one in ("192.0.2.1", "198.51.100.7"))
    async with home, elsewhere:
        await sign_in(home, "maria")
        home.cookies.clear()
        for _ in range(NAME_PACE.free + 1):
            assert (await sign_in(elsewhere, "maria", "wrong")).status_code == 403
        slowed = await sign_in(elsewhere, "maria")
        assert slowed.status_code == 429
        assert slowed.headers["retry-after"] == "1"
        assert "через 1 секунду" in slowed.text

        assert (await sign_in(home, "maria")).status_code == 303
        for _ in range(NAME_PACE.free + 1):
            await sign_in(elsewhere, "maria", "wrong")
        later(clock, timedelta(seconds=1))
        assert (await sign_in(elsewhere, "maria")).status_code == 303


async def test_one_address_that_tries_many_names_becomes_slow(
    browser: httpx.AsyncClient, state: WebState
) -> None:
    make_user(state.write, "maria")
    for number in range(ADDRESS_PACE.free):
        await sign_in(browser, f"name{number}", "x")
    # One's own account does not wipe the failures out.
    assert (await sign_in(browser, "maria")).status_code == 303
    browser.cookies.clear()

    assert (await sign_in(browser, "one more", "x")).status_code == 403
    assert (await sign_in(browser, "maria")).status_code == 429


async def test_many_guesses_at_once_get_no_further(state: WebState) -> None:
    make_user(state.write, "maria")

    results = await asyncio.gather(
        *(
            state.door.let_in("maria", "wrong", address=f"192.0.2.{n}", browser="", instead_of="")
            for n in range(15)
        )
    )

    assert [one.why for one in results].count("wrong") == NAME_PACE.free + 1  # type: ignore[union-attr]


async def test_a_session_that_was_there_before_is_worth_nothing_after(
    browser: httpx.AsyncClient, state: WebState
) -> None:
    make_user(state.write, "maria")
    await sign_in(browser, "maria")
    first = browser.cookies[COOKIE]
    csrf = await csrf_of(browser, "/")
    browser.cookies.clear()
    browser.cookies.set(COOKIE, first)
    # Comes in again with the old cookie: another one, and the old one is gone.
    await browser.post("/logout", data={"csrf": csrf})
    assert ("logout", "maria") in actions(state)
    browser.cookies.set(COOKIE, first)
    assert (await browser.get("/")).status_code == 303

    browser.cookies.clear()
    browser.cookies.set(COOKIE, "chosen by somebody else")
    await sign_in(browser, "maria")
    assert browser.cookies.get(COOKIE, domain="pbx.test") != "chosen by somebody else"
    with state.read.connect() as connection:
        assert len(connection.execute(select(sessions)).all()) == 1


async def test_coming_in_anew_ends_the_session_of_before(
    browser: httpx.AsyncClient, state: WebState
) -> None:
    make_user(state.write, "maria")
    await sign_in(browser, "maria")
    first = browser.cookies[COOKIE]
    token = await state.door.let_in(
        "maria", PASSWORD, address="192.0.2.1", browser="", instead_of=first
    )

    assert await state.door.by_cookie(first) is None
    assert await state.door.by_cookie(token.secret) is not None  # type: ignore[union-attr]


async def test_an_idle_session_ends_and_a_used_one_goes_on_to_its_end(
    browser: httpx.AsyncClient, state: WebState, clock: VirtualClock
) -> None:
    make_user(state.write, "maria")
    await sign_in(browser, "maria")
    secret = browser.cookies[COOKIE]
    step = IDLE - timedelta(minutes=1)
    used = timedelta()
    while used + step < LONGEST:
        later(clock, step)
        used += step
        assert await state.door.by_cookie(secret) is not None
        state.door.write_down()
    later(clock, LONGEST - used)
    assert await state.door.by_cookie(secret) is None

    browser.cookies.clear()
    await sign_in(browser, "maria")
    later(clock, IDLE)
    assert (await browser.get("/")).status_code == 303
    state.door.clear_away()
    with state.read.connect() as connection:
        assert connection.execute(select(sessions)).all() == []


@pytest.mark.parametrize("what", ["password", "disable", "role"])
async def test_all_sessions_end_when_the_user_changes(
    browser: httpx.AsyncClient, state: WebState, what: str
) -> None:
    make_user(state.write, "root")
    make_user(state.write, "maria")
    await sign_in(browser, "maria")

    match what:
        case "password":
            other = quick().hash_now("another horse battery")
            set_password(state.write, "maria", other, by=BY, at=MADE_AT)
        case "disable":
            disable_user(state.write, "maria", by=BY, at=MADE_AT)
        case "role":
            place = Place(Role.SUPERVISOR, ("*",))
            change_place(state.write, "maria", place, by=BY, at=MADE_AT)

    assert (await browser.get("/")).status_code == 303


async def test_a_password_that_changes_while_it_is_checked_lets_nobody_in(
    state: WebState,
) -> None:
    make_user(state.write, "maria")
    right = state.door.passwords.right

    async def slow(hashed: str | None, password: str) -> bool:
        answer = await right(hashed, password)
        other = quick().hash_now("another horse battery")
        set_password(state.write, "maria", other, by=BY, at=MADE_AT)
        return answer

    state.door.passwords.right = slow  # type: ignore[method-assign]
    result = await state.door.let_in("maria", PASSWORD, address="", browser="", instead_of="")

    assert result.why == "wrong"  # type: ignore[union-attr]


async def test_a_change_by_cookie_needs_the_token_of_a_page_of_ours(
    browser: httpx.AsyncClient, state: WebState
) -> None:
    make_user(state.write, "maria")
    stranger = await browser.post("/login", data={"name": "maria", "password": PASSWORD})
    assert stranger.status_code == 403
    assert "Форма устарела" in stranger.text
    await sign_in(browser, "maria")
    csrf = await csrf_of(browser, "/")

    for form, headers in (
        ({}, {}),
        ({"csrf": csrf[::-1]}, {}),
        ({"csrf": csrf}, {"Origin": "http://evil.example"}),
        ({"csrf": csrf}, {"Sec-Fetch-Site": "cross-site"}),
    ):
        assert (await browser.post("/logout", data=form, headers=headers)).status_code == 403
    assert (await browser.get("/")).status_code == 200
    left = await browser.post("/logout", headers={"X-CSRF-Token": csrf})
    assert left.headers["location"] == "/login"
    assert (await browser.get("/")).status_code == 303


async def test_a_link_from_elsewhere_comes_again_with_its_cookie(
    browser: httpx.AsyncClient,
) -> None:
    answer = await browser.get("/?a=1", headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 200
    assert 'http-equiv="refresh"' in answer.text
    assert 'href="/?a=1"' in answer.text


async def test_a_token_opens_what_its_scopes_say_until_it_ends(
    app: FastAPI, browser: httpx.AsyncClient, state: WebState, clock: VirtualClock
) -> None:
    @app.post("/api/v1/tried")
    async def tried(
        principal: Annotated[Principal, Depends(needs(Scope.CALLS_READ))],
    ) -> list[object]:
        return [principal.kind, principal.name, principal.sees_everything()]

    paper = Paper("crm", frozenset({Scope.CALLS_READ}), expires_at=MADE_AT + timedelta(days=1))
    token, secret = add_token(state.write, paper, by=BY, at=MADE_AT)
    other = Paper("wall", frozenset({Scope.LIVE_READ}), ("sales",))
    _, few = add_token(state.write, other, by=BY, at=MADE_AT)

    async def ask(authorization: str) -> httpx.Response:
        return await browser.post("/api/v1/tried", headers={"Authorization": authorization})

    answer = await ask(f"Bearer {secret}")
    assert (answer.status_code, answer.json()) == (200, ["token", "crm", True])
    assert (await ask(f"bearer {few}")).status_code == 403
    for wrong in ("Bearer vrk_wrong", "Bearer ", "Basic eDp5", secret, f"Bearer {secret}x"):
        refused = await ask(wrong)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
    # A token is for the API: a page is for browsers.
    page = await browser.get("/", headers={"Authorization": f"Bearer {few}"})
    assert page.status_code == 303
    state.door.write_down()
    with state.read.connect() as connection:
        used = connection.execute(
            select(tokens.c.used_at).where(tokens.c.token_id == token.token_id)
        ).scalar_one()
    assert used == MADE_AT
    later(clock, timedelta(days=1))
    assert (await ask(f"Bearer {secret}")).status_code == 401
    revoke_token(state.write, few[:10], by=BY, at=MADE_AT)
    assert (await ask(f"Bearer {few}")).status_code == 401


async def test_who_shows_tokens_of_nobody_becomes_slow_and_whoever_has_one_does_not(
    app: FastAPI, state: WebState, clock: VirtualClock
) -> None:
    _, good = add_token(state.write, Paper("crm", frozenset(Scope)), by=BY, at=MADE_AT)
    _, late = add_token(state.write, Paper("new", frozenset(Scope)), by=BY, at=MADE_AT)

    async def ask(secret: str, address: str = "192.0.2.7") -> httpx.Response:
        async with client_from(app, address) as program:
            headers = {"Authorization": f"Bearer {secret}"}
            return await program.get("/api/v1/numbers", headers=headers)

    assert (await ask(good)).status_code == 200
    for n in range(21):
        assert (await ask(f"vrk_{n}")).status_code == 401
    slowed = await ask("vrk_another")

    assert (slowed.status_code, slowed.headers["retry-after"]) == (429, "1")
    assert "of nobody" in slowed.json()["detail"]
    assert (await ask(late)).status_code == 429, "nobody has seen yet that it is one"
    assert (await ask(good)).status_code == 200
    assert (await ask(late, "192.0.2.8")).status_code == 200
    assert (await ask(late)).status_code == 200, "now it has been seen"
    later(clock, timedelta(seconds=1))
    assert (await ask("vrk_another")).status_code == 401
    assert (await ask("vrk_another")).headers["retry-after"] == "2"
    revoke_token(state.write, good[:10], by=BY, at=MADE_AT)
    assert (await ask(good)).status_code == 401
    assert (await ask(good)).status_code == 429


async def test_by_https_the_cookie_is_for_https_alone(settings: WebSettings) -> None:
    secure = dataclasses.replace(settings, url="https://pbx.example.com")
    state = WebState(secure, passwords=quick())
    async with state.running():
        make_user(state.write, "maria")
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(application(state)), base_url=secure.url
        ) as browser:
            answer = await sign_in(browser, "maria")
            assert answer.status_code == 303
            (cookie,) = (
                one
                for one in answer.headers.get_list("set-cookie")
                if one.startswith("__Host-voronka=")
            )
            assert "Secure" in cookie
            assert "Path=/" in cookie
            assert "Domain" not in cookie
            assert (await browser.get("/")).status_code == 200


async def test_where_nobody_is_there_yet_the_page_says_how_to_begin(
    browser: httpx.AsyncClient, state: WebState
) -> None:
    assert "pbx users add NAME --role admin" in (await browser.get("/login")).text
    make_user(state.write, "maria")
    assert "pbx users add" not in (await browser.get("/login")).text


def client_from(app: FastAPI, address: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(address, 4711))
    return httpx.AsyncClient(
        transport=transport, base_url="http://pbx.test", headers={"Accept-Language": "ru"}
    )
