"""The engine beside a lab's Asterisk, in this process, with everything it notes kept in a list."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator

from ivr.nodes import Prompt
from lab.asterisk import AsteriskLab
from pbx.ami.switch import AmiSettings, AsteriskSwitch
from pbx.ami.translate import MessageFolder
from pbx.engine.clock import Clock, SystemClock
from pbx.engine.loop import EngineLoop
from pbx.journal.port import Journal, Stamped
from pbx.plan.model import Plan
from pbx.recordings.keeper import Keeper
from pbx.switch.port import PromptResolver
from routing.dispatcher import Dispatcher
from routing.strategy import Registry
from tests.world import Story


class Quiet:
    """A journal that keeps (and passes on), and metrics that count what matters to a test."""

    def __init__(self, journal: Journal | None = None) -> None:
        self.story = Story()
        self._journal = journal

    def write(self, stamped: Stamped) -> None:
        """Keep it."""
        self.story.entries.append(stamped)
        if self._journal is not None:
            self._journal.write(stamped)

    def close(self, timeout_s: float) -> None:
        """Nothing to write."""

    def observe(self, stamped: Stamped) -> None:
        """Not counted."""

    def decision_seconds(self, seconds: float) -> None:
        """Not measured."""

    def handoff_seconds(self, seconds: float) -> None:
        """Not measured."""

    def ami_event(self, name: str) -> None:
        """Not counted."""

    def ami_action(self, name: str, seconds: float, ok: bool) -> None:
        """Not measured."""

    def ami_connected(self, connected: bool) -> None:
        """Not told."""


def beep(prompt: Prompt, language: str) -> str:
    """Every prompt is a short tone: tests press keys into it."""
    return "beep"


@contextlib.asynccontextmanager
async def engine_on(
    lab: AsteriskLab,
    plan: Plan,
    *,
    resolve: PromptResolver = beep,
    id_prefix: str = "t",
    journal: Journal | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[tuple[EngineLoop, Story]]:
    """An engine at work on this plan, and its story, which ``journal`` is told too."""
    quiet = Quiet(journal)
    messages = lab.recordings
    switch = AsteriskSwitch(
        AmiSettings(lab.ami_host, lab.ami_port, lab.ami_user, lab.ami_secret),
        resolve,
        messages=MessageFolder(messages.host, messages.asterisk),
        recorder=Keeper(lab.talks.host, lab.talks.asterisk, look_every_s=0.1),
        rng=random.Random(1),
        addresses={d.address for a in plan.routing.agents.values() for d in a.devices},
        watcher=quiet,
    )
    dispatcher = Dispatcher(
        plan.routing,
        strategies=Registry.builtin(),
        rng=random.Random(1),
        id_prefix=id_prefix,
    )
    loop = EngineLoop(
        plan, dispatcher, switch, quiet, clock or SystemClock(), watcher=quiet, id_prefix=id_prefix
    )
    await loop.start()
    try:
        yield loop, quiet.story
    finally:
        await loop.drain()
