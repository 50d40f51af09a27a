"""The plan as a picture, and what callers did in it."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from bench.logged import write
from pbx.cli import main
from pbx.graph.build import build
from pbx.graph.dot import link_from, to_dot
from pbx.graph.funnel import Counting
from pbx.journal import port
from pbx.journal.database import migrate, open_for_writing
from pbx.journal.walks import Walked, count_walks, walks
from pbx.plan.load import load
from routing.values import CallId

CONFIG = Path(__file__).parent.parent.parent / "config"
DID = "+78005553535"


def walked(*steps: tuple[str, str | None], outcome: str, last: str, agent: str = "") -> Walked:
    return Walked("c", DID, outcome, last, "sales", agent or None, steps)


def test_each_call_is_counted_on_the_way_it_took_and_where_it_left() -> None:
    plan = load(CONFIG)
    picture = build(plan)
    counts = Counting(plan, picture).count(
        [
            walked(
                ("welcome", ""),
                ("welcome", "1"),
                ("welcome/1", None),
                outcome="answered",
                last="welcome/1",
                agent="ivanov",
            ),
            walked(("welcome", "2"), outcome="abandoned_in_menu", last="service"),
            walked(outcome="abandoned_in_menu", last="welcome"),
            walked(("gone", None), outcome="abandoned_in_menu", last="gone"),
        ]
    )

    took = {(way.source, way.target, way.label): n for way, n in counts.took.items()}
    assert took == {
        (f"number={DID}", "welcome", ""): 3,
        ("welcome", "queue=sales", "1"): 1,
        ("queue=sales", "team=sales", ""): 1,
        ("welcome", "service", "2"): 1,
    }
    assert counts.reached["welcome"] == 3
    assert counts.answered["queue=sales"] == 1
    assert (counts.left["service"], counts.left["welcome"]) == (1, 1)
    assert counts.share_left("welcome") == pytest.approx(1 / 3)
    assert counts.unknown == {"gone": 1}


def test_calls_that_we_made_are_no_callers_of_a_number(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    log = open_for_writing(url)
    migrate(log)
    write(
        log,
        [
            (1.0, port.CallStarted(CallId("a"), DID, "+79161234567", "", "", "", "ru")),
            (2.0, port.MenuStep(CallId("a"), "welcome", "menu", "1", "key 1")),
            (
                9.0,
                port.CallStarted(
                    CallId("b"), DID, "+79161234567", "", "", "", "ru", callback_of="task-1"
                ),
            ),
            (9.5, port.MenuStep(CallId("b"), "callback", "callback", None, "client answers")),
        ],
    )
    asked = CliRunner().invoke(main, ["graph", str(CONFIG), "--funnel", "--json", "--db", url])
    told = json.loads(asked.output)

    reached = {one["id"]: one["reached"] for one in told["boxes"]}
    assert reached[f"number={DID}"] == 1
    assert count_walks(log, None, None) == len(list(walks(log, None, None))) == 1


def test_a_day_is_a_day_of_the_plans_zone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate(open_for_writing(f"sqlite:///{tmp_path / 'voronka.db'}"))
    monkeypatch.setenv("VORONKA_STATE_DIR", str(tmp_path))
    monkeypatch.delenv("VORONKA_TZ", raising=False)
    asked: list[object] = []

    def count_walks(log: object, *time: object) -> int:
        asked.extend(time)
        return 0

    monkeypatch.setattr("pbx.journal.walks.count_walks", count_walks)
    words = ["graph", str(CONFIG), "--calls", "--json", "--since", "2026-11-23"]

    for zone in ((), ("--tz", "Asia/Omsk")):
        assert CliRunner().invoke(main, [*words, *zone]).exit_code == 0

    since = [datetime(2026, 11, 23, tzinfo=ZoneInfo(one)) for one in ("Europe/Moscow", "Asia/Omsk")]
    assert asked == [since[0], None, since[1], None]


def test_every_box_leads_to_its_line() -> None:
    boxes = build(load(CONFIG)).boxes

    for box in boxes:
        if box.place is not None and box.box_id.startswith("number="):
            line = box.place.file.read_text(encoding="utf-8").splitlines()[box.place.line - 1]
            assert box.title in line
    assert [box.box_id for box in boxes if box.place is None and "team=" not in box.box_id] == []


def test_names_are_text_in_the_drawing(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(
        "settings: {region: RU, time_zone: UTC, languages: ru}\n"
        'numbers: {"+78005553535": {entry: {queue: q}, title: \'<B> "\\\\" ]; x\'}}\n'
        "managers: {m: {name: m}}\n"
        "queues: {q: {members: m, strategy: linear}}\n",
        encoding="utf-8",
    )
    drawing = to_dot(build(load(plan)), None, link=link_from(None))
    assert "&lt;B&gt; &quot;" in drawing


def test_where_signs_stand_for_queues_the_queues_are_at_the_right(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    menus = "".join(
        f"  m{n}: {{menu: hello, keys: {{1: m{n + 1}, 2: {{queue: q}}}}}}\n" for n in range(20)
    )
    plan.write_text(
        "settings: {region: RU, time_zone: UTC, languages: ru}\n"
        'numbers: {"+78005553535": {entry: m0}}\n'
        "managers: {m: {name: m}}\n"
        "queues: {q: {members: m, strategy: linear}}\n"
        "prompts: {hello: {sound: beep}}\n"
        f"menus:\n{menus}  m20: {{menu: hello, keys: {{2: {{queue: q}}}}}}\n",
        encoding="utf-8",
    )
    drawing = to_dot(build(load(plan)), None, link=link_from(None))
    # Graphviz puts what no line leads to at the left.
    held = re.search(r"(s\d+) -> (b\d+) \[style=invis", drawing)
    assert held is not None
    assert f"{held[2]} [" in drawing
    assert "<B>q</B>" in drawing.partition(f"{held[2]} [")[2].partition("\n")[0]


def test_without_graphviz_it_is_one_line_and_the_other_forms_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    refused = CliRunner().invoke(main, ["graph", str(CONFIG), "--format", "svg"])
    assert refused.exit_code == 1
    assert "apt install graphviz" in refused.output
    assert len(refused.output.strip().splitlines()) == 1

    assert CliRunner().invoke(main, ["graph", str(CONFIG), "--format", "mermaid"]).exit_code == 0
    shown = CliRunner().invoke(main, ["graph", str(CONFIG), "--json"])
    assert {"boxes", "ways"} == json.loads(shown.output).keys()
