"""The page as a process: uvicorn around the application, until SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import socket
import sys
import threading
from collections.abc import Callable

import structlog
import uvicorn

from pbx.errors import SettingsError
from pbx.http import start_http_when_free
from pbx.logs import set_up_logs
from pbx.settings import WebSettings
from pbx.web.app import build_app
from pbx.web.state import WebState

_log = structlog.get_logger(__name__)

CONNECTIONS = 2_000
"""At once; above them 503."""
GOODBYE_S = 2
"""How long answers under way may take at the end, seconds."""
METRICS_AGAIN_S = 30.0
"""When a port for metrics that is taken is tried again, seconds."""
NICENESS = 5
"""How far behind the engine the page stands in line for a processor."""
OOM_SCORE = 500
"""When memory runs out, the page goes before the engine."""


class Server(uvicorn.Server):
    """Ends viewers' streams first: they would go on for ever."""

    def __init__(self, config: uvicorn.Config, on_exit: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_exit = on_exit

    async def shutdown(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Called once, when asked to stop."""
        self._on_exit()
        await super().shutdown(sockets)  # type: ignore[arg-type]


def serve(settings: WebSettings, *, beside_engine: bool = False) -> None:
    """Serve until SIGTERM or Ctrl-C.  ``beside_engine``: started by ``pbx run``, ends with it.

    Raises PlanError, JournalError, SettingsError, OSError.
    """
    set_up_logs(settings.log_format, settings.log_level)
    if beside_engine:
        _step_back()
    asyncio.run(_serve(settings, beside_engine))


async def _serve(settings: WebSettings, beside_engine: bool) -> None:
    listening = _listen(settings)
    state = WebState(settings)
    config = uvicorn.Config(
        build_app(state),
        log_config=None,
        access_log=False,
        server_header=False,
        # A proxy on this machine may tell whom it speaks for; nobody else.
        proxy_headers=True,
        forwarded_allow_ips="127.0.0.1,::1",
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=GOODBYE_S,
        ws="none",
    )
    server = Server(config, state.end_streams)
    if beside_engine:
        _end_with_parent(server, asyncio.get_running_loop())
    host, port = listening.getsockname()[:2]
    _log.info("web_started", host=host, port=port)
    if not (settings.secure or ipaddress.ip_address(host).is_loopback):
        _log.warning("web_without_https", host=host, hint="passwords can be read on the way")
    metrics = asyncio.create_task(_serve_metrics(settings, state), name="metrics")
    try:
        await server.serve(sockets=[listening])
    finally:
        metrics.cancel()
        await asyncio.gather(metrics, return_exceptions=True)
    _log.info("web_stopped")


async def _serve_metrics(settings: WebSettings, state: WebState) -> None:
    """/metrics for Prometheus, apart from the page, which a proxy shows to the world.  A port that
    is taken keeps no page away."""

    def taken(error: OSError) -> None:
        reason = error.strerror or str(error)
        _log.warning("web_metrics_not_served", port=settings.metrics_port, reason=reason)

    runner = await start_http_when_free(
        settings.metrics_host,
        settings.metrics_port,
        registry=state.metrics.registry,
        ready=lambda: {"engine": state.live.there},
        taken=taken,
        again_s=METRICS_AGAIN_S,
    )
    try:
        _log.info("web_metrics_served", port=runner.addresses[0][1])
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def _listen(settings: WebSettings) -> socket.socket:
    """Bound here, not by uvicorn, which ends the process without a word of why.

    Raises SettingsError.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        raise SettingsError(
            f"the page can't listen on {settings.host}:{settings.port} (VORONKA_WEB_HOST, "
            f"VORONKA_WEB_PORT): {error.strerror or error}"
        ) from error


def _step_back() -> None:
    """Calls first."""
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(str(OOM_SCORE))


def _end_with_parent(server: uvicorn.Server, loop: asyncio.AbstractEventLoop) -> None:
    """The engine holds the other end of our standard input: when it is gone, so are we."""

    def wait() -> None:
        with contextlib.suppress(OSError):
            while sys.stdin.buffer.read(1):
                pass
        with contextlib.suppress(RuntimeError):  # the loop is over
            loop.call_soon_threadsafe(setattr, server, "should_exit", True)

    threading.Thread(target=wait, daemon=True, name="parent").start()
