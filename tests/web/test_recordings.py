"""Recordings and voicemail: who hears them, what of the disk they reach, and in which parts."""

from __future__ import annotations

import os
import wave
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import insert

from pbx.journal.queries import CallFilter, list_calls
from pbx.journal.story import LegRow
from pbx.journal.tables import messages, recordings
from pbx.web.access import Role
from pbx.web.accounts.audit import AuditFilter, AuditRow, list_notes
from pbx.web.sound import NoSound, open_sound
from pbx.web.state import WebState
from tests.web.morning import seen_by

FRAMES = 8000
LEG_OF_NOBODY = "lost-1"


def write_wav(file: Path, channels: int = 2) -> bytes:
    file.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(file), "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(bytes(range(256)) * (FRAMES * channels * 2 // 256))
    return file.read_bytes()


def talk_of(state: WebState, agent: str) -> LegRow:
    """A talk of theirs."""
    return next(
        leg
        for call in list_calls(state.read, CallFilter())
        for leg in call.legs
        if leg.agent == agent and leg.joined_at is not None
    )


def put(state: WebState, leg: LegRow | None, path: str | None = None, **more: object) -> str:
    """A line of the log about a recording of this talk."""
    leg_id = leg.leg_id if leg else LEG_OF_NOBODY
    at = leg.started_at if leg else state.now()
    day = f"{at:%Y-%m-%d}"
    values = {
        "leg_id": leg_id,
        "call_id": leg.call_id if leg else None,
        "path": path or f"{day}/{day}-{leg_id}.wav",
        "started_at": at,
        "length_s": 1.0,
        "keep_until": at + timedelta(days=90),
        **more,
    }
    with state.write.begin() as connection:
        connection.execute(insert(recordings), values)
    return str(values["path"])


def kept(state: WebState, agent: str) -> tuple[str, bytes]:
    """A recording of a talk of theirs: its address and its file."""
    leg = talk_of(state, agent)
    path = put(state, leg)
    return f"/recordings/{leg.leg_id}", write_wav(state.settings.recordings / path)


def audited(state: WebState) -> list[AuditRow]:
    return [one for one in list_notes(state.read, AuditFilter()) if "ed" in one.action]


# Who hears what -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "departments", "agent", "hears"),
    [
        (Role.ADMIN, (), None, True),
        (Role.SUPERVISOR, ("support",), None, True),
        (Role.SUPERVISOR, ("sales",), None, False),
        (Role.SUPERVISOR, ("*",), None, True),
        (Role.MANAGER, (), "kuznetsova", True),
        (Role.MANAGER, (), "volkova", False),
        (Role.MANAGER, (), None, False),
    ],
)
async def test_a_talk_is_heard_by_whom_it_is_theirs(
    shop: WebState, role: Role, departments: tuple[str, ...], agent: str | None, hears: bool
) -> None:
    address, content = kept(shop, "kuznetsova")
    call_id = talk_of(shop, "kuznetsova").call_id
    async with seen_by(shop, role, departments=departments, agent=agent) as browser:
        answer = await browser.get(address)
        drawn = await browser.get(f"{address}/waveform")
        page = await browser.get(f"/calls/{call_id}")

    assert answer.status_code == drawn.status_code == (200 if hears else 404)
    assert (f'data-sound="{address}"' in page.text) == hears
    if hears:
        assert answer.content == content
        assert [one["of"] for one in drawn.json()["lanes"]] == ["manager", "client"]
        assert answer.headers["content-type"] == "audio/wav"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "private, no-store"
        assert "inline" in answer.headers["content-disposition"]
    else:
        assert audited(shop) == []


async def test_what_nobody_is_known_to_have_talked_in_is_for_who_sees_everything(
    shop: WebState,
) -> None:
    write_wav(shop.settings.recordings / put(shop, None))
    async with seen_by(shop, Role.ADMIN) as browser:
        assert (await browser.get(f"/recordings/{LEG_OF_NOBODY}")).status_code == 200
    async with seen_by(shop, Role.SUPERVISOR, departments=("sales",)) as browser:
        assert (await browser.get(f"/recordings/{LEG_OF_NOBODY}")).status_code == 404


