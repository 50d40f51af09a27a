"""Raw streams become files; what goes wrong is told, and nothing is lost."""

from __future__ import annotations

import os
import resource
import struct
import wave
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.recordings.keeper import INCOMING, Keeper
from pbx.recordings.names import file_of, path_of
from pbx.recordings.stereo import RATE, to_wav
from pbx.switch.port import RecordingEnded

NAME = "2026-11-18-a1-l1"
SECOND = struct.pack("<hh", 1000, -2000) * RATE


class Told:
    """A keeper without its thread: the test looks for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.incoming = folder / INCOMING
        self.incoming.mkdir()
        self.events: list[RecordingEnded] = []
        self.keeper = Keeper(folder, "/switch/recordings", retry_every_s=0.0)
        self.keeper.hear(self.events.append)

    def raw(self, content: bytes, name: str = NAME) -> Path:
        path = self.incoming / f"{name}.raw"
        path.write_bytes(content)
        return path

    def looks(self, times: int) -> None:
        for _ in range(times):
            self.keeper.look()

    @property
    def file(self) -> Path:
        return file_of(self.folder, path_of(NAME))


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path)


def samples(path: Path) -> bytes:
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, RATE)
        return file.readframes(file.getnframes())


@given(content=st.binary(max_size=300))
def test_a_wav_has_every_sample_of_the_stream(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("stereo")
    raw = folder / "x.raw"
    raw.write_bytes(content)

    length_s = to_wav(raw, folder / "day" / "x.wav")

    whole = len(content) // 4 * 4
    assert samples(folder / "day" / "x.wav") == content[:whole]
    assert length_s == whole / 4 / RATE


def test_a_stream_that_still_grows_is_waited_for(told: Told) -> None:
    raw = told.raw(SECOND)
    told.keeper.over(NAME, talked=True)
    told.looks(1)
    raw.write_bytes(SECOND * 2)
    told.looks(1)
    assert told.events == []

    told.looks(1)

    assert told.events == [RecordingEnded(NAME, 2.0)]
    assert samples(told.file) == SECOND * 2
    assert not raw.exists()
    assert told.file.stat().st_mode & 0o007 == 0, "strangers may not listen"


def test_a_leg_without_a_talk_leaves_no_file(told: Told) -> None:
    raw = told.raw(SECOND)
    told.keeper.over(NAME, talked=False)
    told.looks(3)

    assert told.events == []
    assert not raw.exists()
    assert not told.file.exists()


def _nothing(told: Told) -> None:
    pass


def _empty(told: Told) -> None:
    told.raw(b"")


def _link(told: Told) -> None:
    secret = told.folder / "secret"
    secret.write_bytes(SECOND)
    (told.incoming / f"{NAME}.raw").symlink_to(secret)


@pytest.mark.parametrize("there", [_nothing, _empty, _link])
def test_a_talk_without_a_recording_is_told_once(told: Told, there: Callable[[Told], None]) -> None:
    there(told)
    told.keeper.over(NAME, talked=True)
    told.looks(5)

    (event,) = told.events
    assert (event.name, event.length_s) == (NAME, 0.0)
    assert event.problem
    assert not told.file.exists()


def test_what_could_not_be_made_is_told_kept_and_made_later(told: Told) -> None:
    raw = told.raw(SECOND)
    blocked = told.folder / "2026-11-18"
    blocked.write_text("a file where the day's folder should be")
    told.keeper.over(NAME, talked=True)
    told.looks(4)
    (failed,) = told.events
    assert failed.problem
    assert raw.exists()

    blocked.unlink()
    told.looks(1)

    assert told.events[1:] == [RecordingEnded(NAME, 1.0)]
    assert samples(told.file) == SECOND
    assert not raw.exists()


def test_no_half_file_is_left_where_the_disk_is_full(told: Told) -> None:
    raw = told.raw(SECOND)
    told.keeper.over(NAME, talked=True)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        told.looks(2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    (failed,) = told.events
    assert failed.problem
    assert os.listdir(told.folder / "2026-11-18") == []
    assert raw.read_bytes() == SECOND


def test_what_a_killed_engine_left_is_found_and_strange_files_are_not(told: Told) -> None:
    told.raw(SECOND)
    (told.incoming / "notes.raw").write_bytes(SECOND)
    (told.incoming / f"{NAME}.txt").write_bytes(SECOND)
    told.looks(1)
    assert told.keeper.unfinished() == {NAME}

    told.keeper.take_up([NAME, "2026-11-18-gone-l1"])
    told.looks(3)

    assert told.events == [RecordingEnded(NAME, 1.0)]
    assert told.keeper.unfinished() == frozenset()


def test_a_folder_that_cannot_be_read_is_no_trouble(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "gone", "/gone")
    keeper.look()
    assert keeper.unfinished() == frozenset()
