"""The example CRM at work, in tests."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from examples.crm.crm import Crm, Settings
from pbx.webhooks.webhook import signed

SECRET = b"s" * 24
IVAN = "+79161230000"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Beside:
    """The CRM at work."""

    def __init__(self, folder: Path, pbx_port: int, *, token: str = "token", port: int = 0) -> None:
        settings = Settings(f"http://127.0.0.1:{pbx_port}", token, SECRET, folder / "crm.db")
        self.crm = Crm(settings)
        self._runner = web.AppRunner(self.crm.app())
        self.port = port or free_port()
        self._messages = 0

    async def __aenter__(self) -> Beside:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.http = aiohttp.ClientSession(f"http://127.0.0.1:{self.port}")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()
        await self._runner.cleanup()

    async def hears(self, kind: str, number: str = IVAN, **data: Any) -> str:
        """An event, as Voronka sends it; its id."""
        self._messages += 1
        told = {"call_id": "c1", "number": number, "name": "Иван", **data}
        return await self.sent(f"msg_{self._messages}", {"type": kind, "data": told})

    async def sent(self, message_id: str, body: dict[str, Any]) -> str:
        content = json.dumps(body).encode()
        headers = signed(SECRET, message_id, int(time.time()), content)
        async with self.http.post("/hook", data=content, headers=headers) as answer:
            assert answer.status == 204
        return message_id

    async def post(self, path: str, headers: Any = None, **form: str) -> tuple[int, str]:
        async with self.http.post(path, data=form, headers=headers) as answer:
            return answer.status, await answer.text()

    async def page(self) -> str:
        async with self.http.get("/") as answer:
            return await answer.text()
