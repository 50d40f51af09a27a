"""Who calls when: streams of callers by a profile, and bursts, made before anything is routed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pbx.simulate.draws import Draw, Exponential, For, share, stream
from routing.record import record
from routing.values import AgentId, Disposition, QueueId, Seconds

THREE_MINUTES = Exponential(180.0)
FIVE_MINUTES = Exponential(300.0)


@dataclass(frozen=True, slots=True)
class Target:
    """What a stream calls: a number of the plan, or (for questions about one queue) a queue."""

    did: str = ""
    queue_id: QueueId | None = None


@dataclass(frozen=True, slots=True)
class Rate:
    """So many calls an hour from ``begins_s`` to ``ends_s`` (seconds from the run's begin)."""

    begins_s: Seconds
    ends_s: Seconds
    per_hour: float


@dataclass(frozen=True, slots=True)
class Stream:
    """Callers of one target: Poisson, by a profile of rates in order."""

    target: Target
    rates: tuple[Rate, ...]


@dataclass(frozen=True, slots=True)
class Burst:
    """After an advertisement: about ``calls`` callers, fewer and fewer; ``decay_s`` is the mean
    time after ``at_s``."""

    target: Target
    at_s: Seconds
    calls: float
    decay_s: Seconds


@dataclass(frozen=True, slots=True)
class Redial:
    """Who hung up while waiting: the share that calls again, when, and how often at most."""

    share: float = 0.0
    after: Draw = FIVE_MINUTES
    times: int = 1


@dataclass(frozen=True, slots=True)
class Demand:
    """All callers of a run.  ``clients``: how many different numbers they have; 0: each its own."""

    streams: tuple[Stream, ...]
    bursts: tuple[Burst, ...] = ()
    patience: Draw = THREE_MINUTES
    talk: Draw = THREE_MINUTES
    menu_s: Seconds = 0.0
    redial: Redial = Redial()
    clients: int = 0


@dataclass(frozen=True, slots=True)
class Heard:
    """What a manager was seen to do when their phone rang for a caller: ``after_s`` of ringing they
    answered or refused, or (any other disposition) had done neither."""

    after_s: Seconds
    how: Disposition


@record
class Caller:
    """One who calls at ``at_s`` (from the run's begin).

    ``stream``: the sub-stream of chance that is theirs.  ``stage``: how easily they are won for the
    next stage, 0 to 1, small is easy.  ``keys``: what they press, one for each time they are asked;
    None: by chance.  ``menu_s``: spent in menus; None: as the demand says.  ``hangs_up``: in the
    menus.  ``heard``: by manager, for each time they were rung for this caller.
    """

    no: int
    at_s: Seconds
    target: Target
    number: str
    patience_s: Seconds
    talk_s: Seconds
    stage: float
    stream: int
    attempt: int = 0
    keys: tuple[str, ...] | None = None
    menu_s: Seconds | None = None
    hangs_up: bool = False
    heard: Mapping[AgentId, tuple[Heard, ...]] = field(default_factory=dict)


def callers(demand: Demand, seed: int) -> list[Caller]:
    """Everybody who calls of their own accord, in order of time; redials come of the run."""
    arrivals = _arrivals(demand, seed)
    found: list[Caller] = []
    patience, talk, clients = demand.patience, demand.talk, demand.clients
    for no, (at_s, target) in enumerate(arrivals):
        mine = stream(seed, For.CLIENT, no)
        client = int(share(mine, For.CLIENT) * clients) if clients else no
        found.append(
            Caller(
                no,
                at_s,
                target,
                f"+7{9_000_000_000 + client}",
                patience.at(share(mine, For.PATIENCE)),
                talk.at(share(mine, For.TALK)),
                share(mine, For.STAGE),
                mine,
            )
        )
    return found


def again(caller: Caller, demand: Demand, left_at_s: Seconds) -> Caller | None:
    """The same caller's next try after hanging up, None for who gives it up."""
    redial = demand.redial
    if caller.attempt >= redial.times:
        return None
    mine = stream(caller.stream, caller.attempt + 1)
    if share(mine, For.REDIAL) >= redial.share:
        return None
    return replace(
        caller,
        at_s=left_at_s + redial.after.at(share(mine, For.REDIAL_AFTER)),
        patience_s=demand.patience.at(share(mine, For.PATIENCE)),
        attempt=caller.attempt + 1,
    )


def _arrivals(demand: Demand, seed: int) -> list[tuple[Seconds, Target]]:
    found: list[tuple[Seconds, int, Target]] = []
    for place, one in enumerate(demand.streams):
        found += [(at, place, one.target) for at in _poisson(one.rates, seed, place)]
    for place, burst in enumerate(demand.bursts, len(demand.streams)):
        found += [(at, place, burst.target) for at in _burst(burst, seed, place)]
    return [(at, target) for at, _, target in sorted(found, key=lambda one: one[:2])]


def _poisson(rates: Sequence[Rate], seed: int, place: int) -> list[Seconds]:
    """Gaps without memory: at a change of rate one begins anew, which changes nothing."""
    mine = stream(seed, For.ARRIVAL, place)
    drawn = 0
    found = []
    for rate in rates:
        if rate.per_hour <= 0:
            continue
        mean_s = 3600.0 / rate.per_hour
        at = rate.begins_s
        while True:
            at -= mean_s * math.log(share(mine, drawn))
            drawn += 1
            if at >= rate.ends_s:
                break
            found.append(at)
    return found


def _burst(burst: Burst, seed: int, place: int) -> list[Seconds]:
    """Poisson in number: unit gaps until their sum is over the mean."""
    mine = stream(seed, For.ARRIVAL, place)
    found = []
    passed, drawn = 0.0, 0
    while (passed := passed - math.log(share(mine, drawn))) < burst.calls:
        after = -burst.decay_s * math.log(share(mine, drawn + 1))
        found.append(burst.at_s + after)
        drawn += 2
    return found
