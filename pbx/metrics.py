"""Journal entries and the engine's own timings as Prometheus metrics.

House rules: no logic, nothing is decided here.  No label takes a value that a caller chooses, or
Asterisk: numbers and queues are the plan's, all other names come from closed lists, and what is
in none is ``other``.  A label's child is looked up once and kept: the hot path pays for a dict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from pbx.journal import port as journal
from pbx.journal.port import Stamped
from pbx.switch.port import CLIENT_PREFIX
from pbx.version import version
from routing import facts
from routing.values import AgentState, QueueId

OTHER = "other"
"""The label's value for what is not in the plan or not in our lists."""
NO_QUEUE = "none"
"""In place of a queue: a missed call that reached none."""
BY_EXTENSION = "extension"
"""In place of a queue: a manager called by extension."""
EVENTS = frozenset(
    {
        "AsyncAGIEnd",
        "AsyncAGIExec",
        "AsyncAGIStart",
        "BridgeEnter",
        "BridgeLeave",
        "CoreShowChannel",
        "CoreShowChannelsComplete",
        "DTMFEnd",
        "DeviceStateChange",
        "DeviceStateListComplete",
        "FullyBooted",
        "Hangup",
        "Newchannel",
        "Newstate",
        "OriginateResponse",
        "Shutdown",
    }
)
"""Events that get a label of their own: those that asterisk-conf/manager.conf lets through."""
CALLS_REMEMBERED = 100_000
"""Calls whose number is remembered until they end; more are never alive."""
NOT_ASKED = "not_asked"
"""A lookup's result where nobody was asked, so that nothing was waited for."""
LOOKUP_S = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2)
SHORT_S = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
PERSON_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600)
ERROR_S = (-1800, -600, -300, -120, -60, -30, 0, 30, 60, 120, 300, 600, 1800)
TALK_S = (5, 15, 30, 60, 120, 300, 600, 1800, 3600)


class Distribution(Protocol):
    """What the gauges ask of the dispatcher when they are scraped."""

    def waiting(self, queue_id: QueueId) -> int:
        """Callers waiting."""

    def agents_by_state(self) -> dict[AgentState, int]:
        """Agents in each state."""


class Stats(Protocol):
    """How the journal stands."""

    @property
    def backlog(self) -> int:
        """Entries not written yet."""

    @property
    def in_spool(self) -> int:
        """Of these, in the spool file."""

    @property
    def written(self) -> int:
        """Entries written since the start."""

    @property
    def spilled(self) -> int:
        """Entries put into the spool file since the start."""

    @property
    def dropped(self) -> int:
        """Entries lost since the start."""

    @property
    def failing(self) -> bool:
        """The last attempt to write did not succeed."""


class Backlog(Protocol):
    """What the gauges ask of the journal when they are scraped."""

    def stats(self) -> Stats:
        """How it stands."""


class TargetStats(Protocol):
    """What is told of a target of webhooks; the counts are since the start."""

    @property
    def waiting(self) -> int:
        """Messages that have not arrived."""

    @property
    def delivered(self) -> int:
        """Messages that arrived."""

    @property
    def failed(self) -> int:
        """Attempts that failed."""

    @property
    def dead(self) -> int:
        """Messages given up."""


class Deliveries(Protocol):
    """What the gauges ask of the outbox when they are scraped."""

    def ages(self) -> Mapping[str, float]:
        """For each target the age of its oldest message that has not arrived, seconds."""

    @property
    def stats(self) -> Mapping[str, TargetStats]:
        """By target."""


class MissedCalls(Protocol):
    """What the gauges ask of the missed calls when they are scraped."""

    def open_tasks(self) -> Mapping[str, tuple[int, float]]:
        """For each queue ("" for none) the open tasks and the oldest one's age, seconds."""


class FunnelLooks(Protocol):
    """What the gauges ask of the lookout when they are scraped."""

    @property
    def fallen(self) -> Mapping[tuple[str, str], int]:
        """By funnel and stage: slices whose conversion fell."""

    @property
    def looked_at(self) -> float:
        """The last look, seconds since the epoch."""


