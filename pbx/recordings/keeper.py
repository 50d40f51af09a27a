"""Makes finished files of what Asterisk records; in a thread of its own.

Asterisk writes ``incoming/<name>.raw`` while the talk goes on.  When its leg is over and the file
does not grow any more, it becomes ``<day>/<name>.wav``.  What is left behind by a killed engine
is found by looking.  Nothing here can hold up a call: no disk is touched in the event loop.
"""

from __future__ import annotations

import asyncio
import os
import stat
import struct
import time
import wave
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread

import structlog

from pbx.recordings.names import is_name, path_of
from pbx.recordings.stereo import to_wav
from pbx.switch.port import RecordingEnded

_log = structlog.get_logger(__name__)

INCOMING = "incoming"
"""The folder that Asterisk writes to, below that of the recordings."""
LOOK_EVERY_S = 1.0
"""A file that has not grown for so long after its leg's end is complete, seconds."""
RETRY_EVERY_S = 60.0
"""When a file that could not be made is tried again, seconds."""
_SUFFIX = ".raw"
_MISSING = -1


class _Wanted(Enum):
    TALK = auto()
    """There was a talk: a recording that is missing is a fault."""
    WHATEVER_IS_THERE = auto()
    """Left behind by somebody; an empty one is no fault of ours."""
    NOTHING = auto()
    """Nobody talked: to be removed."""


@dataclass(slots=True)
class _Pending:
    wanted: _Wanted
    size: int | None = None
    told: bool = False
    not_before: float = 0.0


class Keeper:
    """Implements ``pbx.ami.channels.Recorder``.  ``here``: the folder as we see it;
    ``on_switch``: as Asterisk does."""

    def __init__(
        self,
        here: Path,
        on_switch: str,
        *,
        look_every_s: float = LOOK_EVERY_S,
        retry_every_s: float = RETRY_EVERY_S,
    ) -> None:
        self._here = here
        self._incoming = here / INCOMING
        self._on_switch = on_switch
        self._look_every_s = look_every_s
        self._retry_every_s = retry_every_s
        self._news: SimpleQueue[tuple[str, _Wanted]] = SimpleQueue()
        self._pending: dict[str, _Pending] = {}
        self._lying: frozenset[str] = frozenset()
        self._closing = Event()
        self._tell: Callable[[RecordingEnded], None] = _nobody

    # In the event loop -------------------------------------------------------------------

    def start(self, tell: Callable[[RecordingEnded], None]) -> None:
        """Begin; ``tell`` is called in the running event loop."""
        loop = asyncio.get_running_loop()

        def tell_in_loop(event: RecordingEnded) -> None:
            if not self._closing.is_set():
                loop.call_soon_threadsafe(tell, event)

        self.hear(tell_in_loop)
        Thread(target=self._run, name="recordings", daemon=True).start()

    def hear(self, tell: Callable[[RecordingEnded], None]) -> None:
        """Without a thread, for who calls ``look``: ``tell`` is called from there."""
        self._tell = tell

    def stop(self) -> None:
        """Leave what is not finished to the next engine.

        Does not wait: a disk that does not answer is no reason not to stop.
        """
        self._closing.set()

    def path(self, name: str) -> str:
        """Where Asterisk is to record to, without suffix."""
        assert is_name(name)
        return f"{self._on_switch}/{INCOMING}/{name}"

    def over(self, name: str, *, talked: bool) -> None:
        """The leg that was to be recorded is over; what becomes of it is told later."""
        self._news.put((name, _Wanted.TALK if talked else _Wanted.NOTHING))

    def unfinished(self) -> frozenset[str]:
        """Names of what lay there a moment ago and is no finished file yet."""
        return self._lying

    def take_up(self, names: Iterable[str]) -> None:
        """Nobody records these any more: make files of them."""
        for name in names:
            self._news.put((name, _Wanted.WHATEVER_IS_THERE))

    # In the thread -----------------------------------------------------------------------

    def _run(self) -> None:
        self._prepare()
        while True:
            try:
                self.look()
            except Exception:
                _log.exception("recordings_failed")
            if self._closing.wait(self._look_every_s):
                return

    def _prepare(self) -> None:
        try:
            if not self._incoming.is_dir():
                self._incoming.mkdir(mode=0o770, parents=True)
        except OSError as error:
            _log.error("recordings_folder_unusable", reason=str(error))

    def look(self) -> None:
        """Finish what can be finished; blocking."""
        while True:
            try:
                name, wanted = self._news.get_nowait()
            except Empty:
                break
            if wanted is not _Wanted.WHATEVER_IS_THERE or name not in self._pending:
                self._pending[name] = _Pending(wanted)
        self._lying = self._list()
        now = time.monotonic()
        for name, one in list(self._pending.items()):
            if self._closing.is_set():
                return
            if one.not_before <= now and self._settled(name, one):
                self._finish(name, one, now)

    def _list(self) -> frozenset[str]:
        try:
            found = [entry.name for entry in os.scandir(self._incoming)]
        except OSError:
            return frozenset()  # told when a recording is missing
        names = (name.removesuffix(_SUFFIX) for name in found if name.endswith(_SUFFIX))
        return frozenset(name for name in names if is_name(name))

    def _raw(self, name: str) -> Path:
        return self._incoming / f"{name}{_SUFFIX}"

    def _settled(self, name: str, one: _Pending) -> bool:
        """It is as it was at the last look."""
        try:
            size = self._raw(name).lstat().st_size
        except OSError:
            size = _MISSING
        before, one.size = one.size, size
        return before == size

    def _finish(self, name: str, one: _Pending, now: float) -> None:
        try:
            length_s = self._make(name, one)
        except (OSError, wave.Error, struct.error) as error:
            one.not_before = now + self._retry_every_s
            if not one.told:
                one.told = True
                self._failed(name, str(error))
            return
        del self._pending[name]
        if length_s > 0:
            self._tell(RecordingEnded(name, length_s))
        elif one.wanted is _Wanted.TALK:
            self._failed(name, "nothing was recorded: can Asterisk write there, is the disk full?")

    def _make(self, name: str, one: _Pending) -> float:
        """Seconds; 0 where there is nothing.  Raises OSError."""
        raw = self._raw(name)
        if one.size == _MISSING:
            return 0.0
        keep = one.wanted is not _Wanted.NOTHING and stat.S_ISREG(raw.lstat().st_mode)
        length_s = to_wav(raw, self._here / path_of(name)) if keep and one.size else 0.0
        raw.unlink()
        return length_s

    def _failed(self, name: str, problem: str) -> None:
        _log.error("recording_failed", name=name, problem=problem)
        self._tell(RecordingEnded(name, 0.0, problem))


def _nobody(event: RecordingEnded) -> None:
    """Before the start nobody listens."""
