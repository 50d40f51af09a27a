"""What is answered when something is not to be had: a page for a browser, problem+json (RFC 9457)
for a program.  Nothing that a client sends raises out of here."""

from __future__ import annotations

import math
from http import HTTPStatus
from urllib.parse import urlencode

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pbx.errors import PbxError
from pbx.web.access import Forbidden, NotSignedIn
from pbx.web.accounts.doorkeeper import TooOften
from pbx.web.csrf import SAFE, CrossSite
from pbx.web.html import page
from pbx.web.live import TooManyViewers

_log = structlog.get_logger(__name__)

API = "/api/"
LOGIN = "/login"
_TOLD = frozenset({400, 403, 404, 413, 429, 503})
"""Those that have words of their own (texts/*/error.toml); others are told in general."""
_NOT_AS_IT_SHOULD = "the request is not as it should be"


def problem(status: int, detail: str = "", **more: object) -> Response:
    """An answer to a program."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    if detail:
        body["detail"] = detail
    return Response(orjson.dumps({**body, **more}), status, media_type="application/problem+json")


def fault(request: Request, status: int, detail: str = "") -> Response:
    """An answer in the form that the client reads."""
    if request.url.path.startswith(API):
        return problem(status, detail)
    principal = getattr(request.state, "principal", None)
    kind = str(status) if status in _TOLD else "other"
    return page(request, "error.html", principal, status=status, code=status, kind=kind)


def install(app: FastAPI) -> None:
    """Answer each of our errors, and any other."""

    @app.exception_handler(NotSignedIn)
    async def not_signed_in(request: Request, error: NotSignedIn) -> Response:
        if request.url.path.startswith(API):
            response = problem(401)
            response.headers["WWW-Authenticate"] = "Bearer"
            return response
        if request.method in SAFE and request.headers.get("sec-fetch-site") == "cross-site":
            # Who comes by a link from elsewhere (a mail, the CRM) comes without the session's
            # cookie: it is SameSite=Strict.  A page of ours that asks again brings it.
            return page(request, "again.html", None, to=request.url.path, query=request.url.query)
        to = request.url.path if request.method in SAFE else "/"
        if request.method in SAFE and request.url.query:
            to += f"?{request.url.query}"
        return RedirectResponse(f"{LOGIN}?{urlencode({'next': to})}" if to != "/" else LOGIN, 303)

    @app.exception_handler(Forbidden)
    @app.exception_handler(CrossSite)
    async def forbidden(request: Request, error: Exception) -> Response:
        return fault(request, 403)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 400 and request.url.path.startswith(API):
            # FastAPI's word, and nobody else's, for a body that is no text; bad JSON is its 422.
            unread = [{"where": ["body"], "what": "is no JSON in UTF-8"}]
            return problem(422, _NOT_AS_IT_SHOULD, errors=unread)
        response = fault(request, error.status_code, str(error.detail or ""))
        for name, value in (error.headers or {}).items():
            response.headers[name] = value
        return response

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        if not request.url.path.startswith(API):
            return fault(request, 400)
        faults = [
            {"where": [str(part) for part in one["loc"]], "what": str(one["msg"])}
            for one in error.errors()[:50]
        ]
        return problem(422, _NOT_AS_IT_SHOULD, errors=faults)

    @app.exception_handler(TooOften)
    async def too_often(request: Request, error: TooOften) -> Response:
        request.app.state.web.metrics.limited()
        response = problem(429, str(error))
        response.headers["Retry-After"] = str(math.ceil(error.wait_s))
        return response

    @app.exception_handler(TooManyViewers)
    async def too_many(request: Request, error: TooManyViewers) -> Response:
        response = fault(request, 429, "too many look at what goes on")
        response.headers["Retry-After"] = "10"
        return response

    @app.exception_handler(PbxError)
    async def unavailable(request: Request, error: PbxError) -> Response:
        # May name a file or a host: for the log, not for the browser.
        _log.warning("page_failed", path=request.url.path, reason=str(error))
        return fault(request, 503)


class Unforeseen:
    """An error that nobody answers: told in the log, and the client hears that it was ours."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def note(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, note)
        except Exception:
            _log.exception("page_failed", path=scope["path"])
            if not begun:
                await fault(Request(scope), 500)(scope, receive, send)
