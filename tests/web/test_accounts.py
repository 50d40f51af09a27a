"""The pages of users, tokens, one's own account and the audit log."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import get_args
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import event

from pbx.journal.database import open_for_writing
from pbx.settings import WebSettings
from pbx.web.accounts.audit import Action, Actor, AuditFilter, list_notes, write_note
from pbx.web.accounts.tokens import list_tokens
from pbx.web.accounts.users import find_user, list_users
from pbx.web.pages.audit import ROWS
from pbx.web.principal import Role, Scope
from pbx.web.state import WebState
from pbx.web.texts import LANGUAGES, texts
from tests.web.people import MADE_AT, PASSWORD, csrf_of, make_user, sign_in

OTHER = "another horse battery"


@pytest.fixture
async def admin(browser: httpx.AsyncClient, state: WebState) -> httpx.AsyncClient:
    make_user(state.write, "root")
    await sign_in(browser, "root")
    return browser


async def post(browser: httpx.AsyncClient, path: str, **form: object) -> httpx.Response:
    csrf = await csrf_of(browser, "/account")
    return await browser.post(path, data={"csrf": csrf, **form})


def done(state: WebState) -> set[tuple[str, str, str]]:
    return {(one.who, one.action, one.subject) for one in list_notes(state.read, AuditFilter())}


@pytest.mark.parametrize("role", [Role.SUPERVISOR, Role.MANAGER])
@pytest.mark.parametrize(
    "path", ["/users", "/users/new", "/users/name/root", "/tokens", "/tokens/new", "/audit"]
)
async def test_only_admins_see_them(
    browser: httpx.AsyncClient, state: WebState, role: Role, path: str
) -> None:
    make_user(state.write, "maria", role, departments=("*",), agent="ivanov")
    await sign_in(browser, "maria")

    assert (await browser.get(path)).status_code == 403
    assert (await post(browser, path)).status_code in (400, 403, 405)
    front = (await browser.get("/")).text
    assert 'href="/users"' not in front
    assert 'href="/account"' in front


async def test_an_admin_adds_a_user_who_then_comes_in(
    admin: httpx.AsyncClient, app: FastAPI, state: WebState
) -> None:
    form = (await admin.get("/users/new")).text
    (password,) = re.findall(r'name="password" value="([^"]{12,})"', form)

    answer = await post(
        admin, "/users/new", name="Иван.Иванов", role="manager", agent="ivanov", password=password
    )

    assert answer.headers["location"] == "/users?done=added"
    listed = (await admin.get("/users?done=added")).text
    assert "иван.иванов" in listed
    assert "Пользователь заведён" in listed
    assert ("root", "user_added", "иван.иванов") in done(state)
    admin.cookies.clear()
    assert (await sign_in(admin, "иван.иванов", password)).status_code == 303


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({"name": "root"}, "уже есть"),
        ({"name": "a b"}, "без пробелов"),
        ({"password": "short"}, "слишком короткий"),
        ({"role": "supervisor"}, "хотя бы один отдел"),
        ({"role": "supervisor", "departments": ["none"]}, "отдела нет в плане"),
        ({"role": "manager"}, "чья это страница"),
        ({"role": "manager", "agent": "nobody"}, "менеджера нет в плане"),
    ],
)
async def test_what_makes_no_sense_is_told_and_what_was_typed_stays(
    admin: httpx.AsyncClient, state: WebState, form: dict[str, object], text: str
) -> None:
    whole = {"name": "new.one", "role": "admin", "password": PASSWORD, **form}
    answer = await post(admin, "/users/new", **whole)

    assert answer.status_code == 400
    assert text in answer.text
    assert f'value="{whole["name"]}"' in answer.text
    assert len(list_users(state.read)) == 1


async def test_a_user_is_changed_disabled_enabled_and_removed(
    admin: httpx.AsyncClient, state: WebState
) -> None:
    make_user(state.write, "maria", Role.MANAGER, agent="ivanov")
    path = "/users/name/maria"

    await post(admin, path, role="supervisor", departments=["sales", "support"])
    found = find_user(state.read, "maria")
    assert found is not None
    assert (found[0].role, found[0].departments) == (Role.SUPERVISOR, ("sales", "support"))
    await post(admin, f"{path}/disable")
    assert "Отключён" in (await admin.get(path)).text
    await post(admin, f"{path}/enable")
    assert "Отключён" not in (await admin.get(path)).text
    await post(admin, f"{path}/password", password=OTHER)
    short = await post(admin, f"{path}/password", password="x")
    assert (short.status_code, "слишком короткий" in short.text) == (400, True)
    answer = await post(admin, f"{path}/remove")
    assert answer.headers["location"] == "/users?done=removed"
    assert (await admin.get(path)).status_code == 404
    assert (await post(admin, f"{path}/disable")).status_code == 404
    actions = {action for who, action, subject in done(state) if subject == "maria"}
    assert actions == {
        *("user_added", "user_changed", "user_disabled", "user_enabled", "password_changed"),
        "user_removed",
    }


async def test_one_of_many_is_found(admin: httpx.AsyncClient, state: WebState) -> None:
    for number in range(12):
        make_user(state.write, f"user{number}", Role.SUPERVISOR, departments=("sales",))
    make_user(state.write, "maria", Role.MANAGER, agent="ivanov")

    def names(text: str) -> list[str]:
        return re.findall(r'href="/users/name/([^"]+)"', text)

    assert len(names((await admin.get("/users")).text)) == 14
    assert names((await admin.get("/users", params={"q": "MARI"})).text) == ["maria"]
    assert names((await admin.get("/users", params={"q": "иванов"})).text) == ["maria"]
    assert len(names((await admin.get("/users", params={"q": "sales"})).text)) == 12
    nobody = (await admin.get("/users", params={"q": "<nobody>"})).text
    assert names(nobody) == []
    assert "Никого не найдено" in nobody
    assert "<nobody>" not in nobody


async def test_the_last_admin_stays_one(admin: httpx.AsyncClient, state: WebState) -> None:
    path = "/users/name/root"
    for answer in (
        await post(admin, f"{path}/disable"),
        await post(admin, f"{path}/remove"),
        await post(admin, path, role="supervisor", departments=["*"]),
    ):
        assert answer.status_code == 400
        assert "последний администратор" in answer.text
    assert (await admin.get("/users")).status_code == 200


async def test_a_name_of_signs_that_mean_something_elsewhere(
    admin: httpx.AsyncClient, state: WebState
) -> None:
    for name in ("a@b.ru", "_.-@", "new"):
        make_user(state.write, name)
        path = f"/users/name/{quote(name, safe='')}"
        assert f'href="{path}"' in (await admin.get("/users")).text
        assert (await admin.get(path)).status_code == 200
    evil = quote("<script>", safe="")
    for none in (evil, "%00", "a%0Ab", "x" * 65):
        assert (await admin.get(f"/users/name/{none}")).status_code == 400
    assert (await admin.get("/users/name/nobody")).status_code == 404
    assert (await admin.get("/audit?who=%00&action=%00&before=%00")).status_code == 200


async def test_a_token_is_shown_once_and_revoked(admin: httpx.AsyncClient, state: WebState) -> None:
    answer = await post(
        admin,
        "/tokens/new",
        name="CRM",
        scopes=["calls:read", "click:write"],
        departments=["sales"],
        days="90",
    )
    (secret,) = re.findall(r'value="(vrk_[\w-]{43})"', answer.text)

    assert answer.headers["cache-control"] == "no-store"
    (token,) = list_tokens(state.read)
    assert token.scopes == (Scope.CALLS_READ, Scope.CLICK_WRITE)
    assert token.departments == ("sales",)
    assert token.created_by == "root"
    assert token.expires_at is not None
    listed = (await admin.get("/tokens")).text
    assert secret not in listed
    assert token.prefix in listed
    assert await state.door.by_token(secret) is not None
    revoked = await post(admin, "/tokens/revoke", token_id=token.token_id)
    assert revoked.headers["location"] == "/tokens?done=revoked"
    assert await state.door.by_token(secret) is None
    assert "Отозван" in (await admin.get("/tokens")).text
    assert {("root", "token_added", token.prefix), ("root", "token_revoked", token.prefix)} <= done(
        state
    )


@pytest.mark.parametrize(
    ("form", "status", "text"),
    [
        ({"name": ""}, 400, "Назовите программу"),
        ({"scopes": []}, 400, "хотя бы одно"),
        ({"scopes": ["everything"]}, 400, ""),
        ({"departments": []}, 400, "хотя бы один отдел"),
        ({"departments": ["none"]}, 400, "отдела нет в плане"),
        ({"days": "100000"}, 400, "срок"),
        ({"days": "x"}, 400, ""),
    ],
)
async def test_a_token_of_no_sense_is_not_made(
    admin: httpx.AsyncClient, state: WebState, form: dict[str, object], status: int, text: str
) -> None:
    whole = {"name": "CRM", "scopes": ["calls:read"], "departments": ["*"], "days": "30", **form}
    answer = await post(admin, "/tokens/new", **whole)

    assert answer.status_code == status
    assert text in answer.text
    assert list_tokens(state.read) == []


async def test_ones_own_password_is_changed_by_who_knows_it(
    admin: httpx.AsyncClient, app: FastAPI, state: WebState
) -> None:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://pbx.test") as elsewhere:
        await sign_in(elsewhere, "root")
        for current, new, again, text in (
            ("wrong", OTHER, OTHER, "Нынешний пароль не подходит"),
            (PASSWORD, OTHER, OTHER + "x", "по-разному"),
            (PASSWORD, "short", "short", "слишком короткий"),
        ):
            form = {"current": current, "password": new, "again": again}
            answer = await post(admin, "/account/password", **form)
            assert (answer.status_code, text in answer.text) == (400, True)
        form = {"current": PASSWORD, "password": OTHER, "again": OTHER}
        answer = await post(admin, "/account/password", **form)

        assert answer.headers["location"] == "/account?done=password"
        assert (await admin.get("/account")).status_code == 200
        assert (await elsewhere.get("/account")).status_code == 303
        assert (await sign_in(elsewhere, "root", OTHER)).status_code == 303


async def test_guessing_at_an_open_browser_becomes_slow(admin: httpx.AsyncClient) -> None:
    form = {"current": "wrong", "password": OTHER, "again": OTHER}
    statuses = [(await post(admin, "/account/password", **form)).status_code for _ in range(7)]

    assert statuses == [400] * 6 + [429]


async def test_ones_own_sessions_end_one_by_one_and_only_ones_own(
    admin: httpx.AsyncClient, app: FastAPI, state: WebState
) -> None:
    make_user(state.write, "maria")
    transport = httpx.ASGITransport(app)
    agent = {"User-Agent": "Mozilla/5.0 (Windows NT 10.0) Firefox/140.0"}
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://pbx.test", headers=agent) as second,
        httpx.AsyncClient(transport=transport, base_url="http://pbx.test") as maria,
    ):
        await sign_in(second, "root")
        await sign_in(maria, "maria")
        text = (await admin.get("/account")).text
        assert "Firefox, Windows" in text
        (other,) = re.findall(r'action="/account/sessions/([0-9a-f]{64})"', text)
        theirs = re.findall(r"/account/sessions/([0-9a-f]{64})", (await maria.get("/account")).text)
        assert theirs == []

        assert (await post(maria, f"/account/sessions/{other}")).status_code == 303
        assert (await second.get("/account")).status_code == 200
        await post(admin, f"/account/sessions/{other}")
        assert (await second.get("/account")).status_code == 303
        await post(admin, "/users/name/maria/sessions")
        assert (await maria.get("/account")).status_code == 303


async def test_the_audit_log_is_filtered_and_paged(
    admin: httpx.AsyncClient, state: WebState
) -> None:
    maria = Actor("user", "maria", "192.0.2.1")
    for n in range(ROWS + 20):
        at = MADE_AT + timedelta(minutes=n)
        write_note(state.write, maria, "listened", f"call-{n}", {"seconds": n}, at=at)
    place = {"role": "manager", "departments": [], "agent": "ivanov"}
    changed = {"before": {"role": "supervisor", "departments": ["*"]}, "after": place}
    write_note(state.write, maria, "user_changed", "oleg", changed, at=MADE_AT)
    write_note(
        state.write,
        Actor("token", "<u>crm</u>"),
        "exported",
        "<b>x</b>",
        {"<i>": ["<u>"]},
        at=MADE_AT,
    )

    first = (await admin.get("/audit", params={"who": "maria"})).text
    assert "call-119<" in first
    assert "call-20<" in first
    assert "call-19<" not in first
    (older,) = re.findall(r'href="(/audit\?[^"]*before=[^"]*)"', first)
    second = (await admin.get(older.replace("&amp;", "&"))).text
    assert "call-19<" in second
    assert "call-0<" in second
    assert "call-20<" not in second
    assert 'rel="next"' not in second

    everything = (await admin.get("/audit", params={"until": "2026-03-02"})).text
    assert "Прослушана запись" in everything
    tokens = (await admin.get("/audit", params={"action": "exported"})).text
    assert "call-" not in tokens
    for text in ("&lt;u&gt;crm", "&lt;b&gt;x", "&lt;i&gt;: &lt;u&gt;"):
        assert text in tokens
    changes = (await admin.get("/audit", params={"action": "user_changed"})).text
    assert (
        "было: роль Руководитель, отделы Все отделы; стало: роль Менеджер, менеджер плана ivanov<"
        in changes
    )
    empty = (await admin.get("/audit", params={"since": "2031-01-01", "who": "maria"})).text
    assert "Ничего не найдено" in empty
    for odd in ("9999-12-31", "x", "2026-02-31"):
        assert (await admin.get("/audit", params={"until": odd, "before": odd})).status_code == 200


def test_what_cannot_be_told_is_not_done(settings: WebSettings) -> None:
    """A line is written in the transaction of what it tells of: no line, no change."""
    engine = open_for_writing(settings.database)

    def refuse(_: object, __: object, statement: str, *___: object) -> None:
        if statement.startswith("INSERT INTO audit"):
            raise RuntimeError("no line can be written")

    event.listen(engine, "before_cursor_execute", refuse)
    with pytest.raises(RuntimeError):
        make_user(engine, "maria")
    event.remove(engine, "before_cursor_execute", refuse)

    assert list_users(engine) == []


def test_every_action_has_words() -> None:
    for language in LANGUAGES:
        words = texts(language).some(["audit.action."])
        assert set(words) == {f"audit.action.{one}" for one in get_args(Action)}
