"""One's own account: the password, and where one is signed in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pbx.errors import AccountError
from pbx.web.access import SignedIn
from pbx.web.accounts.audit import SESSION_ENDED, actor_of
from pbx.web.accounts.doorkeeper import Refused
from pbx.web.accounts.passwords import MIN_LENGTH, Crowded, check_new
from pbx.web.accounts.sessions import end_session, sessions_of
from pbx.web.accounts.users import set_password
from pbx.web.html import page
from pbx.web.pages.users import DONE, agents_of, kind_of
from pbx.web.principal import Principal
from pbx.web.state import State, WebState

router = APIRouter(prefix="/account")

SessionId = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]


@router.get("", response_class=HTMLResponse)
async def account(
    request: Request, state: State, principal: SignedIn, done: str = ""
) -> HTMLResponse:
    """The page."""
    return await _page(request, state, principal, done=done if done in DONE else "")


@router.post("/password", response_class=HTMLResponse)
async def password(
    request: Request,
    state: State,
    principal: SignedIn,
    current: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    again: Annotated[str, Form()] = "",
) -> Response:
    """Another password, by who knows the one of now; every other browser is signed out."""
    try:
        if password != again:
            raise AccountError("differs", "the two are not the same")
        check_new(principal.name, password)
        refused = await state.door.knows(principal.name, current, principal.address)
        if refused is not None:
            return await _page(request, state, principal, why=f"current_{refused.why}", no=refused)
        hashed = await state.door.passwords.hash(password)
        await state.in_thread(
            set_password,
            state.write,
            principal.name,
            hashed,
            by=actor_of(principal),
            at=state.now(),
            keep=request.state.session.session_id,
        )
    except (AccountError, Crowded) as error:
        return await _page(request, state, principal, why=kind_of(error))
    return RedirectResponse("/account?done=password", 303)


@router.post("/sessions/{session_id}")
async def end(
    request: Request, state: State, principal: SignedIn, session_id: SessionId
) -> Response:
    """Sign out one browser of one's own."""
    await state.in_thread(
        end_session,
        state.write,
        session_id,
        principal.name,
        by=actor_of(principal),
        action=SESSION_ENDED,
        at=state.now(),
    )
    return RedirectResponse("/account?done=session", 303)


async def _page(
    request: Request,
    state: WebState,
    principal: Principal,
    *,
    why: str = "",
    done: str = "",
    no: Refused | None = None,
) -> HTMLResponse:
    status = 200 if not why else 429 if no is not None and no.wait_s else 400
    return page(
        request,
        "account.html",
        principal,
        status=status,
        sessions=await state.in_thread(sessions_of, state.read, principal.name, state.now()),
        own=request.state.session.session_id,
        agents=agents_of(state),
        min_length=MIN_LENGTH,
        why=why,
        wait_s=round(no.wait_s + 0.5) if no is not None else 0,
        done=done,
    )
