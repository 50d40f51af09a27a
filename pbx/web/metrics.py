"""The page's own metrics for Prometheus.

House rules: as pbx/metrics.py: nothing is decided here, and no label takes a value that somebody
sends.  A request is told by its route's template, never by its path; what has no route is
``other``.  They are served apart from the page (serve.py), on an address of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pbx.version import version
from pbx.web.accounts.audit import Action

OTHER = "other"
"""In place of a route: there is none."""
FILES = "files"
"""In place of a route: the page's own files."""
ANSWER_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)

Login = Literal["let_in", "wrong", "slowed", "crowded"]
"""What became of a login, as ``doorkeeper.Why``."""
MailResult = Literal["sent", "failed", "given_up", "refused"]
"""What became of a report's mail: ``failed`` is tried again, the last two are not."""


class WebMetrics:
    """Everything of the page on /metrics.  One for each registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # untyped upstream
        self.registry = registry

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"voronka_web_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"voronka_web_{name}", text, registry=registry)

        self._requests = counter("requests", "Requests, by route.", "route", "status")
        self._answer_s = Histogram(
            "voronka_web_answer_seconds",
            "From a request to the beginning of its answer.",
            ["route"],
            buckets=ANSWER_S,
            registry=registry,
        )
        self._viewers = gauge("viewers", "Who looks at what goes on: open streams.")
        self._engine = gauge("engine_seen", "1 while the page hears the engine.")
        self._logins = counter("logins", "Logins, by what became of them.", "result")
        self._actions = counter("actions", "What the audit log was told of.", "action")
        self._limited = counter("limited", "Requests refused: a token asks too often.")
        self._mails = counter("report_mails", "Reports by mail, by what became of it.", "result")
        self._mails_read = gauge(
            "report_mails_readable", "0 when VORONKA_REPORTS_FILE could not be read."
        )
        self._mails_read.set(1)
        Info("voronka_web_build", "The program.", registry=registry).info({"version": version()})
        # A counter that begins with its first failure never grows.
        for login in get_args(Login):
            self._logins.labels(login)
        for result in get_args(MailResult):
            self._mails.labels(result)
        for action in get_args(Action):
            self._actions.labels(action)

    def live_source(self, viewers: Callable[[], int], engine: Callable[[], bool]) -> None:
        """Ask these for how many look, and whether the engine is heard."""
        self._viewers.set_function(viewers)
        self._engine.set_function(engine)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """A request; ``seconds``: until its answer began."""
        self._requests.labels(route, f"{status // 100}xx").inc()
        self._answer_s.labels(route).observe(seconds)

    def login(self, result: Login) -> None:
        """Somebody tried to come in."""
        self._logins.labels(result).inc()

    def noted(self, action: Action) -> None:
        """Somebody did something that stands in the audit log."""
        self._actions.labels(action).inc()

    def limited(self) -> None:
        """A program asked too often."""
        self._limited.inc()

    def report_mail(self, result: MailResult) -> None:
        """A report was to be sent."""
        self._mails.labels(result).inc()

    def report_mails_unreadable(self) -> None:
        """Nobody knows which are to be sent."""
        self._mails_read.set(0)


class Counted:
    """Counts every request.  Plain ASGI, outermost: a stream's time ends where it begins.

    ``files``: where the page's own files are; ``api``: below what the API's routes are.
    """

    def __init__(self, app: ASGIApp, *, files: str, api: str) -> None:
        self._app = app
        self._files = f"{files}/"
        self._api = f"{api}/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        metrics: WebMetrics = scope["app"].state.web.metrics
        began = time.perf_counter()

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                took = time.perf_counter() - began
                metrics.answered(self._route(scope), message["status"], took)
            await send(message)

        await self._app(scope, receive, note)

    def _route(self, scope: Scope) -> str:
        """The router has left it in the scope, without what stands before a router's own routes."""
        path: str = scope["path"]
        if (found := getattr(scope.get("route"), "path", None)) is not None:
            return f"{self._api[:-1]}{found}" if path.startswith(self._api) else str(found)
        return FILES if path.startswith(self._files) else OTHER
