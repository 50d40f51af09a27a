"""Who asks: a browser by its session's cookie, a program by its token.

House rules: each page and each resource but the few of ``doors.OPEN`` depends on ``signed_in``,
mostly by ``needs``; a test walks all routes.  A request that changes something and comes by cookie
is checked against other sites here, once for all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from pbx.web import csrf
from pbx.web.principal import (
    ALL_DEPARTMENTS,
    SCOPES,
    Kind,
    Principal,
    Role,
    Scope,
    Staff,
)

if TYPE_CHECKING:
    from pbx.settings import WebSettings
    from pbx.web.state import WebState

__all__ = [
    "ALL_DEPARTMENTS",
    "SCOPES",
    "Forbidden",
    "Kind",
    "NotSignedIn",
    "Principal",
    "Role",
    "Scope",
    "SignedIn",
    "Staff",
    "needs",
    "signed_in",
    "still_signed_in",
]

API = "/api/"
_bearer = HTTPBearer(auto_error=False, description="A token of the page /tokens or `pbx tokens`.")


class NotSignedIn(Exception):
    """Nobody has shown who they are: a browser is sent to the login, a program gets 401."""


class Forbidden(Exception):
    """They have, and it is not for them."""


async def signed_in(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)] = None,
) -> Principal:
    """FastAPI's dependency: who asks.  Raises NotSignedIn, CrossSite, TooOften and JournalError.

    ``request.state.principal`` is the same; ``request.state.session`` the browser's, if it is one.
    """
    if bearer is not None and request.url.path.startswith(API):
        principal = await _program(request, bearer.credentials)
    else:
        principal = await _browser(request)
        await csrf.check(request, request.state.cookie)
    request.state.principal = principal
    return principal


async def still_signed_in(request: Request) -> bool:
    """Asked now and then by an answer that goes on for long: whether it may go on.

    Raises JournalError.
    """
    state: WebState = request.app.state.web
    session = getattr(request.state, "session", None)
    if session is not None:
        return await state.door.by_cookie(request.state.cookie) is not None
    token = getattr(request.state, "token", None)
    return token is None or await state.door.by_token(token) is not None


def cookie_name(settings: WebSettings) -> str:
    """Of a session.  By https it has the prefix that browsers let no other host set."""
    return "__Host-voronka" if settings.secure else "voronka"


def address_of(request: Request) -> str:
    """Where the request comes from; behind a proxy on this machine, as it says."""
    return request.client.host if request.client is not None else ""


async def _program(request: Request, secret: str) -> Principal:
    state: WebState = request.app.state.web
    token = await state.door.asks(secret, address_of(request))
    if token is None:
        raise NotSignedIn
    request.state.token = secret
    return token.principal(state.staff, address_of(request))


async def _browser(request: Request) -> Principal:
    state: WebState = request.app.state.web
    cookie = request.cookies.get(cookie_name(state.settings), "")
    found = await state.door.by_cookie(cookie)
    if found is None:
        raise NotSignedIn
    user, session = found
    request.state.cookie = cookie
    request.state.session = session
    return user.principal(state.staff, address_of(request))


SignedIn = Annotated[Principal, Depends(signed_in)]


def needs(scope: Scope) -> Callable[..., Awaitable[Principal]]:
    """FastAPI's dependency: who asks, and may do this.

    ``principal: Annotated[Principal, Depends(needs(Scope.CALLS_READ))]``
    """

    async def allowed(principal: SignedIn) -> Principal:
        if not principal.may(scope):
            raise Forbidden
        return principal

    return allowed
