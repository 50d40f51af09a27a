"""Prometheus rules and Grafana's dashboard: of metrics that exist, tried, each explained."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from pbx.metrics import Metrics
from pbx.web.metrics import WebMetrics
from routing.values import AgentState, QueueId

FOLDER = Path("docker/prometheus")
RULES = sorted(FOLDER.glob("voronka.*.yml"))
DASHBOARD = Path("docker/grafana/dashboards/voronka.json")
RUNBOOK = Path("docs/runbook.md")
TESTS = sorted(Path("tests/ops").glob("*.test.yml"))
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "info": ("_info",)}

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool here")


class Everything:
    """Stands for all that the gauges ask when they are scraped."""

    stats: Any
    fallen: dict[tuple[str, str], int] = {}  # noqa: RUF012 (read only)
    looked_at = 0.0

    def __init__(self, stats: Any) -> None:
        self.stats = stats

    def waiting(self, queue_id: QueueId) -> int:
        return 0

    def agents_by_state(self) -> dict[AgentState, int]:
        return {}

    def ages(self) -> dict[str, float]:
        return {}

    def open_tasks(self) -> dict[str, tuple[int, float]]:
        return {}


class Backlog:
    """A log that has caught up."""

    backlog = in_spool = written = spilled = dropped = 0
    failing = False

    def stats(self) -> Backlog:
        return self


def exported() -> set[str]:
    """The name of every series that /metrics may have, as Prometheus sees it."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    everything = Everything(stats={})
    metrics.distribution_source(everything, ())
    metrics.journal_source(Backlog())
    metrics.missed_source(everything)
    metrics.webhooks_source(everything)
    metrics.callbacks_source(dict)
    metrics.funnel_source(everything)
    WebMetrics(registry).live_source(lambda: 0, lambda: True)
    return {
        metric.name + suffix
        for metric in registry.collect()
        for suffix in SUFFIXES.get(metric.type, ("",))
    }


def rules() -> list[dict[str, Any]]:
    files = [yaml.safe_load(one.read_text()) for one in RULES]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def panels() -> list[dict[str, Any]]:
    return [one for one in json.loads(DASHBOARD.read_text())["panels"] if one["type"] != "row"]


def asked() -> dict[str, str]:
    """Every expression of the rules and the dashboard, by a name for the reader."""
    found = {str(rule.get("alert") or rule["record"]): str(rule["expr"]) for rule in rules()}
    dashboard = json.loads(DASHBOARD.read_text())
    for panel in panels():
        for target in panel["targets"]:
            found[f"{panel['title']} {target['refId']}"] = target["expr"]
    for variable in dashboard["templating"]["list"]:
        found[variable["name"]] = variable["definition"]
    for note in dashboard["annotations"]["list"]:
        found[note["name"]] = note["expr"]
    return found


def names(expr: str) -> set[str]:
    return set(re.findall(r"[a-z_:]*voronka_[a-z0-9_:]+", re.sub(r'"[^"]*"', "", expr)))


def test_rules_and_panels_ask_for_metrics_that_there_are() -> None:
    there = exported() | {rule["record"] for rule in rules() if "record" in rule}
    unknown = {where: names(expr) - there for where, expr in asked().items()}

    assert {where: missing for where, missing in unknown.items() if missing} == {}


def test_every_metric_is_on_the_dashboard_or_in_a_rule() -> None:
    """But those that are told in other ways."""
    shown = {one for expr in asked().values() for one in names(expr)}
    families = {re.sub("_(bucket|count|sum)$", "", one) for one in exported()}
    known = {re.sub("_(bucket|count|sum)$", "", one) for one in shown}

    assert families - known == {
        "voronka_build_info",
        "voronka_realtime",
        "voronka_web_build_info",
        "voronka_plan_info",
        "voronka_plan_failed_loads_total",
        "voronka_short_abandons_total",
        "voronka_journal_spilled_entries_total",
        "voronka_webhook_delivered_total",
        "voronka_webhook_failed_attempts_total",
    }


@pytest.mark.parametrize("alert", alerts(), ids=lambda one: str(one["alert"]))
def test_each_alert_has_a_severity_and_a_paragraph_of_the_runbook(alert: dict[str, Any]) -> None:
    headings = re.findall(r"^### (\w+)$", RUNBOOK.read_text(), re.MULTILINE)
    anchors = {f"docs/runbook.md#{one.lower()}" for one in headings}

    assert alert["labels"]["severity"] in ("critical", "warning", "info")
    assert alert["annotations"]["summary"]
    assert alert["annotations"]["runbook_url"] in anchors


def test_the_runbook_has_no_paragraph_too_many() -> None:
    headings = re.findall(r"^### (\w+)$", RUNBOOK.read_text(), re.MULTILINE)

    assert sorted(headings) == sorted(str(one["alert"]) for one in alerts())


def test_each_alert_is_seen_to_fire_in_the_tests_of_the_rules() -> None:
    cases = [case for file in TESTS for case in yaml.safe_load(file.read_text())["tests"]]
    fired = {
        one["alertname"]
        for case in cases
        for one in case.get("alert_rule_test", [])
        if one["exp_alerts"]
    }

    assert fired == {one["alert"] for one in alerts()}


@pytest.mark.slow
@needs_promtool
@pytest.mark.parametrize(
    "words",
    [
        ("check", "rules", *map(str, RULES)),
        ("check", "config", str(FOLDER / "prometheus.yml")),
        ("test", "rules", *map(str, TESTS)),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_promtool_finds_nothing(words: tuple[str, ...]) -> None:
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_panels_have_titles_queries_and_places_of_their_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        cells = {
            (column, line)
            for column in range(place["x"], place["x"] + place["w"])
            for line in range(place["y"], place["y"] + place["h"])
        }
        assert panel["title"]
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_the_dashboard_asks_the_provisioned_source() -> None:
    source = yaml.safe_load(
        Path("docker/grafana/provisioning/datasources/prometheus.yaml").read_text()
    )["datasources"][0]
    provider = yaml.safe_load(
        Path("docker/grafana/provisioning/dashboards/voronka.yaml").read_text()
    )["providers"][0]

    assert {panel["datasource"]["uid"] for panel in panels()} == {source["uid"]}
    assert provider["options"]["path"] == "/etc/grafana/dashboards"
