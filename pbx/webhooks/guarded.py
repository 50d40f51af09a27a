"""Names resolved by us, so that what is behind one is looked at before it is called."""

from __future__ import annotations

import socket

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver

from pbx.webhooks.target import may_reach


class Guarded(AbstractResolver):
    """Resolves names to addresses that a webhook may reach, and to no others."""

    def __init__(self) -> None:
        self._inner = DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        allowed = [one for one in found if may_reach(one["host"])]
        if not allowed:
            raise OSError(f"{host} has no address that a webhook may reach")
        return allowed

    async def close(self) -> None:
        await self._inner.close()
