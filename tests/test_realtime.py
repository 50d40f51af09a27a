"""Real-time scheduling: asked for, not inherited, given back; and none is no error."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading

import pytest

from pbx.realtime import RealTime
from pbx.settings import read_settings

ENV = {"VORONKA_AMI_SECRET": "a" * 32}


def told(program: str) -> list[str]:
    """What a process of its own prints: real-time scheduling shall not be that of the tests."""
    head = "import os, subprocess, sys, threading, time\nfrom pbx import realtime\n"
    done = subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout.split()


def allowed() -> bool:
    return told("print(realtime.RealTime().ask())") == ["True"]


def test_nothing_but_the_thread_that_asked_has_it() -> None:
    if not allowed():
        pytest.skip("this system gives us no real-time scheduling")

    seen = told(
        """
        def how():
            policy = os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK
            return {os.SCHED_RR: "real", os.SCHED_OTHER: "other"}[policy]

        realtime.RealTime().ask()
        print(how(), os.sched_getparam(0).sched_priority)
        thread = threading.Thread(target=lambda: print(how()))
        thread.start()
        thread.join()
        sys.stdout.flush()
        child = os.fork()
        if not child:
            print(how(), flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        """
    )

    assert seen == ["real", "11", "other", "other"]


HOW = """
        def how():
            policy = os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK
            name = {os.SCHED_RR: "real", os.SCHED_OTHER: "other"}[policy]
            return f"{name}{os.sched_getparam(0).sched_priority}"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="gives up root's rights")
def test_who_has_no_rights_can_give_it_back() -> None:
    """The service's user may have real time (LimitRTPRIO), and nothing else."""
    if not allowed():
        pytest.skip("this system gives us no real-time scheduling")

    seen = told(
        HOW
        + """
        engine = realtime.RealTime()
        engine.ask()
        print(how())
        os.setuid(65534)
        engine.give_back()
        print(how(), engine.held)
        """
    )

    assert seen == ["real11", "other0", "False"]


def test_who_never_waits_gives_it_back() -> None:
    if not allowed():
        pytest.skip("this system gives us no real-time scheduling")

    seen = told(
        """
        realtime.LIMIT_S = 0.2
        lost = []
        mine = realtime.RealTime(lambda: lost.append(mine.held))
        mine.ask()
        began = time.process_time()
        while not lost and time.process_time() - began < 10:
            pass
        other = os.SCHED_OTHER | os.SCHED_RESET_ON_FORK
        print(lost, os.sched_getscheduler(0) == other, mine.held)
        time.sleep(0.01)
        print(mine.ask(), mine.held)
        mine.give_back()
        print(os.sched_getscheduler(0) == other, mine.held)
        """
    )

    assert seen == ["[False]", "True", "False", "True", "True", "True", "False"]


def test_who_waits_now_and_then_keeps_it() -> None:
    if not allowed():
        pytest.skip("this system gives us no real-time scheduling")

    seen = told(
        """
        realtime.LIMIT_S = 0.2
        mine = realtime.RealTime()
        mine.ask()
        for _ in range(20):
            began = time.process_time()
            while time.process_time() - began < 0.03:
                pass
            time.sleep(0.001)
        print(mine.held)
        mine.give_back()
        """
    )

    assert seen == ["True"]


def test_without_the_right_to_it_all_goes_on() -> None:
    seen = told(
        """
        import resource
        resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
        if os.geteuid() == 0:
            os.setuid(65534)
        mine = realtime.RealTime()
        print(mine.ask(), mine.held)
        """
    )

    assert seen == ["False", "False"]


def test_another_thread_gets_none() -> None:
    """Its signal would come to the main thread."""
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(RealTime().ask()))
    thread.start()
    thread.join()

    assert answers == [False]


def test_it_can_be_switched_off() -> None:
    assert read_settings({**os.environ, **ENV}).realtime
    assert not read_settings({**os.environ, **ENV, "VORONKA_REALTIME": "off"}).realtime
