"""A small CRM beside Voronka: docs/integration.md tells what it does and why.

To read and to take from, not a product: it has no login, so it listens on this machine alone.
Standard library and aiohttp; ``python -m examples.crm.crm``.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

STAGES = ("qualified", "meeting", "need", "invoice", "payment", "delivery")
AGAIN_S = 2.0
TABLES = """
create table if not exists contacts (number text primary key, name text default '',
  manager text default '', stage text default '', last_call text default '', card text default '');
create table if not exists heard (message text primary key);
create table if not exists told (id text primary key, body text not null, answer text default '');
"""


@dataclass(frozen=True)
class Settings:
    """``secret``: signs what Voronka sends; ``token``: of its API, with the scopes ``click:write``
    and ``funnel:write``."""

    pbx: str
    token: str
    secret: bytes
    database: Path


def read_settings(env: Mapping[str, str]) -> Settings:
    """From ``CRM_*``; secrets from files, so that no list of processes shows them."""
    token = Path(env["CRM_TOKEN_FILE"]).read_text().strip()
    secret = Path(env["CRM_SECRET_FILE"]).read_text().strip()
    key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    return Settings(env["CRM_PBX"].rstrip("/"), token, key, Path(env.get("CRM_DB", "crm.db")))


def genuine(secret: bytes, headers: Mapping[str, str], body: bytes) -> bool:
    """The message is Voronka's, and of the last five minutes (docs/webhooks.md)."""
    sent = headers.get("webhook-timestamp", "")
    if not sent.isdecimal() or abs(time.time() - int(sent)) > 300:
        return False
    content = f"{headers.get('webhook-id', '')}.{sent}.".encode() + body
    expected = base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest())
    given = [one.partition(",") for one in headers.get("webhook-signature", "").split()]
    return any(v == "v1" and hmac.compare_digest(s.encode(), expected) for v, _, s in given)


