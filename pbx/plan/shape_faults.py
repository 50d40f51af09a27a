"""What the models refuse, told at the place in the YAML where it stands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from pbx.plan.faults import did_you_mean, known_names, quoted
from pbx.plan.schema import (
    AnnounceShape,
    DeviceShape,
    HolidaysShape,
    ManagerShape,
    MemberShape,
    MessagesShape,
    NumberShape,
    PlanShape,
    QueueShape,
    ScheduleShape,
    SettingsShape,
    SpeechShape,
    StrategyShape,
    VipShape,
)
from pbx.plan.schema_funnel import FunnelShape
from pbx.plan.schema_nodes import NODE_SHAPES, TAG, PromptShape, kinds_in
from pbx.plan.schema_recording import RecordShape
from pbx.plan.shape import Shape, kind_of
from pbx.plan.source import Faults, Listing, Mapping, Mark, Node, Scalar
from pbx.plan.written import Wrong

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Path = Sequence[str | int]

SECTIONS: dict[str, tuple[str, type[Shape] | None]] = {
    "settings": ("settings", SettingsShape),
    "numbers": ("number", NumberShape),
    "managers": ("manager", ManagerShape),
    "queues": ("queue", QueueShape),
    "schedules": ("schedule", ScheduleShape),
    "menus": ("menu", None),
    "prompts": ("prompt", PromptShape),
}
"""Section to what one of its entries is called, and the entry's model."""
_INNER: dict[str, type[Shape]] = {
    "devices": DeviceShape,
    "members": MemberShape,
    "strategy": StrategyShape,
    "fallback": StrategyShape,
    "holidays": HolidaysShape,
    "announce": AnnounceShape,
    "vip": VipShape,
    "messages": MessagesShape,
    "record": RecordShape,
    "speech": SpeechShape,
    "funnel": FunnelShape,
    TAG + "prompt": PromptShape,
    **{TAG + kind: shape for kind, shape in NODE_SHAPES.items()},
}
_SECRET = re.compile(
    r"(.*[_-])?(password|passwd|pass|secret|token|api[_-]?key|private[_-]?key|credentials?)",
    re.IGNORECASE,
)
_PLAIN_TYPES = {
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "dict_type": "keys and values",
    "list_type": "a list",
}


def subject(path: Path) -> str:
    """What a path is about: ``queue "sales"``."""
    if not path or path[0] not in SECTIONS:
        return ""
    word = SECTIONS[str(path[0])][0]
    if path[0] == "settings" or len(path) < 2:
        return word if path[0] == "settings" else str(path[0])
    return f"{word} {quoted(str(path[1]))}"


def about(path: Path, message: str) -> str:
    """The message with its subject before it."""
    who = subject(path)
    return f"{who}: {message}" if who else message


def find(root: Mapping, path: Path) -> tuple[Scalar | None, Node]:
    """(key, value) at a path, as deep as the path leads in the tree."""
    key: Scalar | None = None
    node: Node = root
    for part in path:
        if isinstance(node, Mapping) and isinstance(part, str) and part in node.entries:
            entry = node.entries[part]
            key, node = entry.key, entry.value
        elif isinstance(node, Listing) and isinstance(part, int) and part < len(node.items):
            key, node = None, node.items[part]
        elif isinstance(node, Listing):
            # A list that stands for a mapping: the item is the key.
            key, node = None, next((one for one in node.items if _is(one, part)), node)
    return key, node


def _is(node: Node, text: str | int) -> bool:
    return isinstance(node, Scalar) and node.text == text


def mark_of(root: Mapping, path: Path) -> Mark:
    """Where a value stands: its text, or the key that holds something larger or nothing."""
    key, node = find(root, path)
    if key is not None and (not isinstance(node, Scalar) or node.text == ""):
        return key.mark
    return node.mark


def key_mark_of(root: Mapping, path: Path) -> Mark:
    """Where a key stands."""
    key, node = find(root, path)
    return key.mark if key is not None else node.mark


def report(error: ValidationError, root: Mapping, faults: Faults) -> None:
    """Tell every mistake that the models found."""
    for detail in error.errors(include_url=False):
        _report_one(detail, root, faults)


def _report_one(detail: ErrorDetails, root: Mapping, faults: Faults) -> None:
    loc = detail["loc"]
    given: Any = detail["input"]
    kind = detail["type"]
    if kind == "missing":
        _missing(loc, root, faults)
    elif kind == "extra_forbidden":
        _unknown_key(loc, root, faults)
    elif kind == "union_tag_not_found":
        _no_kind(loc, given, root, faults)
    else:
        message, hint, notes = _words(detail)
        mark = key_mark_of(root, loc[:-1]) if loc[-1:] == ("[key]",) else mark_of(root, loc)
        faults.add(mark.fault(about(loc, message), hint, notes))


def _words(detail: ErrorDetails) -> tuple[str, str, tuple[str, ...]]:
    error = detail.get("ctx", {}).get("error")
    if isinstance(error, Wrong):
        return error.message, error.hint, error.notes
    kind = detail["type"]
    if kind in _PLAIN_TYPES:
        return f"expected {_PLAIN_TYPES[kind]}, got {kind_of(detail['input'])}", "", ()
    if kind == "too_short":
        return "at least one is needed here", "", ()
    if kind == "too_long":
        return f"more than {detail['ctx']['max_length']} are too many here", "", ()
    if kind == "recursion_loop":
        return "nested too deeply", "give the inner part a name", ()
    return detail["msg"], "", ()


def _model_at(loc: Path) -> type[Shape]:
    """The model that a path leads into."""
    for part in reversed(loc):
        if isinstance(part, str) and part in _INNER:
            return _INNER[part]
    if loc and loc[0] in SECTIONS:
        return SECTIONS[str(loc[0])][1] or PlanShape
    return PlanShape


def _missing(loc: Path, root: Mapping, faults: Faults) -> None:
    field = str(loc[-1])
    info = _model_at(loc[:-1]).model_fields.get(field)
    hint = (info.description or "").rstrip(".") if info is not None else ""
    mark = key_mark_of(root, loc[:-1])
    faults.add(mark.fault(about(loc[:-1], f"{quoted(field)} is missing"), hint))


def _unknown_key(loc: Path, root: Mapping, faults: Faults) -> None:
    key = str(loc[-1])
    fields = list(_model_at(loc[:-1]).model_fields)
    mark = key_mark_of(root, loc)
    if _SECRET.fullmatch(key):
        message = f"{quoted(key)}: secrets never stand in a plan"
        hint = "set it in the environment or a secret file"
        faults.add(mark.fault(about(loc[:-1], message), hint))
        return
    what = "section" if len(loc) == 1 else "key"
    message = about(loc[:-1], f"unknown {what} {quoted(key)}")
    faults.add(mark.fault(message, did_you_mean(key, fields), known_names(fields)))


def _no_kind(loc: Path, given: Any, root: Mapping, faults: Faults) -> None:
    """A step without a kind, or with two."""
    if not isinstance(given, dict):
        message = f"expected a step or a menu's name, got {kind_of(given)}"
        faults.add(mark_of(root, loc).fault(about(loc, message)))
        return
    kinds = kinds_in(given)
    if kinds:
        message = f"a step has one kind, here are {' and '.join(map(quoted, kinds))}"
        mark = key_mark_of(root, [*loc, kinds[1]])
        faults.add(mark.fault(about(loc, message), "make a list of two steps"))
        return
    for key in list(given)[:20]:
        hint = did_you_mean(str(key), NODE_SHAPES)
        if hint:
            mark = key_mark_of(root, [*loc, str(key)])
            message = about(loc, f"unknown step {quoted(str(key))}")
            faults.add(mark.fault(message, hint, known_names(NODE_SHAPES)))
            return
    _, node = find(root, loc)
    faults.add(
        node.mark.fault(
            about(loc, "a step must say what it does"), "", known_names(NODE_SHAPES, "one of")
        )
    )
