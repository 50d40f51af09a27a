"""Parts of one work that do not need each other, several at once: ``done_apart``.

Each is done in a process forked for it, which has all that the part needs without being sent it;
what comes of it comes back pickled, with how far it is on the way.  A part is the same wherever it
is done, and what comes of them stands in their order.

House rules: a process ends when its part is done, when this one ends it (also by an exception, as
Ctrl-C is one), and by itself when this one is no more.  It leaves no more than it came with: it
flushes nothing and runs nothing that this one has for its end.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from typing import TypeVar

from pbx.errors import RunFailed

T = TypeVar("T")
Report = Callable[[float], None]
Part = Callable[[Report], T]
"""Does its work and tells the share that is done (0 to 1) now and then."""

_BELLS = {signal.SIGINT, signal.SIGTERM}


def processors() -> int:
    """How many processes may work at once here."""
    # Elsewhere a fork is not safe, or not to be had.
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


@dataclass(frozen=True, slots=True)
class _Worker:
    """The process that does the part at ``place``."""

    place: int
    pid: int


def done_apart(
    parts: Iterable[Part[T]], count: int, *, processes: int, progress: Report | None = None
) -> list[T]:
    """What comes of each of ``count`` parts, ``processes`` at once.  One: all of them here.

    A part is asked for when a process is there for it.  ``progress``: told the share of all.
    Raises RunFailed when a process does not come to its end.
    """
    shares = [0.0] * count

    def told(place: int, share: float) -> None:
        shares[place] = share
        if progress is not None:
            progress(min(1.0, sum(shares) / count))

    if processes <= 1 or count <= 1:
        found = []
        for place, part in enumerate(parts):
            found.append(part(lambda share, place=place: told(place, share)))  # type: ignore[misc]
            told(place, 1.0)
        return found
    results: dict[int, T] = {}
    workers: dict[Connection, _Worker] = {}
    try:
        for place, part in enumerate(parts):
            while len(workers) >= processes:
                _hear(workers, results, told)
            _start(part, place, workers)
        while workers:
            _hear(workers, results, told)
    finally:
        for line, worker in workers.items():
            line.close()
            os.kill(worker.pid, signal.SIGKILL)
            os.waitpid(worker.pid, 0)
    return [results[place] for place in range(count)]


def _start(part: Part[T], place: int, workers: dict[Connection, _Worker]) -> None:
    ours, theirs = Pipe(duplex=False)
    # A signal between the fork and the note of it would leave the process behind.
    signal.pthread_sigmask(signal.SIG_BLOCK, _BELLS)
    try:
        parent, pid = os.getpid(), os.fork()
        if pid:
            workers[ours] = _Worker(place, pid)
        else:
            _work(part, theirs, parent)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _BELLS)
    theirs.close()


def _hear(
    workers: dict[Connection, _Worker], results: dict[int, T], told: Callable[[int, float], None]
) -> None:
    """Wait until one has something to say."""
    for line in wait(list(workers)):
        assert isinstance(line, Connection), "nothing else is waited for"
        worker = workers[line]
        try:
            kind, said = pickle.loads(line.recv_bytes())
        except EOFError:
            del workers[line]
            _, status = os.waitpid(worker.pid, 0)
            how = os.waitstatus_to_exitcode(status)
            why = f"signal {-how}" if how < 0 else f"exit code {how}"
            raise RunFailed(f"a process that played a run ended before its time ({why})") from None
        if kind == "share":
            told(worker.place, said)
            continue
        del workers[line]
        line.close()
        os.waitpid(worker.pid, 0)
        if kind == "failed":
            raise RunFailed(f"a run failed in its process:\n{said}")
        results[worker.place] = said
        told(worker.place, 1.0)


# The process -----------------------------------------------------------------------------------


def _work(part: Part[T], line: Connection, parent: int) -> None:
    """Does not return."""
    code = 1
    try:
        # Ctrl-C comes to all processes of a terminal: the parent ends this one.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _BELLS)
        gc.freeze()  # what came with the fork is not looked at, so its pages stay shared

        def report(share: float) -> None:
            if os.getppid() != parent:
                os._exit(1)
            _say(line, "share", share)

        try:
            found = part(report)
        except Exception:
            _say(line, "failed", traceback.format_exc())
        else:
            _say(line, "done", found)
            code = 0
    finally:
        with suppress(OSError):
            line.close()
        os._exit(code)


def _say(line: Connection, kind: str, said: object) -> None:
    line.send_bytes(pickle.dumps((kind, said), pickle.HIGHEST_PROTOCOL))
