"""Whether somebody serves /healthz."""

from __future__ import annotations

import aiohttp


async def up(port: int) -> bool:
    """It is answered on this port of this machine, and well."""
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/healthz") as answer,
        ):
            return answer.status == 200
    except aiohttp.ClientError:
        return False
