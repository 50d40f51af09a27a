"""Calls and recordings as programs read them."""

from __future__ import annotations

import shutil
import wave
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from pbx.journal.queries import CallFilter, call_story, list_calls
from pbx.journal.tables import legs, recordings
from pbx.settings import WebSettings, read_web_settings
from pbx.web.access import Role, Scope
from pbx.web.accounts.audit import AuditFilter, list_notes
from pbx.web.hearing import may_hear_talk
from pbx.web.sight import sight_of
from pbx.web.state import WebState
from tests.web.application import application
from tests.web.asking import asking, somebody
from tests.web.morning import BEGAN, morning, write_morning
from tests.web.people import quick


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The morning, with a recording of each talk, one of an outside number and one of nobody's."""
    folder = tmp_path_factory.mktemp("morning")
    made = read_web_settings({"VORONKA_STATE_DIR": str(folder), "VORONKA_PLAN": "config"})
    write_morning(made, folder)
    state = WebState(made, passwords=quick())
    whole = list_calls(state.read, CallFilter())
    talks = [leg for one in whole for leg in one.legs if leg.joined_at is not None]
    support = next(one for one in whole if one.queue == "support")
    outside = {
        "leg_id": "outside-1",
        "call_id": support.call_id,
        "kind": "outside",
        "address": "+79160000000",
        "started_at": BEGAN,
    }
    told: list[tuple[str, str | None, datetime]] = [
        (leg.leg_id, leg.call_id, leg.started_at) for leg in talks
    ]
    told += [("outside-1", support.call_id, BEGAN), ("lost-1", None, BEGAN)]
    with state.write.begin() as connection:
        connection.execute(insert(legs), outside)
        for leg_id, call_id, at in told:
            row = {"leg_id": leg_id, "call_id": call_id, "started_at": at, "length_s": 1.0}
            path = f"{at:%Y-%m-%d}/{at:%Y-%m-%d}-{leg_id}.wav"
            connection.execute(
                insert(recordings), {**row, "path": path, "keep_until": at + timedelta(days=1)}
            )
    state.read.dispose()
    state.write.dispose()
    return folder / "voronka.db"


@pytest.fixture
async def shop(settings: WebSettings, written: Path, tmp_path: Path) -> AsyncIterator[WebState]:
    shutil.copy(written, tmp_path / "voronka.db")
    async with morning(settings) as state:
        yield state


ROLES = [
    (Role.ADMIN, (), None),
    (Role.SUPERVISOR, ("support",), None),
    (Role.SUPERVISOR, ("sales",), "orlova"),
    (Role.MANAGER, (), "kuznetsova"),
    (Role.MANAGER, (), None),
]


@pytest.mark.parametrize(("role", "departments", "agent"), ROLES)
async def test_each_role_reads_its_own_calls_and_recordings(
    shop: WebState, role: Role, departments: tuple[str, ...], agent: str | None
) -> None:
    who = somebody(shop.staff, role, departments=departments, agent_id=agent)
    sight = sight_of(who)
    stories = [call_story(shop.read, one.call_id) for one in list_calls(shop.read, CallFilter())]
    seen = [one for one in stories if one and (sight is None or sight.shows(one))]
    heard = {
        one.leg_id
        for story in stories
        if story
        for one in story.recordings
        for leg in story.legs
        if leg.leg_id == one.leg_id and may_hear_talk(who, leg.agent, sees_call=story in seen)
    }
    if sight is None:
        heard.add("lost-1")
    async with asking(application(shop), who) as crm:
        items, after = [], ""
        while after is not None:
            page = (await crm.get("/calls", params={"limit": 4, "after": after})).json()
            items += page["items"]
            after = page["next"]
        assert [one["id"] for one in items] == [one.call.call_id for one in reversed(seen)]
        for story in stories:
            assert story is not None
            for path in ("", "/legs"):
                answer = await crm.get(f"/calls/{story.call.call_id}{path}")
                assert answer.status_code == (200 if story in seen else 404)
        listed, after = [], ""
        while after is not None:
            page = (await crm.get("/recordings", params={"limit": 3, "after": after})).json()
            listed += page["items"]
            after = page["next"]
        assert len(listed) == len({one["id"] for one in listed})
        assert {one["id"] for one in listed} == heard
        for leg_id in ("outside-1", "lost-1"):
            # There is no file: who may hear it is told so.
            audio = await crm.get(f"/recordings/{leg_id}/audio")
            assert audio.status_code == (410 if leg_id in heard else 404)


