"""The calls of the log once more: as they ran, and as something else would have taken them.

What the log does not tell is estimated from it and drawn anew in each run (Kaplan and Meier, as in
history.py): how long those would have waited who did not give up, how soon a manager would have
answered who was not rung for that caller, how long those would have talked who did not.  What it
does tell holds in every run and under every strategy: arrivals, numbers, keys, patience of who gave
up, talk times of who talked, a manager's own reaction to a caller they were rung for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, quantiles

from pbx.errors import JournalError
from pbx.plan.model import Plan
from pbx.simulate.callers import Caller, Demand, Target
from pbx.simulate.draws import NEVER, Draw, Empirical, For, share, stream
from pbx.simulate.experiment import Result, Scenario, run_all
from pbx.simulate.history import FEWEST, kaplan_meier
from pbx.simulate.intervals import Estimate, estimate
from pbx.simulate.presence import Presence, attendance
from pbx.simulate.reactions import Manners
from pbx.simulate.recorded import Logged, Recorded
from pbx.simulate.world import Ending, Setting
from routing.last_talks import LastTalks
from routing.memory import Memory
from routing.plan import RoutingPlan, StrategyChoice
from routing.strategy import Registry
from routing.values import AgentId, Disposition, QueueId, Seconds

AS_IT_RAN = "as it ran"
WAIT_WITHIN_S = 1.0
"""A replayed wait that differs by less from the log's is called the same."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """What is estimated: ``patience``, ``talk``, how managers answer (``each`` who was seen to
    answer often enough), ``back_after_s`` a pause for not answering."""

    patience: Empirical
    talk: Draw
    manners: Manners


@dataclass(frozen=True, slots=True)
class Alternative:
    """What is tried instead: another plan or strategies, another presence."""

    name: str
    plan: Plan
    routing: RoutingPlan
    presence: Mapping[AgentId, Presence]


@dataclass(frozen=True, slots=True)
class Figures:
    """The log and its replay, side by side.  Shares from 0 to 1; ``same_ending`` of all calls;
    ``same_manager`` and ``same_wait`` (within a second) of those answered in both, ``wait_gap_s``
    how far their waits differ (median and 90 %)."""

    calls: int
    log: Mapping[str, float]
    replay: Mapping[str, Estimate]
    same_ending: Estimate
    same_manager: Estimate
    same_wait: Estimate
    wait_gap_s: Estimate
    wait_gap_90_s: Estimate


@dataclass(frozen=True, slots=True)
class Replayed:
    """``results``: as it ran first.  ``strategies``: what ran in each queue."""

    fidelity: Figures
    results: Sequence[Result]
    strategies: Mapping[QueueId, str]
    left_out: Counter[str]


@dataclass(frozen=True, slots=True)
class _Same:
    """How far one replay of what ran agrees with the log: as in ``Figures``."""

    ending: float
    manager: float
    wait: float
    gap_s: Seconds
    gap_90_s: Seconds


@dataclass(slots=True)
class _Beside:
    """Looks on at one replay of what ran, call by call beside the log."""

    log: Sequence[Logged]
    same_ending: int = 0
    same_manager: int = 0
    both: int = 0
    gaps_s: list[Seconds] = field(default_factory=list)

    def seen(self, caller: Caller, how: Ending, waited_s: Seconds, agent: AgentId | None) -> None:
        was = self.log[caller.no]
        self.same_ending += how is was.ending
        if how is Ending.ANSWERED and was.ending is Ending.ANSWERED:
            self.both += 1
            self.same_manager += agent == was.agent_id
            self.gaps_s.append(abs(waited_s - was.waited_s))

    def found(self) -> _Same:
        deciles = _deciles(self.gaps_s)
        return _Same(
            self.same_ending / max(1, len(self.log)),
            self.same_manager / max(1, self.both),
            _share_within(self.gaps_s),
            deciles[4],
            deciles[8],
        )


def estimated(log: Recorded) -> Unknown:
    """What the log does not tell of each call, from all of its calls.  Raises JournalError."""
    talks = [one.talk_s for one in log.calls if one.joined_at is not None and one.talk_s > 0]
    if not talks:
        raise JournalError("the log has no talks of that time to replay")
    patience = kaplan_meier(
        (one.waited_s, one.ending is Ending.ABANDONED)
        for one in log.calls
        if one.came_at is not None
    )
    rings: dict[AgentId, list[tuple[Seconds, bool]]] = {}
    for call in log.calls:
        for agent_id, heard in call.heard.items():
            rings.setdefault(agent_id, []).extend(
                (one.after_s, one.how is Disposition.ANSWERED) for one in heard
            )
    each = {
        agent_id: kaplan_meier(seen)
        for agent_id, seen in rings.items()
        if sum(answered for _, answered in seen) >= FEWEST
    }
    everybody = kaplan_meier(one for seen in rings.values() for one in seen)
    back_after_s = fmean(log.pauses_s) if log.pauses_s else Manners().back_after_s
    return Unknown(
        patience,
        Empirical.of(talks),
        Manners(everybody, back_after_s=back_after_s, each=each),
    )


def callers_of(log: Recorded, unknown: Unknown, seed: int) -> list[Caller]:
    """The log's callers; what is not known of each is drawn by ``seed``."""
    return [_caller(no, call, log, unknown, stream(seed, For.CLIENT, no))
            for no, call in enumerate(log.calls)]  # fmt: skip


