"""What goes on, told to many viewers: each sees what their role may see, whatever came before."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx.live.board import Message
from pbx.live.picture import Picture
from pbx.live.rows import LiveStage
from pbx.web import live
from pbx.web.access import SCOPES, Kind, Principal, Role, Scope, signed_in
from pbx.web.live import EventStream, LiveHub, TooManyViewers
from pbx.web.state import WebState
from pbx.web.texts import LANGUAGES, texts
from pbx.web.views import Seen, View
from routing.values import AgentState

NOW = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)
AGENTS = ["anna", "boris", "vera"]
QUEUES = ["sales", "support"]
CALLS = ["c1", "c2", "c3", "c4"]


def who(
    role: Role, *departments: str, agent_id: str | None = None, name: str = "somebody"
) -> Principal:
    return Principal(Kind.USER, name, role, frozenset(departments), agent_id, SCOPES[role])


def leads(did: str) -> frozenset[str]:
    """Who dials +7800 may come to the red department, or to the green one."""
    return frozenset({"red", "green"}) if did == "+7800" else frozenset()


EVERYBODY = [
    who(Role.ADMIN),
    who(Role.SUPERVISOR, "*"),
    who(Role.SUPERVISOR, "red"),
    who(Role.SUPERVISOR, "red", agent_id="vera"),
    who(Role.SUPERVISOR),
    who(Role.MANAGER, agent_id="anna"),
    who(Role.MANAGER, agent_id="boris"),
    who(Role.MANAGER),
]


def rows(of: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(of, max_size=4, unique_by=lambda row: row["id"])


AGENT = st.fixed_dictionaries(
    {
        "id": st.sampled_from(AGENTS),
        "department": st.sampled_from(["red", "blue"]),
        "state": st.sampled_from(["free", "talking"]),
        "queues": st.lists(st.sampled_from(QUEUES), unique=True),
    }
)
QUEUE = st.fixed_dictionaries({"id": st.sampled_from(QUEUES), "waiting": st.integers(0, 3)})
CALL = st.fixed_dictionaries(
    {
        "id": st.sampled_from(CALLS),
        "stage": st.sampled_from(["menu", "waiting", "ringing", "talking", "outside"]),
        "queue": st.none() | st.sampled_from(QUEUES),
        "agent": st.none() | st.sampled_from(AGENTS),
        "agents_rung": st.lists(st.sampled_from(AGENTS), unique=True, max_size=2),
        "number": st.just("+79161234567"),
        "name": st.just("Иван"),
        "did": st.sampled_from(["+7800", "+7900"]),
        "source": st.just("site"),
    }
)
FIGURES = st.builds(
    lambda n: {
        "offered": n + 2,
        "answered": n + 1,
        "lost": 1,
        "short": 0,
        "within": n,
        "to_managers": n + 1,
        "longest_wait_s": None if n else 7.0,
    },
    st.integers(0, 3),
)
TODAY = st.builds(
    lambda queues, missed: {"offered": 1, "queues": queues, "missed": missed},
    st.dictionaries(st.sampled_from([*QUEUES, ""]), FIGURES),
    st.lists(
        st.builds(
            lambda queue, agent, n: {"queue": queue, "agent": agent, "open": n, "oldest_at": "x"},
            st.sampled_from([*QUEUES, ""]),
            st.none() | st.sampled_from(AGENTS),
            st.integers(1, 3),
        ),
        max_size=3,
    ),
)
SNAPSHOT = st.builds(
    lambda agents, queues, calls, today, ready: {
        "type": "snapshot",
        "at": "2026",
        "ready": ready,
        "agents": agents,
        "queues": queues,
        "calls": calls,
        "today": today,
    },
    rows(AGENT),
    rows(QUEUE),
    rows(CALL),
    st.none() | TODAY,
    st.booleans(),
)
CHANGE = st.builds(
    lambda agents, queues, calls, gone, today: {
        "type": "change",
        "at": "2027",
        "agents": agents,
        "queues": queues,
        "calls": [row for row in calls if row["id"] not in gone],
        "gone": gone,
        **({} if today is None else {"today": today}),
    },
    rows(AGENT),
    rows(QUEUE),
    rows(CALL),
    st.lists(st.sampled_from(CALLS), unique=True, max_size=2),
    st.none() | TODAY,
)


class Looking:
    """A viewer, and the picture that they have."""

    def __init__(self, hub: LiveHub, principal: Principal) -> None:
        self.hub, self.principal = hub, principal
        self.stream = hub.admit(principal)
        self.picture = Picture()
        self.there: bool | None = None
        self.viewer: live._Viewer | None = None
        self.kinds: list[str] = []

    async def begin(self) -> None:
        assert await anext(self.stream) == b"retry: 1000\n\n"
        self.viewer = list(self.hub._viewers)[-1]
        await self.read()  # whether the engine is there, and what time it is

    async def read(self) -> None:
        kind, data = parsed(await anext(self.stream))
        self.kinds.append(kind)
        self.there = kind != "away"
        if kind in ("snapshot", "change"):
            self.picture.take(data)

    async def read_all(self) -> None:
        viewer = self.viewer
        assert viewer is not None
        while (viewer.anew and self.hub.there) or viewer.events:
            await self.read()


def parsed(event: bytes) -> tuple[str, Any]:
    kind, data = event.decode().removesuffix("\n\n").split("\n")
    return kind.removeprefix("event: "), orjson.loads(data.removeprefix("data: "))


def same(one: Message, other: Message) -> None:
    for part in ("agents", "queues", "calls"):
        assert {row["id"]: row for row in one[part]} == {row["id"]: row for row in other[part]}
    assert (one["ready"], one["today"]) == (other["ready"], other["today"])


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    SNAPSHOT,
    st.lists(SNAPSHOT | CHANGE | CHANGE | CHANGE | st.none(), max_size=12),
    st.randoms(use_true_random=False),
)
def test_each_role_has_what_filtering_the_picture_gives(
    first: Message, messages: list[Message | None], rng: Any
) -> None:
    async def play() -> None:
        hub = LiveHub(Path("nowhere"), lambda: NOW, leads)
        looking = [Looking(hub, one) for one in EVERYBODY for _ in range(2)]
        whole = Picture()

        async def look(one: Looking) -> None:
            if one.viewer is None:
                await one.begin()
            await one.read_all()
            assert one.there is hub.there
            if hub.there:
                wanted = Seen(View.of(one.principal), whole, leads).snapshot()
                same(one.picture.snapshot(), wanted)
                assert hub.snapshot(one.principal) == wanted
            else:
                assert hub.snapshot(one.principal) is None

        for message in [first, *messages]:
            if message is None:
                hub.take(None)
            elif hub.there or message["type"] == "snapshot":  # as ``follow`` tells it
                hub.take(message)
                whole.take(message)
            for one in looking:
                if rng.random() < 0.5:
                    await look(one)
        for one in looking:
            await look(one)
            await one.stream.aclose()
        assert hub.viewers == 0
        assert not hub._shared

    asyncio.run(play())


def picture() -> Picture:
    """Anna (red) serves sales, Boris (blue) both queues, Grigory (green) none; a call in each
    place.  c7 is in the menu again after the line, c8 in that of another number."""
    taken = Picture()
    calls = [
        ("menu", None, None, []),
        ("waiting", "sales", None, []),
        ("ringing", "sales", None, ["anna"]),
        ("talking", "sales", "anna", []),
        ("talking", "sales", "boris", []),
        ("waiting", "support", None, []),
        ("talking", "support", "boris", []),
        ("menu", "support", None, []),
        ("menu", None, None, []),
    ]
    figures = {
        "offered": 10,
        "answered": 8,
        "lost": 2,
        "short": 0,
        "within": 4,
        "to_managers": 8,
        "longest_wait_s": 7.0,
    }
    missed = [("sales", None), ("sales", "anna"), ("sales", "boris"), ("support", None)]
    taken.take(
        {
            "type": "snapshot",
            "at": "2026",
            "ready": True,
            "agents": [
                {"id": "anna", "department": "red", "queues": ["sales"]},
                {"id": "boris", "department": "blue", "queues": ["sales", "support"]},
                {"id": "grigory", "department": "green", "queues": []},
            ],
            "queues": [{"id": "sales"}, {"id": "support"}, {"id": "nobodys"}],
            "calls": [
                {
                    "id": f"c{n}",
                    "stage": stage,
                    "queue": queue,
                    "agent": agent,
                    "agents_rung": rung,
                    "number": "+79161234567",
                    "name": "Иван",
                    "did": "+7900" if n == 8 else "+7800",
                    "source": "site",
                }
                for n, (stage, queue, agent, rung) in enumerate(calls)
            ],
            "today": {
                "offered": 21,
                "queues": {"": figures, "sales": figures, "support": {**figures, "offered": 1}},
                "missed": [
                    {"queue": queue, "agent": agent, "open": 1, "oldest_at": f"2026-{n}"}
                    for n, (queue, agent) in enumerate(missed)
                ],
            },
        }
    )
    return taken


SEES = [
    # who, managers, queues, calls (~: not who calls; -: nor from where), offered today, missed
    (
        who(Role.ADMIN),
        "anna boris grigory",
        "sales support nobodys",
        "c0 c1 c2 c3 c4 c5 c6 c7 c8",
        21,
        None,
    ),
    # The menu of a number that leads to them: that somebody is there; never of another.
    (who(Role.SUPERVISOR, "red"), "anna", "sales", "~c0 c1 c2 c3 c4 ~c7", 10, 3),
    (who(Role.SUPERVISOR, "green"), "grigory", "", "~c0 ~c7", 0, 0),
    # No number leads to blue; a call that waited for support is theirs in the menu, too.
    (who(Role.SUPERVISOR, "blue"), "boris", "sales support", "c1 c2 c3 c4 c5 c6 c7", 11, 4),
    (who(Role.SUPERVISOR), "", "", "", 0, 0),
    # Who serves another department's queue besides is told of it what a manager is.
    (
        who(Role.SUPERVISOR, "red", agent_id="boris"),
        "anna boris",
        "sales support",
        "~c0 c1 c2 c3 c4 -c5 c6 ~c7",
        11,
        4,
    ),
    (who(Role.SUPERVISOR, agent_id="anna"), "anna", "sales", "-c1 c2 c3", 10, 3),
    (who(Role.MANAGER, agent_id="anna"), "anna", "sales", "-c1 c2 c3", 10, 2),
    (who(Role.MANAGER, agent_id="boris"), "boris", "sales support", "-c1 -c2 c4 -c5 c6", 11, 3),
    (who(Role.MANAGER, agent_id="grigory"), "grigory", "", "", 0, 0),
    (who(Role.MANAGER), "", "", "", 0, 0),
]


def told(row: dict[str, Any]) -> str:
    """A call's id, with how much of it is hidden."""
    if row["number"] and row["name"] and row["did"] and row["source"]:
        return str(row["id"])
    assert (row["number"], row["name"]) == ("", "")
    if row["did"] and row["source"]:
        return f"~{row['id']}"
    assert (row["did"], row["source"], row["agents_rung"]) == ("", "", [])
    return f"-{row['id']}"