class Metrics:
    """Everything on /metrics.  One for each registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # A series with the time of its own birth beside each other series helps nobody.
        disable_created_metrics()  # type: ignore[no-untyped-call] # untyped upstream
        self._dids: frozenset[str] = frozenset()
        self._of_call: dict[str, str] = {}

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"voronka_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"voronka_{name}", text, registry=registry)

        def histogram(name: str, text: str, buckets: Iterable[float], *labels: str) -> Histogram:
            return Histogram(
                f"voronka_{name}", text, labels, buckets=tuple(buckets), registry=registry
            )

        self._started = _Children(counter("calls_started", "Calls that began.", "number"))
        self._calls = _Children(counter("calls", "Calls that ended.", "number", "outcome"))
        self._short = _Children(
            counter("short_abandons", "Abandoned waits shorter than the queue's limit.", "number")
        )
        gauge("calls_in_progress", "Calls that have begun and not ended.").set_function(
            lambda: len(self._of_call)
        )
        self._legs = _Children(counter("legs", "Legs that ended.", "kind", "disposition"))
        self._offers = _Children(counter("offers", "Offers made.", "queue", "strategy"))
        self._results = _Children(counter("offer_results", "Offers that ended.", "result"))
        self._refused = _Children(
            counter("outside_refused", "Outside numbers that were not called.", "reason")
        )
        self._recordings = _Children(
            counter("recordings", "Recordings of talks that ended.", "result")
        )
        self._lookups = _Children(
            counter("lookups", "Calls of which a CRM was to be asked, by how that went.", "result")
        )
        self._lookup_s = histogram(
            "lookup_seconds", "How long calls waited for what a CRM says.", LOOKUP_S
        )
        self._callbacks = _Children(counter("callback_results", "Callbacks that ended.", "result"))
        self._irregular = counter("irregular_events", "Events that did not fit the state.")
        self._wait = _Children(
            histogram("wait_seconds", "Waits in a queue, by how they ended.", PERSON_S, *_WAIT)
        )
        self._estimate = _Children(
            histogram(
                "wait_estimate_error_seconds",
                "Wait announced first less the wait that it was, of callers who were joined.",
                ERROR_S,
                "queue",
            )
        )
        self._ring = _Children(
            histogram("ring_seconds", "How long legs rang.", PERSON_S, "disposition")
        )
        self._talk = histogram("talk_seconds", "How long legs talked.", TALK_S)
        self._decision = histogram(
            "decision_seconds", "From an event to the last command it brought.", SHORT_S
        )
        self._handoff = histogram(
            "handoff_seconds", "From a free agent to the next caller's ring.", SHORT_S
        )
        self._connected = gauge("ami_connected", "1 while logged in at Asterisk.")
        self._events = _Children(counter("ami_events", "Events from Asterisk.", "event"))
        self._action_s = _Children(
            histogram("ami_action_seconds", "Time to an action's answer.", SHORT_S, "action")
        )
        self._action_failures = _Children(
            counter("ami_action_failures", "Actions refused or not answered.", "action")
        )
        self._plan_ok = gauge("plan_last_load_successful", "1 when the last load succeeded.")
        self._plan_at = gauge(
            "plan_last_load_success_timestamp_seconds", "When a load last succeeded."
        )
        self._plan_failed = counter("plan_failed_loads", "Plans that could not be loaded.")
        self._realtime = gauge(
            "realtime", "1 while the engine's thread has real-time scheduling (docs/running.md)."
        )
        self._plan = Info("voronka_plan", "The plan in force.", registry=registry)
        Info("voronka_build", "The program.", registry=registry).info({"version": version()})
        self._live = _Live()
        registry.register(self._live)
        self._takers: dict[type, Callable[[Any], None]] = {
            journal.CallStarted: self._call_started,
            journal.CallEnded: self._call_ended,
            journal.LookedUp: self._looked_up,
            journal.CallbackClosed: lambda entry: self._callbacks(entry.result).inc(),
            journal.RecordingKept: lambda _: self._recordings("kept").inc(),
            journal.RecordingFailed: lambda _: self._recordings("failed").inc(),
            journal.OutsideLegFinished: self._outside_finished,
            journal.EstimateProved: self._estimate_proved,
            journal.OutsideRefused: self._outside_refused,
            facts.WaitEnded: self._wait_ended,
            facts.OfferMade: self._offer_made,
            facts.OfferEnded: self._offer_ended,
            facts.LegFinished: self._leg_finished,
            facts.Irregular: self._was_irregular,
        }

    # Where the numbers come from ---------------------------------------------------------

    def known_numbers(self, dids: Iterable[str]) -> None:
        """The plan's numbers: all others count as ``other``."""
        self._dids = frozenset(dids)

    def realtime(self, held: bool) -> None:
        """Whether the engine's thread goes before those of others."""
        self._realtime.set(held)

    def distribution_source(self, distribution: Distribution, queues: Iterable[QueueId]) -> None:
        """Ask this for who waits and who is free.  Again after a reload."""
        self._live.distribution = distribution
        self._live.queues = tuple(queues)

    def journal_source(self, backlog: Backlog) -> None:
        """Ask this for what is not written yet."""
        self._live.backlog = backlog

    def missed_source(self, missed: MissedCalls) -> None:
        """Ask this for missed calls that nobody has called back."""
        self._live.missed = missed

    def webhooks_source(self, deliveries: Deliveries) -> None:
        """Ask this for what other programs have not been told yet."""
        self._live.webhooks = deliveries

    def callbacks_source(self, ages: Callable[[], Mapping[QueueId, tuple[int, float]]]) -> None:
        """Ask this for each queue's open callbacks: how many, and the oldest one's age, seconds."""
        self._live.callbacks = ages

    def funnel_source(self, looks: FunnelLooks) -> None:
        """Ask this for the stages of the funnel that have fallen."""
        self._live.funnel = looks

    def failures_source(self, counts: Mapping[str, Callable[[], int]]) -> None:
        """Ask these for what went wrong inside, by a word of our own (``ami_malformed``)."""
        self._live.failures = dict(counts)

    # The journal's entries ---------------------------------------------------------------

    def observe(self, stamped: Stamped) -> None:
        """An entry of the journal."""
        if taker := self._takers.get(type(stamped.entry)):
            taker(stamped.entry)

    def _call_started(self, entry: journal.CallStarted) -> None:
        if entry.callback_of:
            return  # of clients' calls only; these are counted by what became of the callback
        number = entry.did if entry.did in self._dids else OTHER
        self._of_call[entry.call_id] = number
        if len(self._of_call) > CALLS_REMEMBERED:
            del self._of_call[next(iter(self._of_call))]
        self._started(number).inc()

    def _call_ended(self, entry: journal.CallEnded) -> None:
        if entry.call_id.startswith(CLIENT_PREFIX):
            return
        number = self._of_call.pop(entry.call_id, OTHER)
        self._calls(number, entry.outcome.value).inc()
        if entry.short:
            self._short(number).inc()

    def _looked_up(self, entry: journal.LookedUp) -> None:
        self._lookups(entry.result).inc()
        if entry.result != NOT_ASKED:
            self._lookup_s.observe(entry.took_s)

    def _wait_ended(self, entry: facts.WaitEnded) -> None:
        if entry.call_id.startswith(CLIENT_PREFIX):
            return  # nobody was on the line
        ended = entry.reason if entry.reason in ("joined", "left", "key") else "returned"
        self._wait(entry.queue_id, ended).observe(entry.waited_s)

    def _estimate_proved(self, entry: journal.EstimateProved) -> None:
        self._estimate(entry.queue_id).observe(entry.said_s - entry.waited_s)

    def _offer_made(self, entry: facts.OfferMade) -> None:
        self._offers(entry.queue_id or BY_EXTENSION, entry.strategy).inc()

    def _offer_ended(self, entry: facts.OfferEnded) -> None:
        self._results(entry.result).inc()

    def _leg_finished(self, entry: facts.LegFinished) -> None:
        self._leg("device", entry.disposition.value, entry.ring_s, entry.talk_s)

    def _outside_finished(self, entry: journal.OutsideLegFinished) -> None:
        self._leg("outside", entry.disposition, entry.ring_s, entry.talk_s)

    def _outside_refused(self, entry: journal.OutsideRefused) -> None:
        self._refused(entry.reason).inc()

    def _leg(self, kind: str, disposition: str, ring_s: float, talk_s: float) -> None:
        self._legs(kind, disposition).inc()
        self._ring(disposition).observe(ring_s)
        if talk_s > 0:
            self._talk.observe(talk_s)

    def _was_irregular(self, _: facts.Irregular) -> None:
        self._irregular.inc()

    # The engine's and AMI's own ----------------------------------------------------------

    def decision_seconds(self, seconds: float) -> None:
        """One event handled."""
        self._decision.observe(seconds)

    def handoff_seconds(self, seconds: float) -> None:
        """An agent became free and the next caller's ring was sent."""
        self._handoff.observe(seconds)

    def ami_event(self, name: str) -> None:
        """An event of Asterisk."""
        self._events(name if name in EVENTS else OTHER).inc()

    def ami_action(self, name: str, seconds: float, ok: bool) -> None:
        """An action was answered (names are our own, so few)."""
        self._action_s(name).observe(seconds)
        if not ok:
            self._action_failures(name).inc()

    def ami_connected(self, connected: bool) -> None:
        """The connection's state."""
        self._connected.set(connected)

    def plan_loaded(self, at: float, ok: bool, digest: str = "") -> None:
        """A plan was loaded, or refused, at this time (seconds since the epoch).

        ``digest``: of the plan in force, where it is another one now.
        """
        self._plan_ok.set(ok)
        if ok:
            self._plan_at.set(at)
        else:
            self._plan_failed.inc()
        if digest:
            self._plan.info({"digest": digest})