def _caller(no: int, call: Logged, log: Recorded, unknown: Unknown, mine: int) -> Caller:
    waited_s, ending = call.waited_s, call.ending
    if ending is Ending.ABANDONED:
        patience_s = waited_s
    else:
        patience_s = unknown.patience.beyond(waited_s, share(mine, For.PATIENCE))
    talked = ending is Ending.ANSWERED and call.talk_s > 0
    return Caller(
        no,
        call.at - log.begins,
        Target(did=call.did),
        call.number,
        patience_s,
        call.talk_s if talked else unknown.talk.at(share(mine, For.TALK)),
        1.0,
        mine,
        keys=tuple(call.keys),
        menu_s=call.menu_s,
        hangs_up=ending is Ending.IN_MENU and call.outcome == "abandoned_in_menu",
        heard={agent_id: tuple(heard) for agent_id, heard in call.heard.items()},
    )


def that_ran(
    routing: RoutingPlan, log: Recorded, registry: Registry
) -> tuple[RoutingPlan, dict[QueueId, str]]:
    """The plan with the strategies that most calls of each queue really had."""
    queues, names = dict(routing.queues), {}
    for queue_id, queue in routing.queues.items():
        names[queue_id] = queue.strategy.name
        if not (counts := log.ran.get(queue_id)):
            continue
        name = counts.most_common(1)[0][0]
        if name != queue.strategy.name and registry.get(name) is not None:
            queues[queue_id] = replace(queue, strategy=StrategyChoice(name))
            names[queue_id] = name
    return replace(routing, queues=queues), names


def replay(
    log: Recorded,
    plan: Plan,
    alternatives: Sequence[Alternative],
    *,
    registry: Registry,
    runs: int,
    seed: int,
    target_s: Seconds,
    processes: int = 1,
    progress: Callable[[float], None] | None = None,
) -> Replayed:
    """Replay what ran, then each alternative; run n of all draws the same unknowns.
    ``processes``: so many of these at once, which changes nothing but the time it takes.

    Raises JournalError when the log has nothing to go by.
    """
    unknown = estimated(log)
    ran, names = that_ran(plan.routing, log, registry)
    tried = [Alternative(AS_IT_RAN, plan, ran, log.presence), *alternatives]
    scenarios = [
        Scenario(one.name, _setting(log, one, unknown, target_s), one.routing) for one in tried
    ]
    results, found = run_all(
        scenarios,
        lambda number: callers_of(log, unknown, number),
        registry=registry,
        runs=runs,
        seed=seed,
        watch=lambda scenario: _Beside(log.calls) if scenario is scenarios[0] else None,
        processes=processes,
        progress=progress,
    )
    return Replayed(_fidelity(log, found[0], results[0], target_s), results, names, log.left_out)


def _setting(log: Recorded, tried: Alternative, unknown: Unknown, target_s: Seconds) -> Setting:
    agents = tried.routing.agents
    presence = {one: tried.presence.get(one, Presence()) for one in agents}
    talks = {number: one for number, one in log.last_talks.items() if one.agent_id in agents}
    return Setting(
        tried.plan,
        Demand((), patience=NEVER),
        unknown.manners,
        start=log.begins,
        length_s=log.ends - log.begins,
        target_s=target_s,
        attendance=attendance(presence, log.begins, log.ends),
        memory=Memory(last_talks=LastTalks(talks)),
    )


COMPARED = ("answered", "lost", "service_level_of_offered", "asa_s")


def _fidelity(
    log: Recorded, against: Sequence[_Same], replayed: Result, target_s: Seconds
) -> Figures:
    endings = Counter(one.ending for one in log.calls)
    waits = [one.waited_s for one in log.calls if one.ending is Ending.ANSWERED]
    offered = len(log.calls) - endings[Ending.IN_MENU]
    lost = endings[Ending.ABANDONED] + endings[Ending.OVERFLOW]
    was = {
        "answered": float(len(waits)),
        "lost": lost / max(1, offered),
        "service_level_of_offered": sum(one <= target_s for one in waits) / max(1, offered),
        "asa_s": fmean(waits) if waits else 0.0,
    }
    estimates = replayed.estimates()
    return Figures(
        len(log.calls),
        was,
        {key: estimates[key] for key in COMPARED},
        estimate([one.ending for one in against]),
        estimate([one.manager for one in against]),
        estimate([one.wait for one in against]),
        estimate([one.gap_s for one in against]),
        estimate([one.gap_90_s for one in against]),
    )


def _share_within(gaps_s: Sequence[Seconds]) -> float:
    return sum(one <= WAIT_WITHIN_S for one in gaps_s) / max(1, len(gaps_s))


def _deciles(values: Sequence[float]) -> list[float]:
    if len(values) < 2:
        return [*values, 0.0][:1] * 9
    return quantiles(values, n=10, method="inclusive")
