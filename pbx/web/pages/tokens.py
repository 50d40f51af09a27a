"""Tokens: which programs may ask the API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pbx.errors import AccountError
from pbx.web.accounts.audit import actor_of
from pbx.web.accounts.tokens import Paper, add_token, list_tokens, revoke_token
from pbx.web.accounts.users import check_departments
from pbx.web.html import page
from pbx.web.pages.users import Admin, departments_of
from pbx.web.principal import ALL_DEPARTMENTS, Principal, Scope
from pbx.web.state import State, WebState

router = APIRouter(prefix="/tokens")

DAYS = (30, 90, 365, 0)
"""How long a token may be good; 0: until it is revoked."""
DONE = frozenset({"revoked"})


@dataclass(frozen=True, slots=True)
class Typed:
    """What stands in the form."""

    name: str = ""
    scopes: tuple[str, ...] = ()
    departments: tuple[str, ...] = (ALL_DEPARTMENTS,)
    days: int = 365


@router.get("", response_class=HTMLResponse)
async def all_tokens(
    request: Request, state: State, principal: Admin, done: str = ""
) -> HTMLResponse:
    """All of them."""
    return page(
        request,
        "tokens.html",
        principal,
        tokens=await state.in_thread(list_tokens, state.read),
        done=done if done in DONE else "",
    )


@router.get("/new", response_class=HTMLResponse)
async def new(request: Request, state: State, principal: Admin) -> HTMLResponse:
    """The form."""
    return _new(request, state, principal, Typed())


@router.post("/new", response_class=HTMLResponse)
async def add(
    request: Request,
    state: State,
    principal: Admin,
    days: Annotated[int, Form()],
    name: Annotated[str, Form()] = "",
    scopes: Annotated[list[Scope] | None, Form()] = None,
    departments: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Make one; its secret stands in the answer, and nowhere else, ever."""
    typed = Typed(name, tuple(scopes or ()), tuple(departments or ()), days)
    now = state.now()
    try:
        if days not in DAYS:
            raise AccountError("expires", "not one of the spans offered")
        check_departments(typed.departments, state.staff)
        paper = Paper(
            name,
            frozenset(scopes or ()),
            typed.departments,
            now + timedelta(days=days) if days else None,
        )
        token, secret = await state.in_thread(
            add_token, state.write, paper, by=actor_of(principal), at=now
        )
    except AccountError as error:
        return _new(request, state, principal, typed, error.kind)
    return page(request, "tokens_shown.html", principal, token=token, secret=secret)


@router.post("/revoke")
async def revoke(
    state: State, principal: Admin, token_id: Annotated[str, Form(pattern=r"^[\w-]{1,64}$")]
) -> Response:
    """It opens nothing any more."""
    try:
        await state.in_thread(
            revoke_token, state.write, token_id, by=actor_of(principal), at=state.now()
        )
    except AccountError:
        return RedirectResponse("/tokens", 303)  # there is none: nothing to revoke
    return RedirectResponse("/tokens?done=revoked", 303)


def _new(
    request: Request, state: WebState, principal: Principal, typed: Typed, why: str = ""
) -> HTMLResponse:
    return page(
        request,
        "tokens_new.html",
        principal,
        status=400 if why else 200,
        typed=typed,
        why=why,
        scopes=[one.value for one in Scope],
        departments=departments_of(state),
        all_days=DAYS,
    )