class Crm:
    """Contacts, their calls and stages."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.db = sqlite3.connect(settings.database)
        self.db.row_factory = sqlite3.Row
        self.db.executescript(TABLES)
        self.news = asyncio.Event()
        self._api: aiohttp.ClientSession | None = None

    # What Voronka tells and asks -------------------------------------------------------------

    async def hook(self, request: web.Request) -> web.Response:
        """An event: taken once, however often it is sent."""
        message = await self._message(request)
        with self.db:  # that it was heard and what it changes, or neither
            query = "insert or ignore into heard values (?)"
            if self.db.execute(query, [request.headers["webhook-id"]]).rowcount:
                self._heard(message["type"], message["data"])
        return web.Response(status=204)

    def _heard(self, kind: str, data: Mapping[str, Any]) -> None:
        number, agent = data.get("number"), data.get("agent")
        cards = {
            "call.started": "is calling",
            "call.ringing": f"rings at {agent}",
            "call.answered": f"talks with {agent}",
            "call.ended": f"called: {data.get('outcome')}",
            "missed.opened": "is to be called back",
        }
        if not number or kind not in cards:
            return  # a withheld number is nobody to keep
        query = "insert or ignore into contacts (number, name) values (?, ?)"
        self.db.execute(query, [number, data.get("name", "")])
        query = "update contacts set card = ?, last_call = coalesce(?, last_call) where number = ?"
        self.db.execute(query, [cards[kind], data.get("call_id"), number])
        if kind == "call.answered":  # whoever talks with them first has them from now on
            query = "update contacts set manager = ? where number = ? and manager = ''"
            self.db.execute(query, [agent, number])

    async def lookup(self, request: web.Request) -> web.Response:
        """Who calls?  Asked while the caller waits: answered from what is at hand."""
        row = self._contact((await self._message(request))["data"]["number"])
        if row is None:
            return web.Response(status=204)
        return web.json_response({"manager": row["manager"] or None, "name": row["name"] or None})

    async def _message(self, request: web.Request) -> dict[str, Any]:
        body = await request.read()
        if not genuine(self.settings.secret, request.headers, body):
            raise web.HTTPUnauthorized
        found: dict[str, Any] = json.loads(body)
        return found

    # What we tell and ask --------------------------------------------------------------------

    async def call(self, request: web.Request) -> web.Response:
        """Click-to-call: the manager's phone rings, then the contact is called."""
        row = self._chosen(request)
        wanted = {"manager": row["manager"], "number": row["number"]}
        status, answer = await self._ask("/click", wanted)
        return self._page(answer.get("words") or answer.get("detail") or f"status {status}")

    async def stage(self, request: web.Request) -> web.Response:
        """Kept first and told afterwards: a lost answer loses no stage, and doubles none."""
        row, stage = self._chosen(request), str((await request.post()).get("stage"))
        if stage not in STAGES:
            raise web.HTTPBadRequest
        event = {
            "id": f"crm-{row['number']}-{stage}",
            "stage": stage,
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "number": row["number"],
            "manager": row["manager"],
            "call_id": row["last_call"],
        }
        with self.db:
            query = "insert or ignore into told (id, body) values (?, ?)"
            self.db.execute(query, [event["id"], json.dumps(event)])
            query = "update contacts set stage = ? where number = ?"
            self.db.execute(query, [stage, row["number"]])
        self.news.set()
        raise web.HTTPSeeOther("/")

    async def tell(self) -> None:
        """For ever: what has no answer yet is sent again, under the id that it has."""
        while True:
            query = "select id, body from told where answer = '' order by rowid"
            for row in self.db.execute(query).fetchall():
                status, _ = await self._ask("/funnel/events", {"events": [json.loads(row["body"])]})
                if status not in (200, 409, 422):  # taken, or never to be: others are tried again
                    break
                with self.db:
                    query = "update told set answer = ? where id = ?"
                    self.db.execute(query, [status, row["id"]])
            self.news.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.news.wait(), AGAIN_S)

    async def _ask(self, path: str, body: object) -> tuple[int, dict[str, Any]]:
        """Status and answer; 0 when there was none."""
        assert self._api is not None
        try:
            async with self._api.post(f"{self.settings.pbx}/api/v1{path}", json=body) as answer:
                return answer.status, await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return 0, {"detail": "the telephone system does not answer"}

    # The page ---------------------------------------------------------------------------------

    async def index(self, request: web.Request) -> web.Response:
        """Everybody, who called last first."""
        return self._page("")

    async def save(self, request: web.Request) -> web.Response:
        """A contact's name and manager."""
        row, form = self._chosen(request), await request.post()
        with self.db:
            query = "update contacts set name = ?, manager = ? where number = ?"
            values = [str(form.get("name", "")), str(form.get("manager", "")), row["number"]]
            self.db.execute(query, values)
        raise web.HTTPSeeOther("/")

    def _page(self, words: str) -> web.Response:
        rows = self.db.execute("select * from contacts order by last_call desc").fetchall()
        head = '<!doctype html><meta http-equiv=refresh content="5;url=/"><title>CRM</title>'
        text = f"{head}<p><b>{escape(words)}</b></p>{''.join(map(_card, rows))}"
        return web.Response(text=text, content_type="text/html")

    def _contact(self, number: str) -> sqlite3.Row | None:
        query = "select * from contacts where number = ?"
        found: sqlite3.Row | None = self.db.execute(query, [number]).fetchone()
        return found

    def _chosen(self, request: web.Request) -> sqlite3.Row:
        if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            raise web.HTTPForbidden  # a form of another site is not to ring anybody
        if (row := self._contact(request.match_info["number"])) is None:
            raise web.HTTPNotFound
        return row

    async def running(self, app: web.Application) -> AsyncIterator[None]:
        """What goes on beside the requests."""
        headers = {"Authorization": f"Bearer {self.settings.token}"}
        limit = aiohttp.ClientTimeout(total=10)
        async with aiohttp.ClientSession(headers=headers, timeout=limit) as self._api:
            telling = asyncio.create_task(self.tell())
            yield
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
        self.db.close()

    def app(self) -> web.Application:
        """The application."""
        app = web.Application()
        app.cleanup_ctx.append(self.running)
        app.router.add_get("/", self.index)
        app.router.add_post("/hook", self.hook)
        app.router.add_post("/lookup", self.lookup)
        app.router.add_post("/contacts/{number}", self.save)
        app.router.add_post("/contacts/{number}/call", self.call)
        app.router.add_post("/contacts/{number}/stage", self.stage)
        return app


def _card(row: sqlite3.Row) -> str:
    number, name, manager, stage, _, card = (escape(str(value)) for value in row)
    path = f'<form method=post action="/contacts/{number}'
    stages = "".join(f"<button name=stage value={one}>{one}</button>" for one in STAGES)
    return f"""<h3>{name or number} {card}</h3>
{path}">{number} <input name=name value="{name}" placeholder=name>
<input name=manager value="{manager}" placeholder=manager><button>save</button></form>
{path}/call"><button>call</button></form>{path}/stage">{stage} {stages}</form>"""


if __name__ == "__main__":
    web.run_app(Crm(read_settings(os.environ)).app(), host="127.0.0.1", port=8090)