_WAIT = ("queue", "ended")


class _Children:
    """A metric's children by their labels' values: a third of the time of ``labels()``."""

    __slots__ = ("_children", "_metric")

    def __init__(self, metric: Any) -> None:
        self._metric = metric
        self._children: dict[tuple[str, ...], Any] = {}

    def __call__(self, *values: str) -> Any:
        child = self._children.get(values)
        if child is None:
            child = self._children[values] = self._metric.labels(*values)
        return child


class _Live(Collector):
    """What is read when it is asked for, from those who know."""

    def __init__(self) -> None:
        self.distribution: Distribution | None = None
        self.queues: tuple[QueueId, ...] = ()
        self.backlog: Backlog | None = None
        self.missed: MissedCalls | None = None
        self.webhooks: Deliveries | None = None
        self.callbacks: Callable[[], Mapping[QueueId, tuple[int, float]]] | None = None
        self.funnel: FunnelLooks | None = None
        self.failures: dict[str, Callable[[], int]] = {}

    def collect(self) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        if self.distribution is not None:
            yield from self._distribution(self.distribution)
        if self.backlog is not None:
            yield from self._journal(self.backlog.stats())
        if self.missed is not None:
            yield from self._missed(self.missed)
        if self.webhooks is not None:
            yield from _webhooks(self.webhooks)
        if self.callbacks is not None:
            yield from self._callbacks(self.callbacks())
        if self.funnel is not None:
            yield from _funnel(self.funnel)
        failures = CounterMetricFamily(
            "voronka_failures", "What went wrong inside and was survived.", labels=["what"]
        )
        for what, count in self.failures.items():
            failures.add_metric([what], count())
        yield failures

    def _distribution(self, source: Distribution) -> Iterable[GaugeMetricFamily]:
        waiting = GaugeMetricFamily("voronka_waiting_calls", "Callers waiting.", labels=["queue"])
        for queue_id in self.queues:
            waiting.add_metric([queue_id], source.waiting(queue_id))
        yield waiting
        agents = GaugeMetricFamily("voronka_agents", "Agents in a state.", labels=["state"])
        for state, count in source.agents_by_state().items():
            agents.add_metric([state.value], count)
        yield agents

    def _journal(self, stats: Stats) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        name = "voronka_journal"
        yield GaugeMetricFamily(f"{name}_backlog_entries", "Entries to write.", stats.backlog)
        yield GaugeMetricFamily(f"{name}_spool_entries", "Entries in the spool.", stats.in_spool)
        yield GaugeMetricFamily(
            f"{name}_failing", "1 when the last attempt to write failed.", stats.failing
        )
        yield CounterMetricFamily(f"{name}_written_entries", "Entries written.", stats.written)
        yield CounterMetricFamily(
            f"{name}_spilled_entries", "Entries put into the spool.", stats.spilled
        )
        yield CounterMetricFamily(f"{name}_dropped_entries", "Entries lost.", stats.dropped)

    def _callbacks(self, found: Mapping[QueueId, tuple[int, float]]) -> Iterable[GaugeMetricFamily]:
        name = "voronka_callbacks"
        count = GaugeMetricFamily(f"{name}_open", "Clients to be called back.", labels=["queue"])
        ages = GaugeMetricFamily(
            f"{name}_oldest_seconds", "How long the oldest of them is open.", labels=["queue"]
        )
        for queue_id in self.queues:
            number, age_s = found.get(queue_id, (0, 0.0))
            count.add_metric([queue_id], number)
            ages.add_metric([queue_id], age_s)
        yield count
        yield ages

    def _missed(self, source: MissedCalls) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        found: dict[str, tuple[int, float]] = dict.fromkeys((*self.queues, NO_QUEUE), (0, 0.0))
        for queue, (count, age_s) in source.open_tasks().items():
            label = queue if queue in self.queues else OTHER if queue else NO_QUEUE
            before, oldest_s = found.get(label, (0, 0.0))
            found[label] = (before + count, max(oldest_s, age_s))
        name = "voronka_missed"
        tasks = GaugeMetricFamily(f"{name}_open", "Missed calls to call back.", labels=["queue"])
        ages = GaugeMetricFamily(
            f"{name}_oldest_seconds", "How long the oldest of them is open.", labels=["queue"]
        )
        for label, (count, age_s) in found.items():
            tasks.add_metric([label], count)
            ages.add_metric([label], age_s)
        yield tasks
        yield ages


