"""Coming in and going out."""

from __future__ import annotations

import math
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pbx.web import csrf
from pbx.web.access import SignedIn, address_of, cookie_name
from pbx.web.accounts.doorkeeper import Refused, Why
from pbx.web.accounts.keys import new_secret
from pbx.web.accounts.sessions import LONGEST
from pbx.web.accounts.users import any_user
from pbx.web.html import page
from pbx.web.pages.preferences import inside
from pbx.web.state import State, WebState

router = APIRouter()

_STATUS = {Why.WRONG: 403, Why.SLOWED: 429, Why.CROWDED: 503}
CROWDED_S = 5
"""When to come again where many do at once, seconds."""


def visit_name(state: WebState) -> str:
    """The cookie of who is not in yet: what the login form's token is made of."""
    return f"{cookie_name(state.settings)}_visit"


@router.get("/login", response_class=HTMLResponse)
async def login_page(request: Request, state: State, next: str = "/") -> Response:
    """The form; who is in already goes on."""
    cookie = request.cookies.get(cookie_name(state.settings), "")
    if cookie and await state.door.by_cookie(cookie) is not None:
        return RedirectResponse(inside(next), 303)
    return await _form(request, state, next)


@router.post("/login", response_class=HTMLResponse)
async def login(
    request: Request,
    state: State,
    name: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",
) -> Response:
    """Let in, or say in one sentence why not."""
    try:
        await csrf.check(request, request.cookies.get(visit_name(state), ""))
    except csrf.CrossSite:
        return await _form(request, state, next, name=name, why="stale", status=403)
    result = await state.door.let_in(
        name,
        password,
        address=address_of(request),
        browser=request.headers.get("user-agent", ""),
        instead_of=request.cookies.get(cookie_name(state.settings), ""),
    )
    state.metrics.login(result.why.value if isinstance(result, Refused) else "let_in")
    if isinstance(result, Refused):
        wait_s = CROWDED_S if result.why is Why.CROWDED else math.ceil(result.wait_s)
        response = await _form(
            request,
            state,
            next,
            name=name,
            why=result.why,
            wait_s=wait_s,
            status=_STATUS[result.why],
        )
        if wait_s:
            response.headers["Retry-After"] = str(wait_s)
        return response
    response = RedirectResponse(inside(next), 303)
    response.set_cookie(
        cookie_name(state.settings),
        result.secret,
        max_age=int(LONGEST.total_seconds()),
        secure=state.settings.secure,
        httponly=True,
        samesite="strict",
    )
    response.delete_cookie(visit_name(state), secure=state.settings.secure, httponly=True)
    return response


@router.post("/logout")
async def logout(request: Request, state: State, principal: SignedIn) -> Response:
    """End the session."""
    cookie: str = request.state.cookie
    await state.door.let_out(principal.name, cookie, principal.address)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(
        cookie_name(state.settings), secure=state.settings.secure, httponly=True, samesite="strict"
    )
    return response


async def _form(
    request: Request,
    state: WebState,
    next: str,
    *,
    name: str = "",
    why: str = "",
    wait_s: int = 0,
    status: int = 200,
) -> Response:
    visit = request.cookies.get(visit_name(state), "")
    fresh = not visit
    request.state.cookie = visit = visit or new_secret()
    response = page(
        request,
        "login.html",
        None,
        status=status,
        next=inside(next),
        typed=name,
        why=why,
        wait_s=wait_s,
        nobody=not await state.in_thread(any_user, state.read),
    )
    if fresh:
        response.set_cookie(
            visit_name(state),
            visit,
            secure=state.settings.secure,
            httponly=True,
            samesite="strict",
        )
    return response