async def test_voicemail_is_heard_by_who_sees_its_call(shop: WebState) -> None:
    call = next(one for one in list_calls(shop.read, CallFilter()) if one.queue == "support")
    file = shop.settings.messages / "support" / "message.wav"
    content = write_wav(file, channels=1)
    left = {"message_id": "m-1", "call_id": call.call_id, "at": call.started_at, "box": "support"}
    with shop.write.begin() as connection:
        connection.execute(insert(messages), {**left, "path": str(file), "length_s": 1.0})
    address = "/messages/m-1"
    async with seen_by(shop, Role.ADMIN) as browser:
        assert (await browser.get(address)).content == content
        drawn = (await browser.get(f"{address}/waveform")).json()
        assert f'data-sound="{address}"' in (await browser.get(f"/calls/{call.call_id}")).text
    async with seen_by(shop, Role.SUPERVISOR, departments=("support",)) as browser:
        assert (await browser.get(address)).status_code == 200
    for role, departments in ((Role.MANAGER, ()), (Role.SUPERVISOR, ("sales",))):
        async with seen_by(shop, role, departments=departments) as browser:
            assert (await browser.get(address)).status_code == 404

    assert [one["of"] for one in drawn["lanes"]] == ["client"]
    assert [one.subject for one in audited(shop)] == ["voicemail m-1"] * 2


# Written down -------------------------------------------------------------------------------


async def test_a_play_is_written_down_once_however_many_parts_are_fetched(shop: WebState) -> None:
    address, _ = kept(shop, "kuznetsova")
    async with seen_by(shop, Role.ADMIN) as browser:
        for begin in (0, 100, 4000, 0):
            await browser.get(f"{address}?play=a", headers={"Range": f"bytes={begin}-"})
        await browser.get(f"{address}/waveform")
        await browser.head(f"{address}?play=b")
        assert [(one.action, one.who) for one in audited(shop)] == [("listened", "admin")]
        await browser.get(f"{address}?play=b")
        await browser.get(f"{address}?download=1")

    told = audited(shop)
    assert sorted(one.action for one in told) == ["downloaded", "listened", "listened"]
    assert {one.details["call_id"] for one in told} == {talk_of(shop, "kuznetsova").call_id}


async def test_what_cannot_be_written_down_is_not_heard(
    shop: WebState, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pbx.errors import JournalError

    async def fails(*_: object, **__: object) -> None:
        raise JournalError("the database is gone")

    address, _ = kept(shop, "kuznetsova")
    monkeypatch.setattr(shop, "audit", fails)
    async with seen_by(shop, Role.ADMIN) as browser:
        for _ in range(2):
            assert (await browser.get(f"{address}?play=a")).status_code == 503


# Parts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "begin", "end"),
    [
        ("bytes=0-", 0, None),
        ("bytes=0-0", 0, 1),
        ("bytes=44-143", 44, 144),
        ("bytes=100-99999999999", 100, None),
        ("bytes=-100", -100, None),
        ("bytes=-99999999999", 0, None),
    ],
)
async def test_a_part_is_exactly_what_was_asked_for(
    shop: WebState, asked: str, begin: int, end: int | None
) -> None:
    address, content = kept(shop, "kuznetsova")
    async with seen_by(shop, Role.ADMIN) as browser:
        answer = await browser.get(address, headers={"Range": asked})

    part = content[begin:end]
    first = begin if begin >= 0 else len(content) + begin
    assert answer.status_code == 206
    assert answer.content == part
    assert answer.headers["content-length"] == str(len(part))
    assert answer.headers["content-range"] == (
        f"bytes {first}-{first + len(part) - 1}/{len(content)}"
    )


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=-0", "bytes=99999999-100000000"])
async def test_a_part_beyond_the_end_is_416(shop: WebState, asked: str) -> None:
    address, content = kept(shop, "kuznetsova")
    async with seen_by(shop, Role.ADMIN) as browser:
        answer = await browser.get(address, headers={"Range": asked})

    assert (answer.status_code, answer.content) == (416, b"")
    assert answer.headers["content-range"] == f"bytes */{len(content)}"


@pytest.mark.parametrize(
    "asked",
    ["bytes=5-2", "bytes=-", "bytes=a-b", "chars=0-1", "bytes=0-1,4-5", "bytes=" + "9" * 400, ""],
)
async def test_what_is_no_part_is_the_whole(shop: WebState, asked: str) -> None:
    address, content = kept(shop, "kuznetsova")
    async with seen_by(shop, Role.ADMIN) as browser:
        answer = await browser.get(address, headers={"Range": asked})
        stale = await browser.get(address, headers={"Range": "bytes=0-1", "If-Range": '"old"'})
        fresh = await browser.get(
            address, headers={"Range": "bytes=0-1", "If-Range": answer.headers["etag"]}
        )
        head = await browser.head(address)

    assert (answer.status_code, answer.content) == (200, content)
    assert (stale.status_code, len(stale.content)) == (200, len(content))
    assert (fresh.status_code, fresh.content) == (206, content[:2])
    assert (head.content, head.headers["content-length"]) == (b"", str(len(content)))


