"""Several runs at once: the same as one after the other, and nothing is left of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from bench.simulate import setting
from pbx.errors import RunFailed
from pbx.simulate.apart import Report, done_apart
from pbx.simulate.experiment import run
from routing.strategy import Registry

DEADLINE_S = 20.0


@pytest.mark.parametrize("strategies", [["ring-all", "random"], ["weighted"]])
def test_runs_in_processes_of_their_own_are_the_same_as_one_after_the_other(
    strategies: list[str],
) -> None:
    day = setting("ring-all", 20_000, 60, length_s=180.0)

    def results(processes: int) -> object:
        return run(
            day, strategies, registry=Registry.builtin(), runs=3, seed=7, processes=processes
        )

    assert results(2) == results(1)


def test_what_comes_of_the_parts_stands_in_their_order() -> None:
    def part(place: int, report: Report) -> int:
        time.sleep(0.02 * (3 - place))
        return place

    parts = [partial(part, place) for place in range(4)]

    assert done_apart(parts, 4, processes=4) == [0, 1, 2, 3]


def test_a_part_is_made_when_a_process_is_there_for_it() -> None:
    made: list[int] = []

    def part(place: int, report: Report) -> int:
        return place

    def parts() -> Iterator[Callable[[Report], int]]:
        for place in range(3):
            made.append(place)
            yield partial(part, place)

    done_apart(parts(), 3, processes=2)

    assert made == [0, 1, 2], "in this process"


@pytest.mark.parametrize("processes", [1, 2])
def test_the_share_that_is_done_only_grows_and_comes_to_all(processes: int) -> None:
    def part(report: Report) -> None:
        for tenth in range(10):
            report(tenth / 10)

    told: list[float] = []

    done_apart([part] * 4, 4, processes=processes, progress=told.append)

    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(told) > 20


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """No process but those that other tests had begun before: a browser's driver stays."""
    before = set(_children())
    yield
    assert set(_children()) <= before


@pytest.mark.usefixtures("nothing_left")
def test_a_part_that_fails_ends_the_others_and_says_why() -> None:
    def fails(report: Report) -> None:
        raise ValueError("no such manager")

    with pytest.raises(RunFailed, match="no such manager"):
        done_apart([_never_ends, fails], 2, processes=2)


@pytest.mark.usefixtures("nothing_left")
def test_a_process_that_is_killed_is_told() -> None:
    def killed(report: Report) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(RunFailed, match="signal 9"):
        done_apart([killed, killed], 2, processes=2)


@pytest.mark.usefixtures("nothing_left")
def test_ctrl_c_ends_all_of_them() -> None:
    def interrupts(report: Report) -> None:
        os.kill(os.getppid(), signal.SIGINT)
        _never_ends(report)

    with pytest.raises(KeyboardInterrupt):
        done_apart([interrupts, _never_ends], 2, processes=2)


ORPHANS = r"""
import os, time
from pbx.simulate.apart import done_apart

def part(report):
    os.write(1, b"%d\n" % os.getpid())  # at once: two write here
    while True:
        report(0.0)
        time.sleep(0.01)

done_apart([part] * 2, 2, processes=2)
"""


def test_they_end_when_the_command_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ORPHANS], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as command:
        assert command.stdout is not None
        try:
            workers = [int(command.stdout.readline()) for _ in range(2)]
        finally:
            command.kill()

    ends = time.monotonic() + DEADLINE_S
    while any(map(_runs, workers)):
        assert time.monotonic() < ends, "a process outlives its command"
        time.sleep(0.01)


def _never_ends(report: Report) -> None:
    while True:
        report(0.0)
        time.sleep(0.01)


def _runs(pid: int) -> bool:
    """Neither gone nor a zombie that nobody has taken in."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _children() -> list[str]:
    return Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
