"""Callbacks under any script, and any moment of a kill: one for a number, nobody called twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pbx.engine.virtual import VirtualWorld
from pbx.journal import port as journal
from pbx.plan.model import CallbackRule
from pbx.switch.script import At, CallerScript, HangUp, PhoneAct, Reaction
from routing import facts
from tests import invariants
from tests.engine.test_callbacks import company
from tests.world import DID, START, Story, agent, stage

NUMBERS = [f"+7916123456{n}" for n in range(3)]
RULE = CallbackRule(attempts=2, pause_s=40.0, ring_time_s=15.0, expires_s=400.0)
ACTS = st.builds(
    PhoneAct,
    st.sampled_from([Reaction.ANSWER, Reaction.ANSWER, Reaction.NO_ANSWER, Reaction.BUSY]),
    st.sampled_from([0.5, 3.0, 8.0]),
    st.sampled_from([5.0, 30.0]),
)
CALLERS = st.lists(
    st.builds(
        CallerScript,
        st.just(""),
        st.sampled_from([0.0, 5.0, 20.0, 60.0, 100.0]),
        st.just(DID),
        st.sampled_from(NUMBERS),
        hang_up=st.just(HangUp(At.TALKING, 20.0)),
        in_line=st.sampled_from([None, ("2", 2.0), ("2", 2.0), ("2", 9.0)]),
    ),
    min_size=1,
    max_size=6,
)
PHONES = st.fixed_dictionaries(
    {
        "PJSIP/anna": st.lists(ACTS, min_size=1, max_size=6).map(tuple),
        "PJSIP/boris": st.lists(ACTS, min_size=1, max_size=4).map(tuple),
        **{
            f"PJSIP/{one}@trunk": st.lists(ACTS, min_size=1, max_size=3).map(tuple)
            for one in NUMBERS
        },
    }
)
WHERE = replace(
    company(agent("anna"), agent("boris"), rule=RULE, ring_time_s=10.0, max_wait_s=120.0)
)


class Watched:
    """What must hold of the log, entry by entry."""

    def __init__(self) -> None:
        self.open: dict[str, journal.OpenCallback] = {}
        self.dialled: list[tuple[str, str]] = []
        self._seen = 0

    def look(self, story: Story) -> None:
        for stamped in story.entries[self._seen :]:
            self._take(stamped.entry, stamped.at)
        self._seen = len(story.entries)

    def _take(self, entry: journal.Entry, at: datetime) -> None:
        match entry:
            case journal.CallbackOpened(callback_id, number=number):
                assert all(one.opened.number != number for one in self.open.values())
                self.open[callback_id] = journal.OpenCallback(entry, at, 0, None, "", talked=False)
            case journal.CallbackDialled(callback_id, call_id, attempt):
                left = self.open[callback_id]
                assert not left.dialled_call, "an attempt in an attempt"
                assert attempt <= RULE.attempts
                self.open[callback_id] = replace(left, attempts=attempt, dialled_call=call_id)
            case journal.CallbackPut(callback_id, next_at):
                self.open[callback_id] = replace(
                    self.open[callback_id], next_at=next_at, dialled_call=""
                )
            case journal.CallbackClosed(callback_id):
                del self.open[callback_id]
            case journal.OutsideLegStarted(call_id, number=number):
                marked = [one for one in self.open.values() if one.dialled_call == call_id]
                assert [one.opened.number for one in marked] == [number], "called without a mark"
                assert (number, call_id) not in self.dialled, "called twice in an attempt"
                self.dialled.append((number, call_id))
            case facts.LegJoined(_, call_id):
                self.open = {
                    key: replace(one, talked=True) if one.dialled_call == call_id else one
                    for key, one in self.open.items()
                }


def play(world: VirtualWorld, story: Story, watched: Watched, steps: int, until: float) -> None:
    for _ in range(steps):
        at = world.next_at
        if at is None or at > until:
            return
        world.step()
        watched.look(story)
        for holds in invariants.ALL:
            holds(world.core.dispatcher)


@given(callers=CALLERS, phones=PHONES, killed_after=st.integers(0, 400))
@settings(
    max_examples=40,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)
def test_one_for_a_number_and_nobody_called_twice_whenever_the_engine_is_killed(
    callers: list[CallerScript],
    phones: dict[str, tuple[PhoneAct, ...]],
    killed_after: int,
) -> None:
    world, story = stage(WHERE, callers, phones)
    before = Watched()
    play(world, story, before, killed_after, START + 2_000)
    left = list(before.open.values())
    marked = {one.opened.number for one in left if one.dialled_call}

    later = stage(WHERE, [], phones, id_prefix="later-")
    after = Watched()
    after.open = {one.opened.callback_id: one for one in left}
    later[0].core.callbacks.restore(left)
    play(*later, after, 20_000, START + 4_000)

    assert not after.open, "each comes to an end"
    assert not {number for number, _ in after.dialled} & marked
    for number in NUMBERS:
        made = [one for one in left if one.opened.number == number]
        again = [one for one, _ in after.dialled if one == number]
        assert len(again) <= RULE.attempts - (made[0].attempts if made else 0)
    assert not later[0].switch.busy