# The disk -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../voronka.db",
        "2026-11-17/../../voronka.db",
        "2026-11-17/2026-11-17-../x.wav",
        "incoming/2026-11-17-l1.raw",
        "2026-11-17/2026-11-17-l1\0.wav",
        "2026-11-18/2026-11-17-l1.wav",
        "",
        ".",
    ],
)
async def test_a_path_that_we_never_make_is_not_opened(shop: WebState, path: str) -> None:
    leg = talk_of(shop, "kuznetsova")
    put(shop, leg, path.replace("\0", "") or "x")
    write_wav(shop.settings.recordings / "2026-11-18" / "2026-11-17-l1.wav")
    async with seen_by(shop, Role.ADMIN) as browser:
        answer = await browser.get(f"/recordings/{leg.leg_id}")
        page = await browser.get(f"/calls/{leg.call_id}")

    assert answer.status_code == 410
    assert page.status_code == 200
    assert "The file is not in the folder" in page.text
    with pytest.raises(NoSound):
        open_sound(shop.settings.messages, path)


@pytest.mark.parametrize("name", ["..%2f..%2fvoronka.db", "%2fetc%2fpasswd", "%00", "x" * 5000])
async def test_an_id_that_is_none_reaches_no_file(shop: WebState, name: str) -> None:
    async with seen_by(shop, Role.ADMIN) as browser:
        for kind in ("recordings", "messages"):
            assert (await browser.get(f"/{kind}/{name}")).status_code == 404


def test_no_link_leads_out_of_the_folder(tmp_path: Path) -> None:
    folder, outside = tmp_path / "in", tmp_path / "out"
    write_wav(folder / "day" / "good.wav")
    write_wav(outside / "secret.wav")
    (folder / "link.wav").symlink_to(outside / "secret.wav")
    (folder / "away").symlink_to(outside)
    os.mkfifo(folder / "pipe.wav")
    (folder / "folder.wav").mkdir()

    for good in ("day/good.wav", str(folder / "day" / "good.wav")):
        open_sound(folder, good).file.close()
    for bad in (
        "link.wav",
        "away/secret.wav",
        "pipe.wav",
        "folder.wav",
        "nothing.wav",
        "day/../day/good.wav",
        str(outside / "secret.wav"),
        str(folder),
        "x" * 5000,
    ):
        with pytest.raises(NoSound):
            open_sound(folder, bad)


async def test_a_recording_that_is_not_there_is_said_plainly(shop: WebState) -> None:
    told = {
        "gone": ({}, 410, "not in the folder of recordings any more"),
        "written": ({"length_s": None}, 404, "The recording is not ready yet"),
        "failed": ({"length_s": None, "problem": "disk full"}, 404, "could not be recorded"),
        "removed": ({"removed_at": shop.now()}, 410, "its time was over"),
    }
    agents = ["kuznetsova", "smirnov", "orlova", "sidorov"]
    async with seen_by(shop, Role.ADMIN) as browser:
        for (more, status, words), agent in zip(told.values(), agents, strict=True):
            leg = talk_of(shop, agent)
            put(shop, leg, **more)  # type: ignore[arg-type]
            assert (await browser.get(f"/recordings/{leg.leg_id}")).status_code == status
            assert (await browser.get(f"/recordings/{leg.leg_id}/waveform")).status_code == status
            assert words in (await browser.get(f"/calls/{leg.call_id}")).text


async def test_a_waveform_is_read_once_and_anew_when_the_file_is_another(
    shop: WebState, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, _ = kept(shop, "kuznetsova")
    made: list[int] = []
    from pbx.recordings.waveform import waveform
    from pbx.web import waveforms

    whole = waveform

    def counted(file: object, pieces: int) -> object:
        made.append(pieces)
        return whole(file, pieces)  # type: ignore[arg-type]

    monkeypatch.setattr(waveforms, "waveform", counted)
    async with seen_by(shop, Role.ADMIN) as browser:
        first = (await browser.get(f"{address}/waveform")).json()
        assert (await browser.get(f"{address}/waveform")).json() == first
        assert len(made) == 1
        leg = talk_of(shop, "kuznetsova")
        file = next(shop.settings.recordings.rglob(f"*{leg.leg_id}.wav"))
        file.unlink()
        write_wav(file, channels=1)
        assert [
            one["of"] for one in (await browser.get(f"{address}/waveform")).json()["lanes"]
        ] == ["client"]
    assert len(made) == 2
    assert first["length_s"] == 1.0


async def test_who_goes_away_leaves_no_file_open(shop: WebState) -> None:
    address, _ = kept(shop, "kuznetsova")
    before = len(os.listdir("/proc/self/fd"))
    async with seen_by(shop, Role.ADMIN) as browser:
        for _ in range(5):
            async with browser.stream("GET", address) as answer:
                assert isinstance(answer, httpx.Response)
            await browser.head(address)
            await browser.get(address, headers={"Range": "bytes=99999999-"})
            await browser.get(f"{address}/waveform")

    assert len(os.listdir("/proc/self/fd")) <= before + 1
