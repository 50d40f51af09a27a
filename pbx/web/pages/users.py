"""Users: who may come in, as what."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from pbx.errors import AccountError
from pbx.web.access import needs
from pbx.web.accounts.audit import actor_of
from pbx.web.accounts.passwords import MIN_LENGTH, Crowded, check_new
from pbx.web.accounts.sessions import end_all, last_seen, sessions_of
from pbx.web.accounts.users import (
    Place,
    add_user,
    change_place,
    check_name,
    check_place,
    disable_user,
    enable_user,
    find_user,
    list_users,
    remove_user,
    set_password,
)
from pbx.web.html import page
from pbx.web.principal import Principal, Role, Scope
from pbx.web.state import State, WebState

router = APIRouter(prefix="/users")

Admin = Annotated[Principal, Depends(needs(Scope.ADMIN))]
Name = Annotated[str, Path(pattern=r"^\w[\w.@-]{0,63}$")]
DONE = frozenset(
    {"added", "changed", "password", "disabled", "enabled", "removed", "sessions", "session"}
)
"""What has just been done, in the address that one is sent to."""


@dataclass(frozen=True, slots=True)
class Typed:
    """What stands in the form."""

    name: str = ""
    role: str = Role.MANAGER.value
    departments: tuple[str, ...] = ()
    agent: str = ""
    password: str = ""


@router.get("", response_class=HTMLResponse)
async def all_users(
    request: Request,
    state: State,
    principal: Admin,
    done: str = "",
    q: Annotated[str, Query(max_length=64)] = "",
) -> HTMLResponse:
    """Everyone, or those whose name, department or manager holds ``q``."""
    everyone = await state.in_thread(list_users, state.read)
    agents = agents_of(state)
    wanted = q.strip().casefold()
    found = [
        one
        for one in everyone
        if any(
            wanted in text.casefold()
            for text in (
                one.name,
                *one.departments,
                one.agent or "",
                agents.get(one.agent or "", ""),
            )
        )
    ]
    return page(
        request,
        "users.html",
        principal,
        users=found,
        total=len(everyone),
        may=sum(one.disabled_at is None for one in everyone),
        q=q,
        seen=await state.in_thread(last_seen, state.read),
        agents=agents,
        done=done if done in DONE else "",
    )


@router.get("/new", response_class=HTMLResponse)
async def new(request: Request, state: State, principal: Admin) -> HTMLResponse:
    """The form, with a password that is hard to guess."""
    return _new(request, state, principal, Typed(password=secrets.token_urlsafe(12)))


@router.post("/new", response_class=HTMLResponse)
async def add(
    request: Request,
    state: State,
    principal: Admin,
    role: Annotated[Role, Form()],
    name: Annotated[str, Form()] = "",
    departments: Annotated[list[str] | None, Form()] = None,
    agent: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
) -> Response:
    """Make one."""
    typed = Typed(name, role.value, tuple(departments or ()), agent, password)
    try:
        kept = check_name(name)
        place = check_place(Place(role, typed.departments, agent.strip() or None), state.staff)
        check_new(kept, password)
        hashed = await state.door.passwords.hash(password)
        await state.in_thread(
            add_user, state.write, kept, place, hashed, by=actor_of(principal), at=state.now()
        )
    except (AccountError, Crowded) as error:
        return _new(request, state, principal, typed, kind_of(error))
    return RedirectResponse("/users?done=added", 303)


@router.get("/name/{name}", response_class=HTMLResponse)
async def one(
    request: Request, state: State, principal: Admin, name: Name, done: str = ""
) -> HTMLResponse:
    """One user."""
    return await _one(request, state, principal, name, done=done if done in DONE else "")


@router.post("/name/{name}", response_class=HTMLResponse)
async def change(
    request: Request,
    state: State,
    principal: Admin,
    name: Name,
    role: Annotated[Role, Form()],
    departments: Annotated[list[str] | None, Form()] = None,
    agent: Annotated[str, Form()] = "",
) -> Response:
    """Another role, other departments."""
    typed = Typed(name, role.value, tuple(departments or ()), agent)
    try:
        place = check_place(Place(role, typed.departments, agent.strip() or None), state.staff)
        await state.in_thread(
            change_place, state.write, name, place, by=actor_of(principal), at=state.now()
        )
    except AccountError as error:
        return await _one(request, state, principal, name, typed=typed, why=kind_of(error))
    return RedirectResponse(address(name, "changed"), 303)


@router.post("/name/{name}/password", response_class=HTMLResponse)
async def password(
    request: Request,
    state: State,
    principal: Admin,
    name: Name,
    password: Annotated[str, Form()] = "",
) -> Response:
    """Another password."""
    try:
        check_new(name, password)
        hashed = await state.door.passwords.hash(password)
        await state.in_thread(
            set_password, state.write, name, hashed, by=actor_of(principal), at=state.now()
        )
    except (AccountError, Crowded) as error:
        return await _one(request, state, principal, name, password_why=kind_of(error))
    return RedirectResponse(address(name, "password"), 303)


@router.post("/name/{name}/disable", response_class=HTMLResponse)
async def disable(request: Request, state: State, principal: Admin, name: Name) -> Response:
    """Let in no more."""
    return await _do(request, state, principal, name, disable_user, address(name, "disabled"))


@router.post("/name/{name}/enable", response_class=HTMLResponse)
async def enable(request: Request, state: State, principal: Admin, name: Name) -> Response:
    """Let in again."""
    return await _do(request, state, principal, name, enable_user, address(name, "enabled"))


@router.post("/name/{name}/remove", response_class=HTMLResponse)
async def remove(request: Request, state: State, principal: Admin, name: Name) -> Response:
    """Take away."""
    return await _do(request, state, principal, name, remove_user, "/users?done=removed")


@router.post("/name/{name}/sessions", response_class=HTMLResponse)
async def sessions(request: Request, state: State, principal: Admin, name: Name) -> Response:
    """Sign out everywhere."""
    return await _do(request, state, principal, name, end_all, address(name, "sessions"))


def address(name: str, done: str = "") -> str:
    """The page of a user."""
    return f"/users/name/{quote(name, safe='')}" + (f"?done={done}" if done else "")


def agents_of(state: WebState) -> dict[str, str]:
    """The plan's managers: their names, by key."""
    return {str(key): one.name for key, one in state.plan.routing.agents.items()}


