"""Records what a real Asterisk says during each story, for tests without one.

``python -m lab.record [STORY ...]`` writes tests/recorded/<story>.jsonl: a line per AMI event with
its time, and a last one with the story as the log told it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from lab.asterisk import AsteriskLab
from lab.engine import engine_on
from lab.stage import phone_names, stage
from pbx.ami.protocol import Headers
from pbx.ami.switch import AsteriskSwitch
from pbx.engine.clock import SystemClock
from tests.stories import STORIES, summary

FOLDER = Path("tests/recorded")


async def record(name: str) -> None:
    """Play a story and keep every event that reached us."""
    told = STORIES[name]()
    lines: list[str] = []
    clock = SystemClock()
    original = AsteriskSwitch._event

    def kept(self: AsteriskSwitch, headers: Headers) -> None:
        lines.append(json.dumps({"at": round(clock.now(), 6), **headers}, ensure_ascii=False))
        original(self, headers)

    AsteriskSwitch._event = kept  # type: ignore[method-assign]
    try:
        async with (
            AsteriskLab(phones=phone_names(told.script)) as lab,
            stage(lab, told.script.phones) as ready,
            engine_on(lab, told.company) as (_, story),
        ):
            await ready.perform(told.script.callers)
            await lab.nothing_left()
            await asyncio.sleep(0.2)
    finally:
        AsteriskSwitch._event = original  # type: ignore[method-assign]
    lines.append(json.dumps({"story": summary(story)}, ensure_ascii=False))
    (FOLDER / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


async def main(names: list[str]) -> None:
    """One after another."""
    for name in names or list(STORIES):
        await record(name)
        print(name, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
