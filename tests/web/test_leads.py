"""Where a number's callers may come to."""

from __future__ import annotations

from pathlib import Path

from pbx.plan.load import load
from pbx.web.leads import leads_of

PLAN = """
settings: {region: RU, languages: [en], time_zone: UTC}
managers:
  anna: {name: Anna, department: sales, extension: "101"}
  boris: {name: Boris, department: support, extension: "102"}
  vera: {name: Vera, department: back office, extension: "103"}
  gleb: {name: Gleb}
queues:
  sales: {members: anna, strategy: round-robin, ring_time: 15s, on_overflow: {queue: both}}
  both: {members: [anna, boris], strategy: round-robin, ring_time: 15s}
  nobodys: {members: gleb, strategy: round-robin, ring_time: 15s}
prompts:
  hello: {sound: beep}
menus:
  first:
    menu: hello
    keys: {1: {queue: sales}, 2: deeper, 3: {dial: vera}}
  deeper:
    menu: hello
    keys: {1: {queue: nobodys}, 0: first}
numbers:
  "+78005550100": {entry: first}
  "+78005550101": {entry: deeper}
  "+78005550102": {entry: {queue: both}}
  "+78005550103": {entry: {queue: nobodys}, lines: 1, above: {dial: boris}}
  "+78005550104": {entry: {hangup: hello}}
"""


def test_a_number_leads_to_whoever_may_be_rung(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN, encoding="utf-8")
    found = leads_of(load(path))

    assert {did[-1]: sorted(one) for did, one in found.items()} == {
        "0": ["", "back office", "sales", "support"],
        "1": ["", "back office", "sales", "support"],
        "2": ["sales", "support"],
        "3": ["", "support"],
        "4": [],
    }


def test_the_shipped_plan_leads_somewhere() -> None:
    plan = load(Path("config"))

    for did, departments in leads_of(plan).items():
        assert departments, did
