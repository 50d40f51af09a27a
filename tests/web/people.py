"""Users, and browsers and programs that come in as they do."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache
from typing import Any

import httpx
from argon2 import PasswordHasher
from sqlalchemy import Engine

from pbx.web.accounts.audit import Actor, AuditFilter, list_notes
from pbx.web.accounts.passwords import Passwords
from pbx.web.accounts.users import Place, add_user
from pbx.web.principal import Role

PASSWORD = "correct horse battery"
MADE_AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
BY = Actor("command", "root")


@cache
def quick() -> Passwords:
    """argon2 with the least effort: the same code, no waiting."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


def make_user(
    engine: Engine,
    name: str,
    role: Role = Role.ADMIN,
    *,
    departments: tuple[str, ...] = (),
    agent: str | None = None,
) -> None:
    hashed = quick().hash_now(PASSWORD)
    add_user(engine, name, Place(role, departments, agent), hashed, by=BY, at=MADE_AT)


def noted(engine: Engine, *actions: str) -> list[tuple[str, str, dict[str, Any]]]:
    """What the audit log has of these actions, the oldest first: action, subject, details."""
    found = list_notes(engine, AuditFilter(limit=500))[::-1]
    return [(one.action, one.subject, dict(one.details)) for one in found if one.action in actions]


async def csrf_of(browser: httpx.AsyncClient, path: str = "/login") -> str:
    """The token that a page of ours gives."""
    (found,) = re.findall(r'name="csrf" content="([0-9a-f]+)"', (await browser.get(path)).text)
    return str(found)


async def sign_in(
    browser: httpx.AsyncClient, name: str, password: str = PASSWORD, *, next: str = "/"
) -> httpx.Response:
    """As the form does."""
    csrf = await csrf_of(browser)
    form = {"csrf": csrf, "name": name, "password": password, "next": next}
    return await browser.post("/login", data=form)