def departments_of(state: WebState) -> list[str]:
    """The plan's departments."""
    return sorted({one for one in state.staff.departments.values() if one})


def kind_of(error: Exception) -> str:
    """The text that tells why not: ``accounts.why.<kind>``."""
    return error.kind if isinstance(error, AccountError) else "crowded"


async def _do(
    request: Request,
    state: WebState,
    principal: Principal,
    name: str,
    work: Callable[..., None],
    to: str,
) -> Response:
    try:
        await state.in_thread(work, state.write, name, by=actor_of(principal), at=state.now())
    except AccountError as error:
        return await _one(request, state, principal, name, why=kind_of(error))
    return RedirectResponse(to, 303)


def _new(
    request: Request, state: WebState, principal: Principal, typed: Typed, why: str = ""
) -> HTMLResponse:
    return page(
        request,
        "users_new.html",
        principal,
        status=400 if why else 200,
        typed=typed,
        why=why,
        **_known(state),
    )


async def _one(
    request: Request,
    state: WebState,
    principal: Principal,
    name: str,
    *,
    typed: Typed | None = None,
    why: str = "",
    password_why: str = "",
    done: str = "",
) -> HTMLResponse:
    found = await state.in_thread(find_user, state.read, name)
    if found is None:
        raise HTTPException(404)
    user = found[0]
    kept = Typed(user.name, user.role.value, user.departments, user.agent or "")
    return page(
        request,
        "users_one.html",
        principal,
        status=400 if why or password_why else 200,
        user=user,
        address=address(user.name),
        typed=typed or kept,
        sessions=await state.in_thread(sessions_of, state.read, user.name, state.now()),
        why=why,
        password_why=password_why,
        done=done,
        **_known(state),
    )


def _known(state: WebState) -> dict[str, Any]:
    return {
        "roles": [one.value for one in Role],
        "departments": departments_of(state),
        "agents": agents_of(state),
        "min_length": MIN_LENGTH,
    }
