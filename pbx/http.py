"""/metrics, /healthz and /readyz."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

_log = structlog.get_logger(__name__)

AGAIN_S = 1.0
"""Pause before a port that somebody else has is tried again, seconds."""
ANSWER_S = 10.0
"""Longest time for an answer, seconds."""
IDLE_S = 15.0
"""How long a connection may be kept open without a request, seconds."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class HttpServer:
    """Serves from ``start`` to ``stop``.  Calls don't wait for it: a port that somebody else has is
    told of, and tried until it is free.

    ``ready``: each part by name, and whether it is well.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        registry: CollectorRegistry,
        ready: Callable[[], Mapping[str, bool]],
    ) -> None:
        self._host = host
        self._port = port
        self._registry = registry
        self._ready = ready
        self._task: asyncio.Task[web.AppRunner] | None = None

    def start(self) -> None:
        """Begin; does not wait."""
        self._task = asyncio.create_task(self._serve(), name="http")

    async def stop(self) -> None:
        """Nobody is answered any more."""
        if self._task is None:
            return
        self._task.cancel()
        (runner,) = await asyncio.gather(self._task, return_exceptions=True)
        if isinstance(runner, web.AppRunner):
            await runner.cleanup()

    async def _serve(self) -> web.AppRunner:
        return await start_http_when_free(
            self._host,
            self._port,
            registry=self._registry,
            ready=self._ready,
            taken=lambda error: _log.error("metrics_not_served", reason=str(error)),
            again_s=AGAIN_S,
        )


async def start_http_when_free(
    host: str,
    port: int,
    *,
    registry: CollectorRegistry,
    ready: Callable[[], Mapping[str, bool]],
    taken: Callable[[OSError], None],
    again_s: float,
) -> web.AppRunner:
    """``start_http``, tried again after ``again_s`` seconds while somebody else has the port;
    ``taken`` is told of it once."""
    told = False
    while True:
        try:
            return await start_http(host, port, registry=registry, ready=ready)
        except OSError as error:
            if not told:
                told = True
                taken(error)
        await asyncio.sleep(again_s)


async def start_http(
    host: str,
    port: int,
    *,
    registry: CollectorRegistry,
    ready: Callable[[], Mapping[str, bool]],
) -> web.AppRunner:
    """Serve until ``cleanup()`` of what is returned; ``runner.addresses`` tells a chosen port.

    ``ready``: each part by name, and whether it is well.  Raises OSError when the port can't be
    had.
    """

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    async def healthz(request: web.Request) -> web.Response:
        return web.Response(text="ok\n")  # that the loop answers is all it says

    async def readyz(request: web.Request) -> web.Response:
        parts = ready()
        well = all(parts.values())
        lines = ["ok" if well else "not ready"]
        if "verbose" in request.query:
            lines += (f"[{'+' if ok else '-'}] {name}" for name, ok in sorted(parts.items()))
        return web.Response(text="\n".join(lines) + "\n", status=200 if well else 503)

    app = web.Application(client_max_size=1024, middlewares=[_bounded])
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0, keepalive_timeout=IDLE_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError:
        await runner.cleanup()
        raise
    return runner


@web.middleware
async def _bounded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Nobody waits for ever, and nothing that was answered is kept by a proxy."""
    try:
        async with asyncio.timeout(ANSWER_S):
            response = await handler(request)
    except TimeoutError:
        return web.Response(status=503, text="not answered in time\n")
    response.headers["Cache-Control"] = "no-store"
    return response
