"""The engine's place in the processor's line.

Asterisk works a call with dozens of threads, the engine with one: where all are weighed alike, the
one waits behind the dozens, and with it every caller.  So the engine's own thread asks for
real-time scheduling, as Asterisk itself does with ``-p``.  What it starts (other threads, the page,
a speech engine) is weighed as ever.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import threading
from collections.abc import Callable
from types import FrameType

import structlog

_log = structlog.get_logger(__name__)

PRIORITY = 11
"""One above ``asterisk -p`` (SCHED_RR, 10: ast_set_priority in main/asterisk.c): an Asterisk that
fills all processors shall not keep the engine from the calls that it has taken."""
LIMIT_S = 2.0
"""Longest time on a processor without once waiting for anything, seconds of processor time.  Who
takes more is in an endless loop, or overrun: either way others must get their turn (RLIMIT_RTTIME,
getrlimit(2))."""


class RealTime:
    """Asks for it, tells whether it was given, and gives it back where it does harm.

    ``lost`` is called, in the main thread between two of its steps, when it has been given back.
    """

    def __init__(self, lost: Callable[[], object] = lambda: None) -> None:
        self._lost = lost
        self.held = False

    def ask(self) -> bool:
        """For the calling thread, which has to be the main one (signals come there).  False where
        the system does not allow it: no right (CAP_SYS_NICE or RLIMIT_RTPRIO, sched(7)), a control
        group without real time, not Linux.  Never raises.
        """
        if threading.current_thread() is not threading.main_thread():
            return False
        try:
            _, hard = resource.getrlimit(resource.RLIMIT_RTTIME)
            limit = int(LIMIT_S * 1_000_000)
            if hard != resource.RLIM_INFINITY:
                limit = min(limit, hard)
            # The signal's own action is to end the process: first the handler, then the limit.
            signal.signal(signal.SIGXCPU, self._too_long)
            resource.setrlimit(resource.RLIMIT_RTTIME, (limit, hard))
            _schedule(os.SCHED_RR, PRIORITY)
        except (OSError, ValueError, AttributeError):
            self.held = False
            return False
        self.held = True
        return True

    def give_back(self) -> None:
        """Before the end: with the interpreter the signal's handler goes.  Never raises."""
        if self.held:
            self._back()

    def _back(self) -> bool:
        with contextlib.suppress(OSError):
            _schedule(os.SCHED_OTHER, 0)
            self.held = False
        return not self.held

    def _too_long(self, _signal: int, _frame: FrameType | None) -> None:
        if self.held and self._back():
            self._lost()


def _schedule(policy: int, priority: int) -> None:
    """The calling thread.  That nothing inherits it can't be taken back without a right of its own,
    so it is said each time: without it a thread without rights could not give real time back."""
    os.sched_setscheduler(0, policy | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