@pytest.mark.parametrize(("principal", "agents", "queues", "calls", "offered", "missed"), SEES)
def test_each_role_sees_what_is_theirs(
    principal: Principal, agents: str, queues: str, calls: str, offered: int, missed: int | None
) -> None:
    shown = Seen(View.of(principal), picture(), leads).snapshot()

    assert [row["id"] for row in shown["agents"]] == agents.split()
    assert [row["id"] for row in shown["queues"]] == queues.split()
    assert [told(row) for row in shown["calls"]] == calls.split()
    assert shown["today"]["offered"] == offered
    assert shown["today"].get("open_missed") == missed
    assert "missed" not in shown["today"], "whose tasks they are is not told"


def test_who_comes_from_the_menu_is_told_when_they_are_theirs_and_gone_when_they_are_not() -> None:
    whole = picture()
    red = Seen(View.of(who(Role.SUPERVISOR, "red")), whole, leads)
    (menu,) = (row for row in red.snapshot()["calls"] if row["id"] == "c0")
    raw = whole.snapshot()["calls"][0]

    def changed(**fields: Any) -> Message | None:
        message = {**NOTHING, "calls": [{**raw, **fields}]}
        whole.take(message)
        return red.change(message)

    assert (menu["number"], menu["did"]) == ("", "+7800")
    ours = changed(stage="waiting", queue="sales")
    assert ours is not None
    assert ours["calls"][0]["number"] == "+79161234567"
    other = changed(stage="waiting", queue="support")
    assert other is not None
    assert (other["calls"], other["gone"]) == ([], ["c0"])
    assert changed(stage="talking", queue="support", agent="boris") is None


