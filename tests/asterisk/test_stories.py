"""Each story on a real Asterisk with SIPp phones: the log says what the simulated switch's does."""

from __future__ import annotations

import asyncio

import pytest

from lab.asterisk import AsteriskLab
from lab.engine import engine_on
from lab.seen import CallSeen
from lab.stage import Stage, phone_names, stage
from pbx.journal import port as journal
from routing import facts
from tests.stories import STORIES, summary
from tests.world import Story, play

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(90)]

NEAR_S = 1.0
"""How far apart log and phones may be, seconds: SIPp's own pauses are coarse, and on a busy machine
both hear of an end late."""


@pytest.mark.parametrize("name", STORIES)
async def test_the_real_switch_tells_the_simulated_ones_story(name: str) -> None:
    told = STORIES[name]()
    simulated = summary(play(told.company, told.script.callers, told.script.phones))
    async with (
        AsteriskLab(phones=phone_names(told.script)) as lab,
        stage(lab, told.script.phones) as ready,
        engine_on(lab, told.company) as (engine, story),
    ):
        seen = await ready.perform(told.script.callers)
        await _all_told(story, len(seen))
        await lab.nothing_left()

        assert engine.failures == 0
        assert not story.of(facts.Irregular)
        assert lab.log_errors() == []
        real = summary(story)
        # What two switches may differ in: who of equals wins, how a wait is rounded.
        for one in (*real, *simulated):
            if name == "two_pick_up_at_once":
                one["legs"] = sorted(how for _, how in one["legs"])  # type: ignore[attr-defined]
                one["talked_with"] = len(one["talked_with"])  # type: ignore[arg-type]
        for one, other in zip(real, simulated, strict=True):
            waited, expected = one.pop("waited_s"), other.pop("waited_s")
            assert abs(waited - expected) <= 1, f"waited {waited} s, simulated {expected} s"  # type: ignore[operator]
        assert real == simulated
        _phones_agree(ready, story, seen)


async def _all_told(story: Story, calls: int) -> None:
    def over() -> bool:
        legs = len(story.of(facts.LegStarted)) - len(story.of(facts.LegFinished))
        return len(story.of(journal.CallEnded)) == calls and not legs

    async with asyncio.timeout(10):
        while not over():  # noqa: ASYNC110 (the story is a list: there is nothing to await)
            await asyncio.sleep(0.02)


def _phones_agree(ready: Stage, story: Story, callers: list[CallSeen]) -> None:
    """Each talk is as long in the log as the phone saw it; what rang elsewhere saw so."""
    assert all(one.status in (200, 487) for one in callers), [one.status for one in callers]
    phones = [*ready.phones.values(), *([ready.mobiles] if ready.mobiles else [])]
    calls = [call for phone in phones for call in phone.calls()]
    talks = sorted(one.talk_s for one in story.of(facts.LegFinished) if one.talk_s > 0)
    # A phone that picked up too late has answered, too, and was hung up at once.
    heard = sorted(call.talk_ms / 1000 for call in calls if call.talk_ms is not None)
    late = len(heard) - len(talks)
    assert late >= 0
    for logged, saw in zip(talks, heard[late:], strict=True):
        assert abs(logged - saw) < NEAR_S
    cancelled = sum(call.answered_elsewhere for call in calls)
    elsewhere = sum(
        one.disposition.value == "answered_elsewhere" for one in story.of(facts.LegFinished)
    )
    assert cancelled + late == elsewhere
