"""What programs see and change: by role, by scope, with the engine and without."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from pbx.switch.port import CallArrived, CallerGone, Ring
from pbx.web.access import Role, Scope
from pbx.web.state import WebState
from routing.values import CallId
from tests.web.asking import asking, somebody
from tests.web.house import House, house
from tests.web.people import noted

IVAN = "+79161230000"
DID = "+74951234567"


async def until(holds: Callable[[Any], bool], ask: Callable[[], Any]) -> Any:
    """Asks until the answer is so: the live state follows within a moment."""
    async with asyncio.timeout(10):
        while not holds(found := (await ask()).json()):  # noqa: ASYNC110 (another process's state)
            await asyncio.sleep(0.05)
    return found


async def test_a_manager_is_paused_and_everybody_sees_why(app: FastAPI, state: WebState) -> None:
    async with house(state) as running, asking(app, somebody(state.staff)) as crm:

        async def ivanov() -> httpx.Response:
            return await crm.get("/managers/ivanov")

        free = await until(lambda one: one["state"] == "free", ivanov)
        assert free["pause"] is None
        assert (free["name"], free["department"], free["extension"]) == (
            "Иван Иванов",
            "sales",
            "101",
        )
        assert "sales" in free["queues"]
        assert free["today"] == {"talks": 0, "talk_s": 0.0, "no_answer": 0, "rejected": 0}

        paused = await crm.post("/managers/ivanov/pause", json={"reason": "обед"})
        assert (paused.status_code, paused.json()) == (200, {"id": "ivanov", "state": "paused"})
        await running.written()
        found = await until(lambda one: one["state"] == "paused", ivanov)
        assert (found["pause"]["reason"], found["pause"]["by"]) == ("обед", "crm (web)")

        back = await crm.post("/managers/ivanov/unpause")
        assert back.json() == {"id": "ivanov", "state": "free"}
        await running.written()
        assert (await ivanov()).json()["pause"] is None
        assert noted(state.read, "paused", "unpaused") == [
            ("paused", "ivanov", {"reason": "обед"}),
            ("unpaused", "ivanov", {}),
        ]
        for reason in ("", " ", "x" * 101, "a\nb"):
            refused = await crm.post("/managers/ivanov/pause", json={"reason": reason})
            assert (refused.status_code, refused.json()["errors"][0]["where"]) == (
                422,
                ["body", "reason"],
            )


async def test_managers_come_in_pages_and_without_an_engine(app: FastAPI, state: WebState) -> None:
    keys = sorted(map(str, state.plan.routing.agents))
    async with asking(app, somebody(state.staff)) as crm:
        seen, after = [], ""
        while after is not None:
            page = (await crm.get("/managers", params={"limit": 3, "after": after})).json()
            seen += page["items"]
            after = page["next"]
        assert [one["id"] for one in seen] == keys
        assert {one["state"] for one in seen} == {None}
        paused = await crm.post("/managers/ivanov/pause", json={"reason": "x"})
        assert paused.status_code == 503
        queues = (await crm.get("/queues")).json()["items"]
        assert [one["waiting"] for one in queues] == [None] * len(queues)
        numbers = (await crm.get("/numbers")).json()["items"]
        assert DID in [one["number"] for one in numbers]


async def test_each_role_reaches_its_own(app: FastAPI, state: WebState) -> None:
    own = somebody(state.staff, Role.MANAGER, agent_id="ivanov")
    boss = somebody(state.staff, Role.SUPERVISOR, departments={"support"})
    async with house(state):
        async with asking(app, own) as manager:
            assert [one["id"] for one in (await manager.get("/managers")).json()["items"]] == [
                "ivanov"
            ]
            assert (await manager.get("/managers/petrova")).status_code == 404
            for path in ("/managers/petrova/pause", "/managers/petrova/unpause"):
                assert (await manager.post(path, json={"reason": "x"})).status_code == 404
            assert (await manager.post("/managers/ivanov/unpause")).status_code == 200
            click = {"manager": "petrova", "number": IVAN}
            assert (await manager.post("/click", json=click)).status_code == 404
            queues = (await manager.get("/queues")).json()["items"]
            assert {tuple(one["members"]) for one in queues} == {("ivanov",)}
            assert "support" not in {one["id"] for one in queues}
        async with asking(app, boss) as supervisor:
            shown = (await supervisor.get("/managers")).json()["items"]
            assert {one["department"] for one in shown} == {"support"}
            assert (await supervisor.get("/managers/nobody")).status_code == 404


async def missed_call(running: House, number: str) -> None:
    call_id = CallId(f"call-{number}")
    running.switch.tell(CallArrived(call_id, DID, number, "Иван"))
    running.switch.tell(CallerGone(call_id, "16"))
    await running.written()


async def test_a_missed_call_is_closed_and_opened_again_by_name(
    app: FastAPI, state: WebState
) -> None:
    async with house(state) as running, asking(app, somebody(state.staff)) as crm:
        for number in (IVAN, "+79161230001", "+79161230002"):
            await missed_call(running, number)
        first = (await crm.get("/missed", params={"limit": 2})).json()
        rest = (await crm.get("/missed", params={"limit": 2, "after": first["next"]})).json()
        assert [one["number"] for one in first["items"] + rest["items"]] == [
            "+79161230002",
            "+79161230001",
            IVAN,
        ]
        assert rest["next"] is None
        (task,) = (await crm.get("/missed", params={"number": "8916 123 00 00"})).json()["items"]
        path = f"/missed/{task['id']}"
        assert (task["calls"], task["closed_at"], task["outcome"]) == (
            1,
            None,
            "abandoned_in_menu",
        )

        closed = await crm.post(f"{path}/close", json={"reason": "by mail"})
        assert closed.status_code == 200
        assert (closed.json()["closed_by"], closed.json()["reason"]) == ("crm (web)", "by mail")
        assert (await crm.post(f"{path}/close")).status_code == 409
        assert len((await crm.get("/missed")).json()["items"]) == 2
        (one,) = (await crm.get("/missed?which=closed")).json()["items"]
        assert one["closed_how"] == "hand"

        reopened = await crm.post(f"{path}/reopen")
        assert (reopened.json()["closed_at"], reopened.json()["reopened_by"]) == (None, "crm (web)")
        again = await crm.post(f"{path}/reopen")
        assert (again.status_code, again.json()["detail"]) == (409, "it is open already")
        assert len((await crm.get("/missed?which=all")).json()["items"]) == 3
        assert (await crm.post("/missed/nothing/close")).status_code == 404
        assert noted(state.read, "missed_closed", "missed_reopened") == [
            ("missed_closed", IVAN, {"reason": "by mail"}),
            ("missed_reopened", IVAN, {}),
        ]


async def test_missed_calls_are_shown_to_those_whose_they_are(
    app: FastAPI, state: WebState
) -> None:
    from sqlalchemy import insert

    from pbx.journal.tables import missed

    def task(name: str, agent: str | None, queue: str | None) -> dict[str, Any]:
        at = state.now()
        return {
            "task_id": name,
            "number": f"+7916{len(name):07}{name}"[:12],
            "name": "",
            "did": DID,
            "queue": queue,
            "agent": agent,
            "opened_at": at,
            "first_at": at,
            "last_at": at,
            "calls": 1,
            "last_call": name,
            "outcome": "abandoned_waiting",
        }

    rows = [
        task("a", "ivanov", "support"),
        task("bb", "petrova", "sales"),
        task("ccc", None, "sales"),
        task("dddd", None, "support"),
        task("eeeee", None, None),
    ]
    with state.write.begin() as connection:
        connection.execute(insert(missed), rows)

    async def seen(role: Role, **more: Any) -> str:
        async with asking(app, somebody(state.staff, role, **more)) as who:
            items = (await who.get("/missed")).json()["items"]
            for one in rows:
                shown = await who.get(f"/missed/{one['task_id']}")
                visible = one["task_id"] in {item["id"] for item in items}
                assert shown.status_code == (200 if visible else 404)
            return "".join(sorted(one["id"][0] for one in items))

    assert await seen(Role.ADMIN) == "abcde"
    assert await seen(Role.SUPERVISOR, departments={"sales"}) == "abc"
    assert await seen(Role.MANAGER, agent_id="ivanov") == "ac"
    assert await seen(Role.MANAGER, agent_id="volkova") == "d"
    assert await seen(Role.MANAGER) == ""
    async with asking(app, somebody(state.staff)) as crm:
        for owner, ids in (("ivanov", ["a"]), ("sales", ["ccc"]), ("nobody", ["eeeee"])):
            items = (await crm.get("/missed", params={"owner": owner})).json()["items"]
            assert [one["id"] for one in items] == ids


async def test_a_click_rings_once_and_says_why_not(app: FastAPI, state: WebState) -> None:
    own = somebody(state.staff, Role.MANAGER, agent_id="petrova")
    async with house(state) as running:
        async with asking(app, own) as manager:
            rung = await manager.post("/click", json={"number": "8 916 123-00-00"})
            assert (rung.status_code, rung.json()["result"]) == (202, "ringing")
            (ring,) = [one for one in running.switch.sent if isinstance(one, Ring)]
            assert (ring.address, ring.caller_number) == ("PJSIP/petrova", IVAN)
            again = await manager.post("/click", json={"number": IVAN})
            assert (again.status_code, again.json()["result"]) == (409, "busy")
            assert again.json()["detail"] == "the manager talks, or is rung already"
        async with asking(app, somebody(state.staff)) as crm:
            for number, result in (("112", "no_number"), ("+4930901820", "not_allowed")):
                answer = await crm.post("/click", json={"manager": "ivanov", "number": number})
                assert (answer.status_code, answer.json()["result"]) == (409, result)
            assert (await crm.post("/click", json={"number": IVAN})).status_code == 404
            assert (await crm.post("/click", json={"manager": "ivanov"})).status_code == 422


SCOPED = {
    ("GET", "/managers"): Scope.MANAGERS_READ,
    ("GET", "/managers/ivanov"): Scope.MANAGERS_READ,
    ("POST", "/managers/ivanov/pause"): Scope.MANAGERS_WRITE,
    ("POST", "/managers/ivanov/unpause"): Scope.MANAGERS_WRITE,
    ("GET", "/missed"): Scope.MISSED_READ,
    ("GET", "/missed/x"): Scope.MISSED_READ,
    ("POST", "/missed/x/close"): Scope.MISSED_WRITE,
    ("POST", "/missed/x/reopen"): Scope.MISSED_WRITE,
    ("POST", "/click"): Scope.CLICK_WRITE,
    ("GET", "/numbers"): Scope.CALLS_READ,
    ("GET", "/queues"): Scope.CALLS_READ,
}


@pytest.mark.slow
@pytest.mark.parametrize(("asked", "scope"), SCOPED.items())
async def test_each_asks_for_its_scope(
    app: FastAPI, state: WebState, asked: tuple[str, str], scope: Scope
) -> None:
    without = somebody(state.staff, scopes=set(Scope) - {scope})
    only = somebody(state.staff, scopes={scope})
    body = {"reason": "x", "number": IVAN, "manager": "ivanov"}
    async with asking(app, without) as crm:
        assert (await crm.request(*asked, json=body)).status_code == 403
    async with asking(app, only) as crm:
        assert (await crm.request(*asked, json=body)).status_code != 403