def _funnel(source: FunnelLooks) -> Iterable[GaugeMetricFamily]:
    name, labels = "voronka_funnel", ["funnel", "stage"]
    fallen = GaugeMetricFamily(f"{name}_fallen_slices", "Slices that fell.", labels=labels)
    for (funnel, stage), count in source.fallen.items():
        fallen.add_metric([funnel, stage], count)
    yield fallen
    yield GaugeMetricFamily(
        f"{name}_looked_timestamp_seconds", "When it was last looked at.", source.looked_at
    )


def _webhooks(source: Deliveries) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
    name, ages, labels = "voronka_webhook", source.ages(), ["target"]
    waiting = GaugeMetricFamily(f"{name}_waiting_messages", "Messages to send.", labels=labels)
    oldest = GaugeMetricFamily(
        f"{name}_oldest_seconds", "How long the oldest of them waits.", labels=labels
    )
    arrived = CounterMetricFamily(f"{name}_delivered", "Messages that arrived.", labels=labels)
    failed = CounterMetricFamily(f"{name}_failed_attempts", "Failed attempts.", labels=labels)
    dead = CounterMetricFamily(f"{name}_given_up", "Messages given up.", labels=labels)
    for target, stats in source.stats.items():
        waiting.add_metric([target], stats.waiting)
        oldest.add_metric([target], ages.get(target, 0.0))
        arrived.add_metric([target], stats.delivered)
        failed.add_metric([target], stats.failed)
        dead.add_metric([target], stats.dead)
    yield from (waiting, oldest, arrived, failed, dead)
