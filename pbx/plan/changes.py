"""What differs between two plans: sections' entries added, removed, altered, and by which keys.

Compared is what a value means (``20`` and ``20s`` are the same, a default written out too); shown
is what stands in the files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, RootModel

from pbx.plan.load import Loaded
from pbx.plan.source import Plain

NONE = "none"
"""Shown where there is no value."""
_LONGEST = 120
_SHOWN = 200


class Kind(StrEnum):
    """What became of an entry."""

    ADDED = "added"
    REMOVED = "removed"
    ALTERED = "altered"


@dataclass(frozen=True, slots=True)
class KeyChange:
    """One key (``keys.2.queue``): what stood there, and what stands there now.

    ``of_list``: ``old`` is what the list lost, ``new`` what it won; "" for nothing.
    """

    key: str
    old: str
    new: str
    of_list: bool = False

    def render(self) -> str:
        """As a person reads it."""
        if not self.of_list:
            return f"{self.key}: {self.old} -> {self.new}"
        parts = [f"{sign} {one}" for sign, one in (("-", self.old), ("+", self.new)) if one]
        return f"{self.key}: {', '.join(parts)}"


@dataclass(frozen=True, slots=True)
class Change:
    """One manager, queue, number, menu ...; ``what`` in the singular, ``name`` "" for settings."""

    kind: Kind
    what: str
    name: str
    keys: tuple[KeyChange, ...] = ()

    def render(self) -> str:
        """As a person reads it: one line, and one for each key of what was altered."""
        sign = {Kind.ADDED: "+", Kind.REMOVED: "-", Kind.ALTERED: "~"}[self.kind]
        lines = [f"{sign} {self.what} {self.name}".rstrip()]
        lines += [f"    {one.render()}" for one in self.keys]
        return "\n".join(lines)


def render(changes: tuple[Change, ...]) -> str:
    """All of them, cut to what a terminal takes, with a sum in the last line."""
    if not changes:
        return "nothing changed"
    lines = [one.render() for one in changes[:_SHOWN]]
    if len(changes) > _SHOWN:
        lines.append(f"... and {len(changes) - _SHOWN} more")
    counts = {kind: sum(one.kind is kind for one in changes) for kind in Kind}
    lines.append(", ".join(f"{count} {kind.value}" for kind, count in counts.items() if count))
    return "\n".join(lines)


def differences(old: Loaded, new: Loaded) -> tuple[Change, ...]:
    """In the order of the plan's sections and of the names in them."""
    return tuple(_differences(old, new))


def _differences(old: Loaded, new: Loaded) -> Iterator[Change]:
    before, after = _inside(old.shape), _inside(new.shape)
    assert before is not None
    assert after is not None
    for section in after:
        if before[section] == after[section]:
            continue
        what = section if section == "settings" else section.removesuffix("s")
        if section == "settings":
            keys = tuple(_keys(before[section], after[section], (section,), old, new))
            yield Change(Kind.ALTERED, what, "", keys)
            continue
        was, now = _inside(before[section]) or {}, _inside(after[section]) or {}
        for name in sorted({**was, **now}):
            if name not in now:
                yield Change(Kind.REMOVED, what, name)
            elif name not in was:
                yield Change(Kind.ADDED, what, name)
            elif was[name] != now[name]:
                keys = tuple(_keys(was[name], now[name], (section, name), old, new))
                yield Change(Kind.ALTERED, what, name, keys)


def _inside(value: object) -> Mapping[str, object] | None:
    """The values of a mapping or model, by key; None for what is neither."""
    if isinstance(value, BaseModel) and not isinstance(value, RootModel):
        return {**vars(value), **(value.model_extra or {})}
    return value if isinstance(value, dict) else None


def _keys(
    before: object, after: object, path: tuple[str, ...], old: Loaded, new: Loaded
) -> Iterator[KeyChange]:
    if before == after:
        return
    # The top of an entry is two parts of the path: settings has no name.
    depth = 1 if path[0] == "settings" else 2
    inside, now_inside = _inside(before), _inside(after)
    if inside is not None and now_inside is not None and type(before) is type(after):
        for name in {**inside, **now_inside}:
            yield from _keys(inside.get(name), now_inside.get(name), (*path, str(name)), old, new)
        return
    key = ".".join(path[depth:]) or "step"
    was, now = _written(old, path), _written(new, path)
    if isinstance(was, list) and isinstance(now, list):
        gone = ", ".join(_flow(one) for one in was if one not in now)
        come = ", ".join(_flow(one) for one in now if one not in was)
        if gone or come:
            yield KeyChange(key, _cut(gone), _cut(come), of_list=True)
            return
    yield KeyChange(key, _shown(was, before), _shown(now, after))


_MISSING = object()


def _written(loaded: Loaded, path: tuple[str, ...]) -> object:
    """What stands in the file, where it is written by the very same keys."""
    value: Plain = loaded.written
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return _MISSING
        value = value[key]
    return value


def _shown(written: object, value: object) -> str:
    if written is not _MISSING:
        return _cut(_flow(written))
    return NONE if value is None else _cut(_flow(value))


def _flow(value: object) -> str:
    """As YAML's flow style would have it, for reading only."""
    if (inside := _inside(value)) is not None:
        return _flow_of(inside)
    match value:
        case None:
            return NONE
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:g}"
        case list() | tuple():
            return "[" + ", ".join(map(_flow, value)) + "]"
    return " ".join(str(value).split())


def _flow_of(inside: Mapping[str, object]) -> str:
    return "{" + ", ".join(f"{key}: {_flow(one)}" for key, one in inside.items()) + "}"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
