"""What a test expects of a call, and how what happened differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pbx.trial.play import Played
from routing.values import AgentId, Outcome, Seconds

NOBODY = "nobody"
TOGETHER_S = 0.2
"""Phones that begin to ring within this time ring at once, seconds."""
TOLERANCE_S = 1.0
"""How exactly ``rings_after`` is meant, seconds."""


@dataclass(frozen=True, slots=True)
class Expected:
    """None: nothing is expected of it.

    ``heard``: prompts by name, in this order; others may stand between.  ``queue``, ``talked``:
    the last one, or "nobody".  ``rang``: managers in the order in which they began to ring, those
    together in one set.  ``rings_after``: from the call's begin to a manager's first ring.
    """

    heard: tuple[str, ...] | None = None
    not_heard: tuple[str, ...] = ()
    queue: str | None = None
    rang: tuple[frozenset[AgentId], ...] | None = None
    talked: str | None = None
    outcome: Outcome | None = None
    voicemail: str | None = None
    callback: str | None = None
    rings_after: Mapping[AgentId, Seconds] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """One expectation that does not hold, in words."""

    what: str
    expected: str
    was: str


def differences(expected: Expected, played: Played) -> list[Difference]:
    """All of them; none when the test passes."""
    found = []

    def compare(what: str, wanted: object, was: object) -> None:
        if wanted is not None and wanted != was:
            found.append(Difference(what, str(wanted), str(was)))

    heard = heard_names(played)
    if expected.heard is not None and not _in_order(expected.heard, heard):
        found.append(Difference("heard", ", ".join(expected.heard), ", ".join(heard) or "nothing"))
    surplus = [one for one in expected.not_heard if one in heard]
    if surplus:
        found.append(Difference("not_heard", ", ".join(expected.not_heard), ", ".join(heard)))
    compare("queue", expected.queue, played.queues[-1] if played.queues else NOBODY)
    rang = rang_together(played)
    if expected.rang is not None and expected.rang != rang:
        found.append(Difference("rang", groups(expected.rang), groups(rang)))
    compare("talked", expected.talked, played.talked[-1] if played.talked else NOBODY)
    outcome = played.outcome.value if played.outcome else "not ended"
    compare("outcome", expected.outcome.value if expected.outcome else None, outcome)
    compare("voicemail", expected.voicemail, played.voicemail or NOBODY)
    compare("callback", expected.callback, played.callback or NOBODY)
    for agent_id, after_s in expected.rings_after.items():
        first = next((one.after_s for one in played.rang if one.agent_id == agent_id), None)
        if first is None or abs(first - after_s) > TOLERANCE_S:
            was = "never" if first is None else f"{first:.1f} s"
            found.append(Difference(f"rings_after {agent_id}", f"{after_s:g} s", was))
    return found


def heard_names(played: Played) -> list[str]:
    """Every prompt that the caller was played, by name."""
    return [prompt.name for heard in played.heard for prompt in heard.prompts]


def rang_together(played: Played) -> tuple[frozenset[AgentId], ...]:
    """Managers by when they began to ring; a further phone of one who rings already is none."""
    found: list[tuple[Seconds, set[AgentId]]] = []
    for one in played.rang:
        if found and one.after_s - found[-1][0] <= TOGETHER_S:
            found[-1][1].add(one.agent_id)
        elif not found or found[-1][1] != {one.agent_id}:
            found.append((one.after_s, {one.agent_id}))
    return tuple(frozenset(agents) for _, agents in found)


def groups(rang: tuple[frozenset[AgentId], ...]) -> str:
    """``ivanov + petrova, sidorov``."""
    return ", ".join(" + ".join(sorted(one)) for one in rang) or NOBODY


def _in_order(wanted: tuple[str, ...], heard: list[str]) -> bool:
    left = iter(heard)
    return all(one in left for one in wanted)