async def test_equal_views_share_what_is_made_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = LiveHub(Path("nowhere"), lambda: NOW)
    first = picture().snapshot()
    hub.take(first)
    made: list[str] = []
    write = live._event

    def noted(kind: str, data: Any) -> bytes:
        if kind != "alive":  # each stream's first
            made.append(kind)
        return write(kind, data)

    monkeypatch.setattr(live, "_event", noted)
    people = [who(Role.ADMIN), who(Role.SUPERVISOR, "*"), who(Role.SUPERVISOR, "red")]
    looking = [Looking(hub, one) for one in people * 10]
    for one in looking:
        await one.begin()
        await one.read_all()
    assert made == ["snapshot"] * 2

    hub.take({**NOTHING, "calls": [first["calls"][1]]})
    for one in looking:
        await one.read_all()
        assert one.kinds == ["alive", "snapshot", "change"]
        await one.stream.aclose()

    assert made == ["snapshot"] * 2 + ["change"] * 2


NOTHING: Message = {
    "type": "change",
    "at": "2027",
    "agents": [],
    "queues": [],
    "calls": [],
    "gone": [],
}


async def test_who_reads_too_slowly_gets_everything_anew_and_waits_for_nobody() -> None:
    hub = LiveHub(Path("nowhere"), lambda: NOW)
    first = picture().snapshot()
    hub.take(first)
    slow, quick = (Looking(hub, who(Role.ADMIN)) for _ in range(2))
    for one in (slow, quick):
        await one.begin()
        await one.read_all()

    for number in range(3 * live.QUEUED):
        hub.take({**NOTHING, "calls": [{**first["calls"][0], "id": f"n{number}"}]})
        await quick.read_all()
        assert slow.viewer is not None
        assert len(slow.viewer.events) <= live.QUEUED
    await slow.read_all()

    same(slow.picture.snapshot(), quick.picture.snapshot())
    assert slow.kinds.count("snapshot") == 2
    assert quick.kinds.count("snapshot") == 1
    for one in (slow, quick):
        await one.stream.aclose()


