"""Whatever stands in the files: a plan, or mistakes with their places.  Never another end."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivr.checks import loops_without_input, missing_targets
from pbx.plan.faults import PlanError
from pbx.plan.load import load
from pbx.plan.model import Plan
from pbx.plan.schema_nodes import NODE_SHAPES
from pbx.plan.shape_faults import SECTIONS
from routing.strategy import Registry

STRATEGIES = Registry.builtin()
GOOD = Path(__file__).parent.parent / "plans" / "good" / "everything.yaml"
QUICK = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)


def outcome(data: bytes) -> Plan | PlanError:
    """Load one file's bytes; check that what comes out keeps its promises."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "plan.yaml")
        file.write_bytes(data)
        result = _load(file)
    if isinstance(result, PlanError):
        assert_located(result, file, len(data.splitlines()))
    else:
        assert_sound(result)
    return result


def _load(file: Path) -> Plan | PlanError:
    try:
        return load(file, registry=STRATEGIES)
    except PlanError as error:
        return error


def assert_located(error: PlanError, file: Path, lines: int) -> None:
    """Every mistake has a place in the file, and can be printed on a terminal."""
    assert error.faults
    for fault in error.faults:
        assert fault.file == file
        assert fault.message
        assert 0 <= fault.line <= lines + 1
        assert fault.line == 0 or fault.column >= 1
    assert all(line.isprintable() for line in error.render().split("\n"))


def assert_sound(plan: Plan) -> None:
    """What the engine takes for granted of a plan."""
    assert not missing_targets(plan.tree)
    assert not loops_without_input(plan.tree)
    assert all(node_id == node.node_id for node_id, node in plan.tree.items())
    entries = [one.entry for one in plan.numbers.values()]
    assert all(entry in plan.tree for entry in entries)
    assert all(
        member in plan.routing.agents
        for queue in plan.routing.queues.values()
        for member in queue.members
    )
    for agent in plan.routing.agents.values():
        for device in agent.devices:
            assert not set(device.address) & set("&,|()${}'\"\r\n\0 ")


@cache
def good_text() -> str:
    return GOOD.read_text(encoding="utf-8")


def test_the_good_plan_is_good() -> None:
    assert isinstance(outcome(good_text().encode()), Plan)


@QUICK
@given(st.binary(max_size=300))
def test_any_bytes_end_in_a_plan_or_in_mistakes(data: bytes) -> None:
    outcome(data)


@QUICK
@given(
    st.text(
        alphabet=st.sampled_from(" \n:-[]{}#&*!|>'\"%@`,?~\taA0+.\\u\ufeff\u2028é"), max_size=60
    )
)
def test_any_yaml_like_text_ends_in_a_plan_or_in_mistakes(text: str) -> None:
    outcome(text.encode("utf-8", "replace"))


_WORDS = st.sampled_from(
    [
        *SECTIONS,
        *NODE_SHAPES,
        *("welcome", "hangup", "main", "back", "ivanov", "sales", "ru", "RU", "Europe/Moscow"),
        *("+78005553535", "+7916", "ring-all", "weighted", "5s", "1", "0", "true", "2026-05-09"),
        *("entry", "keys", "then", "otherwise", "members", "strategy", "name", "fallback"),
        *("region", "time_zone", "languages", "devices", "phone", "mobile", "hours", "on_overflow"),
        "*",
        "{language}",
        "mon-fri",
        "09:00-18:00",
    ]
)
_ATOMS = _WORDS | st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
_TREES = st.recursive(
    _ATOMS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_WORDS, inner, max_size=5),
    max_leaves=25,
)


@pytest.mark.slow
@QUICK
@given(st.dictionaries(st.sampled_from(sorted(SECTIONS)), _TREES))
def test_any_tree_ends_in_a_plan_or_in_mistakes(tree: dict[str, object]) -> None:
    outcome(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "replace"))


def _paths(tree: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    found = [path] if path else []
    if isinstance(tree, dict):
        for key, value in tree.items():
            found += _paths(value, (*path, key))
    if isinstance(tree, list):
        for index, value in enumerate(tree):
            found += _paths(value, (*path, index))
    return found


@cache
def _good_paths() -> list[tuple[object, ...]]:
    return _paths(yaml.load(good_text(), Loader=yaml.BaseLoader))


@pytest.mark.slow
@QUICK
@given(st.data())
def test_any_value_put_anywhere_into_a_good_plan_is_taken_or_told(data: st.DataObject) -> None:
    tree = yaml.load(good_text(), Loader=yaml.BaseLoader)
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from(_good_paths()))
        place = tree
        try:
            for part in way:
                place = place[part]
            match data.draw(st.sampled_from(["replace", "delete", "rename"])):
                case "replace":
                    place[last] = data.draw(_TREES)
                case "delete":
                    del place[last]
                case "rename":
                    place[data.draw(_WORDS)] = place.pop(last)
        except (AttributeError, KeyError, IndexError, TypeError):
            continue  # an earlier change took this place away
    outcome(yaml.safe_dump(tree, allow_unicode=True, sort_keys=False).encode("utf-8", "replace"))


@QUICK
@given(st.data())
def test_any_edit_of_a_good_text_ends_in_a_plan_or_in_mistakes(data: st.DataObject) -> None:
    text = good_text()
    start = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 30))
    new = data.draw(st.text(alphabet=" \n:-[]{}#&*!\"'ab01\t", max_size=6))
    outcome((text[:start] + new + text[start + length :]).encode())


@QUICK
@given(st.text(max_size=40))
def test_no_text_becomes_a_second_dial_string(text: str) -> None:
    for key in ("phone", "mobile", "home", "sip"):
        plan = yaml.safe_dump(
            {
                "settings": {
                    "region": "RU",
                    "time_zone": "UTC",
                    "languages": "ru",
                    "trunk": "PJSIP/{number}@trunk",
                    "outside": "+7",
                },
                "numbers": {"+78005553535": {"entry": "hangup"}},
                "managers": {"ivanov": {"name": "I", "devices": [{key: text}]}},
            },
            allow_unicode=True,
        )
        outcome(plan.encode("utf-8", "replace"))
