"""Asks a CRM who calls: one POST for each call, signed like a webhook (pbx/webhooks/webhook.py).

House rules: nobody waits for this but the call that it is about, and that no longer than the limit,
whatever the CRM, the network or a name server does.  Nothing is asked twice.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime

import aiohttp
import orjson
import structlog

from pbx.lookup.answer import LONGEST, read_answer
from pbx.lookup.breaker import Breaker
from pbx.lookup.port import Failed, Known, Lookup, Request, Result, Said
from pbx.lookup.target import LookupTarget
from pbx.webhooks.guarded import Guarded
from pbx.webhooks.webhook import signed
from routing.values import CallId

AT_ONCE = 32
"""Questions under way together; a call that comes then is not asked about."""
KEPT_S = 60.0
"""How long an idle connection, and what a name resolved to, is kept, seconds."""

_log = structlog.get_logger(__name__)


class Crm:
    """``tell`` takes what is said; it may be set after this is made."""

    def __init__(self, target: LookupTarget) -> None:
        self._target = target
        self.tell: Callable[[CallId, Said], None] = lambda call_id, said: None
        self._breaker = Breaker()
        self._session: aiohttp.ClientSession | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def lookup(self) -> Lookup:
        """As the engine knows it."""
        return Lookup(self.ask, self._target.limit_s)

    def start(self) -> None:
        """Questions may be asked from now on."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=Guarded(),
                limit=AT_ONCE,
                keepalive_timeout=KEPT_S,
                ttl_dns_cache=int(KEPT_S),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            # What is compressed might be much more than it seems.
            auto_decompress=False,
            trust_env=False,
        )

    async def stop(self) -> None:
        """Nobody waits for an answer any more."""
        session, self._session = self._session, None
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        if session is not None:
            await session.close()

    def ask(self, request: Request) -> str:
        """See pbx.lookup.port.Lookup."""
        session = self._session
        if session is None:
            return "the engine is not at work"
        if len(self._under_way) >= AT_ONCE:
            return f"{AT_ONCE} questions are under way"
        if not self._breaker.may_ask(time.monotonic()):
            return f"the CRM did not answer {self._breaker.failures} times in a row"
        task = asyncio.create_task(self._ask(session, request), name="lookup")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return ""

    async def _ask(self, session: aiohttp.ClientSession, request: Request) -> None:
        limit_s = self._target.limit_s
        said: Said
        try:
            async with asyncio.timeout(limit_s):
                said = await self._exchange(session, request)
        except TimeoutError:
            said = Failed(Result.LATE, f"no answer within {limit_s * 1000:.0f} ms")
        except (aiohttp.ClientError, OSError) as error:
            said = Failed(Result.BROKEN, type(error).__name__)
        except Exception:
            # The breaker has to hear of every question's end, the log of a mistake of ours.
            _log.exception("lookup_failed_inside", call_id=request.call_id)
            said = Failed(Result.BROKEN, "a mistake of ours")
        self._judge(request, said)
        self.tell(request.call_id, said)

    async def _exchange(self, session: aiohttp.ClientSession, request: Request) -> Said:
        now = time.time()
        body = question(request, now)
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "voronka",
            **signed(self._target.secret, _question_id(request), int(now), body),
        }
        async with session.post(
            self._target.url, data=body, headers=headers, allow_redirects=False
        ) as response:
            found = bytearray()
            async for part in response.content.iter_any():
                found += part
                if len(found) > LONGEST:
                    response.close()
                    break
            return read_answer(response.status, bytes(found))

    def _judge(self, request: Request, said: Said) -> None:
        """Whether to ask on."""
        if isinstance(said, Known):
            if self._breaker.answered():
                _log.info("lookup_well_again")
            return
        _log.warning(
            "lookup_failed", call_id=request.call_id, result=said.result.value, reason=said.why
        )
        rest_s = self._breaker.failed(time.monotonic())
        if rest_s is not None:
            _log.error("lookup_rests", failures=self._breaker.failures, seconds=rest_s)


def question(request: Request, now: float) -> bytes:
    """The body; ``now``: seconds since the epoch."""
    return orjson.dumps(
        {
            "type": "call.lookup",
            "timestamp": datetime.fromtimestamp(now, UTC),
            "data": {
                "call_id": request.call_id,
                "did": request.did,
                "number": request.number,
                "name": request.name,
                "source": request.source,
                "language": request.language,
            },
        }
    )


def _question_id(request: Request) -> str:
    return "lookup_" + re.sub(r"[^A-Za-z0-9-]", "-", request.call_id)