async def test_silence_means_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "ALIVE_EVERY_S", 0.01)
    hub = LiveHub(Path("nowhere"), lambda: NOW)
    one = Looking(hub, who(Role.ADMIN))
    await one.begin()
    assert one.kinds == ["away"], "an engine that was never there"
    await one.read()
    hub.take(picture().snapshot())
    await one.read()
    await one.read()
    hub.take(None)
    await one.read()

    assert one.kinds == ["away", "away", "snapshot", "alive", "away"]
    await one.stream.aclose()


async def test_a_stream_ends_after_a_while_and_at_the_end_of_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub = LiveHub(Path("nowhere"), lambda: NOW)
    hub.take(picture().snapshot())
    looking = Looking(hub, who(Role.ADMIN))
    await looking.begin()
    await looking.read_all()
    waiting = asyncio.ensure_future(anext(looking.stream, None))
    await asyncio.sleep(0)
    hub.end()
    async with asyncio.timeout(5):
        assert await waiting is None
    assert hub.viewers == 0

    monkeypatch.setattr(live, "LONGEST_S", 0.0)
    again = LiveHub(Path("nowhere"), lambda: NOW)
    assert [event async for event in again.admit(who(Role.ADMIN))] == [
        b"retry: 1000\n\n",
        b'event: away\ndata: {"at":"2026-11-18T09:00:00.000Z"}\n\n',
    ]


async def test_who_is_signed_out_does_not_look_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "ALIVE_EVERY_S", 0.01)
    monkeypatch.setattr(live, "ASK_EVERY_S", 0.0)
    hub = LiveHub(Path("nowhere"), lambda: NOW)
    hub.take(picture().snapshot())
    answers = [True, True, False]

    async def still() -> bool:
        return answers.pop(0)

    events = [
        parsed(event)[0]
        async for event in hub.admit(who(Role.ADMIN), still)
        if event[:5] == b"event"
    ]

    assert events[:2] == ["alive", "snapshot"]
    assert answers == []
    assert hub.viewers == 0


async def test_no_more_than_so_many_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "VIEWERS", 3)
    monkeypatch.setattr(live, "VIEWERS_EACH", 2)
    hub = LiveHub(Path("nowhere"), lambda: NOW)
    looking = [Looking(hub, who(Role.ADMIN, name=name)) for name in ("a", "a", "b")]
    for one in looking[:2]:
        await one.begin()
    with pytest.raises(TooManyViewers):
        hub.admit(who(Role.ADMIN, name="a"))
    await looking[2].begin()
    with pytest.raises(TooManyViewers):
        hub.admit(who(Role.ADMIN, name="c"))
    for one in looking:
        await one.stream.aclose()
    hub.admit(who(Role.ADMIN, name="a"))


