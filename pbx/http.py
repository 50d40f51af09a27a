"""/metrics, /healthz and /readyz."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST


async def start_http(
    host: str,
    port: int,
    *,
    registry: CollectorRegistry,
    ready: Callable[[], Mapping[str, bool]],
) -> web.AppRunner:
    """Serve until ``cleanup()`` of what is returned; ``runner.addresses`` tells a chosen port.

    Raises OSError when the port can't be had.
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
        lines = [f"{'+' if ok else '-'} {name}" for name, ok in sorted(parts.items())]
        text = "\n".join(lines) if "verbose" in request.query else ("ok" if well else "not ready")
        return web.Response(text=text + "\n", status=200 if well else 503)

    app = web.Application(client_max_size=1024)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner
