"""The editor's schema takes what the loader takes, and refuses mistakes of shape."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pbx.plan.json_schema import schema
from pbx.plan.schema import PlanShape
from pbx.plan.source import Faults, NodeBudget, plain, read_text

PLANS = Path(__file__).parent.parent / "plans"
CONFIG = Path(__file__).parent.parent.parent / "config"
SHIPPED = CONFIG / "voronka.schema.json"
EDITOR = jsonschema.Draft202012Validator(schema())
GOOD = sorted((PLANS / "good").glob("*.yaml"))
# What is told at a place of its own, by a look at the words, or not at all before names are known.
SHAPE_MISTAKES = (
    "collect",
    "devices",
    "keys",
    "menu-twice-a-list",
    "schedules",
    "section-unknown",
    "settings",
    "step-kinds",
    "types-of-1-1",
    "vip-shape",
    "secrets",
)


def as_read(path: Path) -> Any:
    """The values of a file as the loader reads them: texts, true, false and nothing."""
    faults = Faults()
    node = read_text(path, path.read_bytes(), faults, NodeBudget())
    faults.stop()
    return None if node is None else plain(node)


def as_an_editor_reads(value: Any) -> Any:
    """YAML 1.2's own types: a plain text that looks like a number is one."""
    match value:
        case dict():
            return {key: as_an_editor_reads(one) for key, one in value.items()}
        case list():
            return [as_an_editor_reads(one) for one in value]
        case str() if re.fullmatch(r"[-+]?[0-9]+", value):
            return int(value)
        case str() if re.fullmatch(r"[-+]?[0-9]+\.[0-9]+", value):
            return float(value)
        case _:
            return value


def test_it_is_a_schema_and_the_shipped_one_is_not_stale() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    stale = "write it anew: pbx schema > config/voronka.schema.json"
    assert json.loads(SHIPPED.read_text(encoding="utf-8")) == schema(), stale


@pytest.mark.parametrize("path", [*GOOD, *sorted(CONFIG.glob("*.yaml"))], ids=lambda one: one.name)
def test_every_good_plan_is_taken(path: Path) -> None:
    value = as_read(path)
    for reading in (value, as_an_editor_reads(value)):
        assert [error.message for error in EDITOR.iter_errors(reading)] == []


@pytest.mark.parametrize("name", SHAPE_MISTAKES)
def test_mistakes_of_shape_are_refused(name: str) -> None:
    assert not EDITOR.is_valid(as_an_editor_reads(as_read(PLANS / "bad" / f"{name}.yaml")))


def test_every_example_file_names_the_schema() -> None:
    for path in CONFIG.glob("*.yaml"):
        first = path.read_text(encoding="utf-8").splitlines()[0]
        assert first == "# yaml-language-server: $schema=voronka.schema.json", path


WHOLE = as_read(PLANS / "good" / "everything.yaml")
VALUES = st.sampled_from(
    [
        None,
        True,
        "5",
        "0",
        "5s",
        "abc",
        "Ёлка",
        "",
        [],
        {},
        ["a", "b"],
        {"queue": "sales"},
        {"x": "1"},
    ]
)


def paths(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [before] if before else []
    if isinstance(value, dict):
        for key, one in value.items():
            found += paths(one, (*before, key))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            found += paths(one, (*before, number))
    return found


PATHS = paths(WHOLE)


def changed(value: Any, path: tuple[Any, ...], new: Any, how: str) -> Any:
    """A copy with one place changed, dropped, or with a key more."""
    head, *rest = path
    copy = dict(value) if isinstance(value, dict) else list(value)
    if rest:
        copy[head] = changed(value[head], tuple(rest), new, how)
    elif how == "drop":
        del copy[head]
    elif how == "add" and isinstance(copy, dict):
        copy["surplus"] = new
    else:
        copy[head] = new
    return copy


@pytest.mark.slow
@given(st.sampled_from(PATHS), VALUES, st.sampled_from(["set", "drop", "add"]))
def test_whatever_one_change_the_loader_takes_the_editor_takes(
    path: tuple[Any, ...], new: Any, how: str
) -> None:
    value = changed(WHOLE, path, new, how)
    section = {path[0]: value.get(path[0])}
    only = {**WHOLE, **section} if path[0] in value else value
    try:
        PlanShape.model_validate(only)
    except ValidationError as error:
        structural = {"missing", "extra_forbidden", "dict_type", "list_type", "model_type"}
        if path[0] in value and all(one["type"] in structural for one in error.errors()):
            needed_alone = len(path) == 1 and new is None
            assert needed_alone or not EDITOR.is_valid(section), "a mistake of structure passed"
        return
    assert EDITOR.is_valid(section)
