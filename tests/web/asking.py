"""Who asks in tests of the API, and asks for what."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from pbx.web.access import SCOPES, Kind, Principal, Role, Scope, Staff, signed_in
from tests.web.conftest import HOST

API = "/api/v1"


def somebody(
    staff: Staff,
    role: Role = Role.ADMIN,
    *,
    departments: Iterable[str] = (),
    agent_id: str | None = None,
    scopes: Iterable[Scope] | None = None,
) -> Principal:
    """Of this role, with all that it may do unless ``scopes`` say less."""
    allowed = SCOPES[role] if scopes is None else frozenset(scopes)
    return Principal(
        Kind.TOKEN, "crm", role, frozenset(departments), agent_id, allowed, staff=staff
    )


@asynccontextmanager
async def asking(app: FastAPI, principal: Principal) -> AsyncIterator[httpx.AsyncClient]:
    """A program, as this principal; addresses are below the API's."""
    app.dependency_overrides[signed_in] = lambda: principal
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=f"{HOST}{API}") as client:
        yield client
    del app.dependency_overrides[signed_in]
