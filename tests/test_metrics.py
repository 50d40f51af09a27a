"""Prometheus metrics: names that promtool accepts, and series whose number callers can't grow."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from pbx.http import start_http
from pbx.journal import port as journal
from pbx.journal.port import Entry, Stamped
from pbx.metrics import Metrics
from pbx.switch.script import CallerScript, PhoneAct, Reaction
from pbx.webhooks.service import TargetStats
from routing.values import CallId, LegId, Outcome, QueueId
from tests.world import DID, SALES, agent, plan, sales, stage


class Missed:
    """Missed calls of a queue of ours, of one that the plan has no more, and of none."""

    def open_tasks(self) -> Mapping[str, tuple[int, float]]:
        return {"sales": (2, 90.0), "gone": (1, 5.0), "also gone": (1, 7.0), "": (3, 1.0)}


class Deliveries:
    """A CRM that was away."""

    stats: Mapping[str, TargetStats] = {
        "crm": TargetStats(waiting=2, delivered=3, failed=4, dead=1)
    }

    def ages(self) -> Mapping[str, float]:
        return {"crm": 7.0}


NOW = datetime(2026, 11, 23, tzinfo=UTC)


def told() -> tuple[Metrics, CollectorRegistry]:
    """Metrics after a call."""
    anna = agent("anna")
    company = plan([anna], [sales(anna)])
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.known_numbers(company.numbers)
    phones = {"PJSIP/anna": (PhoneAct(Reaction.ANSWER, 2.0, 30.0),)}
    world, story = stage(company, [CallerScript("", 0.0, DID, "89161234567")], phones)
    metrics.distribution_source(world.core.dispatcher, (SALES,))
    world.run(world.clock.now() + 60)
    for entry in story.entries:
        metrics.observe(entry)
    proved = journal.EstimateProved(CallId("c"), SALES, said_s=60.0, waited_s=100.0)
    metrics.observe(Stamped(NOW, proved))
    metrics.ami_event("Hangup")
    metrics.ami_event("Injected")
    metrics.ami_action("Originate", 0.001, ok=True)
    metrics.ami_connected(True)
    metrics.decision_seconds(0.0001)
    metrics.handoff_seconds(0.001)
    metrics.plan_loaded(1.0, ok=True)
    metrics.missed_source(Missed())
    metrics.webhooks_source(Deliveries())
    return metrics, registry


def test_a_call_is_counted_by_number_and_outcome() -> None:
    _, registry = told()
    labels = {"number": DID, "outcome": "answered"}

    assert registry.get_sample_value("voronka_calls_total", labels) == 1
    assert registry.get_sample_value("voronka_agents", {"state": "free"}) == 1
    assert registry.get_sample_value("voronka_waiting_calls", {"queue": "sales"}) == 0


def test_missed_calls_are_told_by_queues_of_the_plan_alone() -> None:
    _, registry = told()

    def value(name: str, queue: str) -> float | None:
        return registry.get_sample_value(f"voronka_missed_{name}", {"queue": queue})

    assert [value("open", one) for one in ("sales", "none", "other", "gone")] == [2, 3, 2, None]
    assert [value("oldest_seconds", one) for one in ("sales", "other")] == [90.0, 7.0]


def test_what_other_programs_were_not_told_is_counted_by_target() -> None:
    _, registry = told()

    def value(name: str) -> float | None:
        return registry.get_sample_value(f"voronka_webhook_{name}", {"target": "crm"})

    names = ("waiting_messages", "oldest_seconds", "delivered_total", "given_up_total")
    assert [value(one) for one in names] == [2, 7.0, 3, 1]
    assert value("failed_attempts_total") == 4


def test_a_wait_that_was_longer_than_announced_is_below_zero() -> None:
    _, registry = told()

    def up_to(error_s: str) -> float | None:
        labels = {"queue": SALES, "le": error_s}
        return registry.get_sample_value("voronka_wait_estimate_error_seconds_bucket", labels)

    assert [up_to("-60.0"), up_to("-30.0"), up_to("+Inf")] == [0, 1, 1]


def test_a_refused_outside_number_is_counted_by_reason() -> None:
    metrics, registry = told()
    refused = journal.OutsideRefused(CallId("c"), LegId("l"), "+7916", None, "manager_limit")
    metrics.observe(Stamped(NOW, refused))

    labels = {"reason": "manager_limit"}
    assert registry.get_sample_value("voronka_outside_refused_total", labels) == 1


def test_lookups_are_counted_by_how_they_went_and_timed_where_somebody_was_asked() -> None:
    metrics, registry = told()
    for result, took_s in (("answered", 0.08), ("late", 0.7), ("not_asked", 0.0)):
        looked_up = journal.LookedUp(CallId("c"), result, took_s, "", "Иван", "ru")
        metrics.observe(Stamped(NOW, looked_up))

    for result in ("answered", "late", "not_asked"):
        assert registry.get_sample_value("voronka_lookups_total", {"result": result}) == 1
    assert registry.get_sample_value("voronka_lookup_seconds_count") == 2
    assert registry.get_sample_value("voronka_lookup_seconds_bucket", {"le": "0.1"}) == 1


def test_recordings_are_counted_by_what_came_of_them() -> None:
    metrics, registry = told()
    metrics.observe(Stamped(NOW, journal.RecordingKept(LegId("l"), "x", 3.0)))
    metrics.observe(Stamped(NOW, journal.RecordingFailed(LegId("l"), "x", "disk full")))

    for result in ("kept", "failed"):
        assert registry.get_sample_value("voronka_recordings_total", {"result": result}) == 1


def test_100_000_callers_leave_the_number_of_series_unchanged() -> None:
    metrics, registry = told()

    def observe(call_id: CallId, did: str, number: str) -> None:
        started: Entry = journal.CallStarted(call_id, did, number, number, "", "", "ru")
        ended: Entry = journal.CallEnded(call_id, Outcome.REJECTED, False, 0.0, 0.0, "", "")
        metrics.observe(Stamped(NOW, started))
        metrics.observe(Stamped(NOW, ended))

    observe(CallId("first"), "not-ours", "+70000000000")
    before = len(generate_latest(registry).splitlines())
    for n in range(100_000):
        observe(CallId(f"c{n}"), f"did-{n}", f"+7{n:010}")

    assert len(generate_latest(registry).splitlines()) == before


def test_open_callbacks_and_the_oldest_ones_age_are_told_for_each_queue_of_the_plan() -> None:
    metrics, registry = told()
    open_callbacks: dict[QueueId, tuple[int, float]] = {SALES: (2, 90.0), QueueId("gone"): (1, 5.0)}
    metrics.callbacks_source(lambda: open_callbacks)

    def values() -> list[float | None]:
        names = ("voronka_callbacks_open", "voronka_callbacks_oldest_seconds")
        return [registry.get_sample_value(one, {"queue": "sales"}) for one in names]

    assert values() == [2, 90]
    assert registry.get_sample_value("voronka_callbacks_open", {"queue": "gone"}) is None
    open_callbacks.clear()
    assert values() == [0, 0]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_has_nothing_to_say() -> None:
    _, registry = told()

    checked = subprocess.run(
        ["promtool", "check", "metrics"],
        input=generate_latest(registry),
        capture_output=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stderr + checked.stdout == b""


async def test_readyz_says_which_part_is_not_well() -> None:
    _, registry = told()
    parts = {"ami": True, "journal": True}
    runner = await start_http("127.0.0.1", 0, registry=registry, ready=lambda: parts)
    try:
        host, port = runner.addresses[0][:2]
        async with aiohttp.ClientSession(f"http://{host}:{port}") as session:
            assert (await session.get("/healthz")).status == 200
            assert (await session.get("/readyz")).status == 200
            parts["ami"] = False
            answer = await session.get("/readyz?verbose")
            assert answer.status == 503
            assert "[-] ami" in await answer.text()
            assert "voronka_calls_total" in await (await session.get("/metrics")).text()
    finally:
        await runner.cleanup()