async def test_a_client_that_goes_leaves_no_viewer_behind() -> None:
    hub = LiveHub(Path("nowhere"), lambda: NOW)
    hub.take(picture().snapshot())
    sent: list[Any] = []
    gone = asyncio.Event()

    async def receive() -> Any:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if b"snapshot" in message.get("body", b""):
            gone.set()

    answer = EventStream(hub.admit(who(Role.ADMIN)))
    async with asyncio.timeout(5):
        await answer({"type": "http", "asgi": {}}, receive, send)

    assert dict(sent[0]["headers"])[b"content-type"].startswith(b"text/event-stream")
    assert hub.viewers == 0


@pytest.fixture
def supervisor(app: FastAPI) -> None:
    app.dependency_overrides[signed_in] = lambda: who(Role.SUPERVISOR, "red")


@pytest.mark.usefixtures("supervisor")
async def test_a_program_asks_once(state: WebState, browser: httpx.AsyncClient) -> None:
    away = await browser.get("/api/v1/live/state")
    state.live.take(picture().snapshot())
    shown = await browser.get("/api/v1/live/state")
    state.live.take(None)

    assert (away.status_code, away.json()["detail"]) == (503, "the engine is not there")
    assert [row["id"] for row in shown.json()["agents"]] == ["anna"]


@pytest.mark.usefixtures("supervisor")
@pytest.mark.parametrize("path", ["/live/events", "/api/v1/live"])
async def test_too_many_viewers_hear_when_to_come_again(
    path: str, browser: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "VIEWERS", 0)

    answer = await browser.get(path)

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "10")


@pytest.mark.parametrize("path", ["/live/events", "/api/v1/live", "/api/v1/live/state", "/"])
async def test_who_may_not_look_sees_nothing(
    path: str, app: FastAPI, browser: httpx.AsyncClient
) -> None:
    nobody = await browser.get(path)
    app.dependency_overrides[signed_in] = lambda: Principal(
        Kind.TOKEN, "crm", Role.ADMIN, scopes=frozenset(Scope) - {Scope.LIVE_READ}
    )
    other = await browser.get(path)

    assert nobody.status_code in (303, 401)
    assert other.status_code == 403


async def test_both_ways_to_look_stream(state: WebState, app: FastAPI) -> None:
    app.dependency_overrides[signed_in] = lambda: who(Role.ADMIN)
    state.live.take(picture().snapshot())
    for path in ("/live/events", "/api/v1/live"):
        body = b""
        begun: dict[str, Any] = {}
        gone = asyncio.Event()

        async def receive(gone: asyncio.Event = gone) -> Any:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(
            message: Any, gone: asyncio.Event = gone, begun: dict[str, Any] = begun
        ) -> None:
            nonlocal body
            if message["type"] == "http.response.start":
                begun.update(message)
            body += message.get("body", b"")
            if b"event: snapshot" in body:
                gone.set()

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(b"host", b"pbx.test")],
            "scheme": "http",
            "server": ("pbx.test", 80),
            "client": ("127.0.0.1", 1),
        }
        async with asyncio.timeout(5):
            await app(scope, receive, send)
        headers = dict(begun["headers"])
        assert headers[b"content-type"].startswith(b"text/event-stream")
        assert headers[b"cache-control"] == b"no-store"
        assert headers[b"content-security-policy"]
    assert state.live.viewers == 0


def test_every_stage_and_state_has_words_and_a_place_on_the_wall() -> None:
    script = Path("pbx/web/static/js/wall.js").read_text(encoding="utf-8")
    (order,) = re.findall(r"const STAGES = \{(.*?)\}", script)
    (tones,) = re.findall(r"const STAGE_TONE = \{(.*?)\}", script)
    for named in (order, tones):
        assert set(re.findall(r"(\w+):", named)) == set(LiveStage)
    for language in LANGUAGES:
        for stage in LiveStage:
            assert f"live.stage.{stage}" in texts(language).all
        for state in AgentState:
            assert f"live.state.{state}" in texts(language).all