async def test_a_calls_whole_story_is_told(shop: WebState) -> None:
    async with asking(application(shop), somebody(shop.staff)) as crm:
        answered = (await crm.get("/calls", params={"outcome": "answered", "limit": 1})).json()
        (call,) = answered["items"]
        whole = (await crm.get(f"/calls/{call['id']}")).json()
        story = call_story(shop.read, call["id"])

    assert story is not None
    assert call["recordings"] == 1
    assert whole["outcome"] == "answered"
    assert [one["id"] for one in whole["legs"]] == [leg.leg_id for leg in story.legs]
    assert [one["why"] for one in whole["offers"]] == [one.why for one in story.offers]
    assert [one["digits"] for one in whole["steps"]] == [one.digits for one in story.steps]
    assert len(whole["waits"]) == len(story.waits)
    assert "path" not in str(whole["recordings"])


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"number": "903 111 22 03"}, 1),
        ({"outcome": "in_progress"}, 0),
        ({"outcome": "abandoned_in_menu"}, 1),
        ({"since": "2026-11-18T00:00:00Z"}, 0),
        ({"until": "2026-11-17T12:00:00+03:00"}, 0),
        ({"manager": "nobody"}, 0),
        ({"queue": "sales\0"}, None),
    ],
)
async def test_filters_narrow(shop: WebState, asked: dict[str, str], found: int | None) -> None:
    async with asking(application(shop), somebody(shop.staff)) as crm:
        answer = await crm.get("/calls", params=asked)

    assert answer.status_code == 200
    if found is not None:
        assert len(answer.json()["items"]) == found


@pytest.mark.parametrize(
    "asked",
    [{"limit": "0"}, {"limit": "501"}, {"after": "x"}, {"outcome": "lost"}, {"since": "today"}],
)
async def test_what_makes_no_sense_is_refused(shop: WebState, asked: dict[str, str]) -> None:
    async with asking(application(shop), somebody(shop.staff)) as crm:
        for path in ("/calls", "/recordings"):
            if "outcome" in asked and path == "/recordings":
                continue
            assert (await crm.get(path, params=asked)).status_code == 422


async def test_without_the_scope_nothing_is_heard(shop: WebState) -> None:
    reader = somebody(shop.staff, scopes={Scope.CALLS_READ})
    listener = somebody(shop.staff, scopes={Scope.RECORDINGS_READ})
    async with asking(application(shop), reader) as crm:
        (call,) = (await crm.get("/calls", params={"recorded": True, "limit": 1})).json()["items"]
        assert (await crm.get(f"/calls/{call['id']}")).json()["recordings"] == []
        for path in ("/recordings", "/recordings/outside-1/audio"):
            assert (await crm.get(path)).status_code == 403
    async with asking(application(shop), listener) as crm:
        assert (await crm.get("/calls")).status_code == 403


async def test_a_recordings_sound_is_a_download_on_record(shop: WebState) -> None:
    async with asking(application(shop), somebody(shop.staff)) as crm:
        (one,) = (
            await crm.get("/recordings", params={"manager": "kuznetsova", "limit": 1})
        ).json()["items"]
        day = one["started_at"][:10]
        file = shop.settings.recordings / day / f"{day}-{one['id']}.wav"
        file.parent.mkdir(parents=True)
        with wave.open(str(file), "wb") as out:
            out.setnchannels(2)
            out.setsampwidth(2)
            out.setframerate(8000)
            out.writeframes(bytes(4 * 8000))
        whole = await crm.get(f"/recordings/{one['id']}/audio")
        part = await crm.get(f"/recordings/{one['id']}/audio", headers={"Range": "bytes=0-43"})

    assert whole.content == file.read_bytes()
    assert (part.status_code, part.content) == (206, whole.content[:44])
    assert "attachment" in whole.headers["content-disposition"]
    notes = list_notes(shop.read, AuditFilter())
    assert [(note.action, note.subject, note.kind) for note in notes] == [
        ("downloaded", f"recording {one['id']}", "token")
    ]
