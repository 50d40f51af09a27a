"""A CRM on loopback that a webhook tells of missed calls."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class Receiver:
    """A CRM.  ``answers``: statuses, one after another, the last for ever; 0 never answers."""

    answers: list[int]
    url: str = ""
    seen: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def hook(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.seen.append((dict(request.headers), body))
        status = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not status:
            await asyncio.sleep(60)
        headers = {"Location": "/elsewhere"} if status in (301, 302, 307) else {}
        return web.Response(status=status, headers=headers)

    @property
    def told(self) -> list[tuple[str, str]]:
        """(type, number) of what came."""
        whole = [json.loads(body) for _, body in self.seen]
        return [(one["type"], one["data"]["number"]) for one in whole]


@contextlib.asynccontextmanager
async def receiver(*answers: int) -> AsyncIterator[Receiver]:
    crm = Receiver(list(answers))
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", crm.hook)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    crm.url = f"http://{host}:{port}/hook"
    try:
        yield crm
    finally:
        await runner.cleanup()
