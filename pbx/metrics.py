"""Journal entries and the engine's own timings as Prometheus metrics.  No logic, no label whose
values a caller chooses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pbx.journal import port as journal
from pbx.journal.port import Stamped
from routing import facts
from routing.values import AgentState, QueueId

OTHER = "other"
"""The label's value for what is not in the plan or not in our lists."""
EVENTS = frozenset(
    {
        "AsyncAGIEnd",
        "AsyncAGIExec",
        "AsyncAGIStart",
        "BridgeEnter",
        "BridgeLeave",
        "DTMFEnd",
        "DeviceStateChange",
        "FullyBooted",
        "Hangup",
        "Newchannel",
        "Newstate",
        "OriginateResponse",
    }
)
SHORT_S = (0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
PERSON_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600)
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
    def dropped(self) -> int:
        """Entries lost."""


class Backlog(Protocol):
    """What the gauges ask of the journal when they are scraped."""

    def stats(self) -> Stats:
        """How it stands."""


class Metrics:
    """Everything on /metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._dids: frozenset[str] = frozenset()
        self._of_call: dict[str, str] = {}

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"voronka_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: Iterable[float], *labels: str) -> Histogram:
            return Histogram(
                f"voronka_{name}", text, labels, buckets=tuple(buckets), registry=registry
            )

        self._calls = counter("calls", "Calls ended.", "number", "outcome")
        self._legs = counter("legs", "Legs ended.", "disposition")
        self._offers = counter("offers", "Offers made.", "queue")
        self._irregular = counter("irregular_events", "Events that did not fit the state.")
        self._wait = histogram("wait_seconds", "Wait up to the join.", PERSON_S, "queue")
        self._ring = histogram("ring_seconds", "Ring time of legs.", PERSON_S)
        self._talk = histogram("talk_seconds", "Talk time of legs.", TALK_S)
        self._decision = histogram(
            "decision_seconds", "From an event to the last command it brought.", SHORT_S
        )
        self._handoff = histogram(
            "handoff_seconds", "From a free agent to the next caller's ring.", SHORT_S
        )
        self._connected = Gauge(
            "voronka_ami_connected", "1 while logged in at Asterisk.", registry=registry
        )
        self._events = counter("ami_events", "Events from Asterisk.", "event")
        self._action_s = histogram(
            "ami_action_seconds", "Time to an action's answer.", SHORT_S, "action"
        )
        self._action_failures = counter("ami_action_failures", "Actions refused.", "action")
        self._plan_ok = Gauge(
            "voronka_plan_last_load_successful", "1 when the last load was.", registry=registry
        )
        self._plan_at = Gauge(
            "voronka_plan_last_load_timestamp_seconds", "When that was.", registry=registry
        )
        Info("voronka_build", "The program.", registry=registry).info({"version": _version()})

    def known_numbers(self, dids: Iterable[str]) -> None:
        """The plan's numbers: all others count as ``other``."""
        self._dids = frozenset(dids)

    def distribution_source(self, distribution: Distribution, queues: Iterable[QueueId]) -> None:
        """Ask this for who waits and who is free."""
        self._registry.register(_Live(distribution, tuple(queues)))

    def journal_source(self, backlog: Backlog) -> None:
        """Ask this for what is not written yet."""
        self._registry.register(_Writing(backlog))

    def observe(self, stamped: Stamped) -> None:
        """An entry of the journal."""
        match stamped.entry:
            case journal.CallStarted(call_id, did):
                self._of_call[call_id] = did if did in self._dids else OTHER
            case journal.CallEnded(call_id, outcome):
                number = self._of_call.pop(call_id, OTHER)
                self._calls.labels(number, outcome.value).inc()
            case facts.WaitEnded(_, queue_id, waited_s, "joined"):
                self._wait.labels(queue_id).observe(waited_s)
            case facts.OfferMade(_, _, queue_id):
                self._offers.labels(queue_id or "extension").inc()
            case facts.LegFinished() as leg:
                self._legs.labels(leg.disposition.value).inc()
                self._ring.observe(leg.ring_s)
                if leg.talk_s > 0:
                    self._talk.observe(leg.talk_s)
            case facts.Irregular():
                self._irregular.inc()
            case _:
                pass

    def decision_seconds(self, seconds: float) -> None:
        """One event handled."""
        self._decision.observe(seconds)

    def handoff_seconds(self, seconds: float) -> None:
        """An agent became free and the next caller's ring was sent."""
        self._handoff.observe(seconds)

    def ami_event(self, name: str) -> None:
        """An event of Asterisk."""
        self._events.labels(name if name in EVENTS else OTHER).inc()

    def ami_action(self, name: str, seconds: float, ok: bool) -> None:
        """An action was answered (names are our own, so few)."""
        self._action_s.labels(name).observe(seconds)
        if not ok:
            self._action_failures.labels(name).inc()

    def ami_connected(self, connected: bool) -> None:
        """The connection's state."""
        self._connected.set(connected)

    def plan_loaded(self, at: float, ok: bool) -> None:
        """A plan was loaded, or refused, at this time (seconds since the epoch)."""
        self._plan_ok.set(ok)
        if ok:
            self._plan_at.set(at)


class _Live(Collector):
    """Gauges read when asked."""

    def __init__(self, distribution: Distribution, queues: tuple[QueueId, ...]) -> None:
        self._distribution = distribution
        self._queues = queues

    def collect(self) -> Iterable[GaugeMetricFamily]:
        waiting = GaugeMetricFamily("voronka_waiting_calls", "Callers waiting.", labels=["queue"])
        for queue_id in self._queues:
            waiting.add_metric([queue_id], self._distribution.waiting(queue_id))
        agents = GaugeMetricFamily("voronka_agents", "Agents in a state.", labels=["state"])
        for state, count in self._distribution.agents_by_state().items():
            agents.add_metric([state.value], count)
        return (waiting, agents)


class _Writing(Collector):
    """The journal's gauges, read when asked."""

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog

    def collect(self) -> Iterable[GaugeMetricFamily]:
        source = self._backlog.stats()
        return (
            GaugeMetricFamily(
                "voronka_journal_backlog_entries", "Entries to write.", value=source.backlog
            ),
            GaugeMetricFamily(
                "voronka_journal_spooled_entries", "Entries in the spool.", value=source.in_spool
            ),
            GaugeMetricFamily(
                "voronka_journal_dropped_entries", "Entries lost.", value=source.dropped
            ),
        )


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("voronka")
    except PackageNotFoundError:
        return "unknown"
