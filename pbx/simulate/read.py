"""Reads a parameters' tree key by key; every mistake is kept with its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pbx.plan.faults import Fault, PlanError, did_you_mean, known_names, quoted
from pbx.plan.source import Faults, Listing, Mapping, Node, NodeBudget, Scalar, read_text
from pbx.plan.written import Wrong

T = TypeVar("T")
SHOWN = 3
"""Files of a folder that are named."""
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,4})?) ?%")


def number(text: str) -> float:
    """0 or more."""
    if not _NUMBER.fullmatch(text):
        raise Wrong(f"{quoted(text)} is not a number", "write 12 or 0.5")
    return float(text)


def percent(text: str) -> float:
    """``30%``, as 0 to 1."""
    found = _PERCENT.fullmatch(text)
    if found is None or float(found[1]) > 100:
        raise Wrong(f"{quoted(text)} is not a share", "write 30%")
    return float(found[1]) / 100


def one_of(what: str, names: Iterable[str]) -> Callable[[str], str]:
    """A reader of names that there are."""
    known = list(names)

    def read(text: str) -> str:
        if text not in known:
            hint = did_you_mean(text, known)
            raise Wrong(f"unknown {what} {quoted(text)}", hint, known_names(known))
        return text

    return read


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a file is to be: ``what`` ("a forecast"), ``hint`` where there is more about it."""

    what: str
    hint: str


def read_bytes(path: Path, wanted: Wanted) -> bytes:
    """What a file holds.  Raises PlanError."""
    try:
        return path.read_bytes()
    except IsADirectoryError as error:
        inside = sorted(one.name for one in path.glob("*.y*ml"))
        names = ", ".join(inside[:SHOWN]) + (", ..." if len(inside) > SHOWN else "")
        found = f"a folder ({names or 'without YAML'})"
        fault = Fault(path, 0, 0, f"this is {found}, not {wanted.what}", wanted.hint)
        raise PlanError([fault]) from error
    except OSError as error:
        reason = error.strerror or "unknown error"
        raise PlanError([Fault(path, 0, 0, f"can't be read: {reason}")]) from error


def read_file(path: Path, faults: Faults, wanted: Wanted) -> Node | None:
    """What a file holds; None for nothing.  Raises PlanError: it can't be read, or is no YAML."""
    data = read_bytes(path, wanted)
    node = read_text(path, data, faults, NodeBudget())
    faults.stop()
    return None if isinstance(node, Scalar) and node.value is None else node


def nothing(faults: Faults) -> Node:
    """Keys and values of which there are none: every default holds."""
    node = read_text(Path("defaults"), b"{}", faults, NodeBudget())
    assert node is not None, "an empty mapping can be read"
    return node


class Section:
    """A mapping whose keys are known; ``done`` tells of those that are not."""

    def __init__(self, node: Node, faults: Faults, what: str) -> None:
        self.node = node
        self._faults = faults
        self._what = what
        self._known: list[str] = []
        if not isinstance(node, Mapping):
            faults.add(node.mark.fault(f"{what}: expected keys and values"))

    def __contains__(self, key: str) -> bool:
        return self.find(key) is not None

    def find(self, key: str) -> Node | None:
        """What stands under a key; None for nothing."""
        self._known.append(key)
        if not isinstance(self.node, Mapping) or key not in self.node.entries:
            return None
        return self.node.entries[key].value

    def value(self, key: str, read: Callable[[str], T], default: T) -> T:
        """A single value, or the default."""
        node = self.find(key)
        return default if node is None else self.scalar(node, key, read, default)

    def scalar(self, node: Node, key: str, read: Callable[[str], T], default: T) -> T:
        """A single value that stands here."""
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            self.wrong(node, f"{key}: expected a single value")
            return default
        try:
            return read(node.text)
        except Wrong as error:
            self._faults.add(node.mark.fault(f"{key}: {error.message}", error.hint, error.notes))
            return default

    def section(self, key: str) -> Section | None:
        """The mapping under a key."""
        node = self.find(key)
        return None if node is None else Section(node, self._faults, key)

    def items(self, key: str) -> list[Section]:
        """A list of mappings under a key."""
        node = self.find(key)
        if node is None:
            return []
        if not isinstance(node, Listing):
            self.wrong(node, f"{key}: expected a list")
            return []
        return [Section(one, self._faults, key) for one in node.items]

    def entries(self) -> list[tuple[Scalar, Node]]:
        """All keys and what stands under them, whatever they are called."""
        if not isinstance(self.node, Mapping):
            return []
        self._known += self.node.entries
        return [(one.key, one.value) for one in self.node.entries.values()]

    def wrong(self, node: Node, message: str, hint: str = "") -> None:
        """A mistake at this place."""
        self._faults.add(node.mark.fault(message, hint))

    def done(self) -> None:
        """All keys that mean something were asked for: the others are mistakes."""
        if not isinstance(self.node, Mapping):
            return
        for name, entry in self.node.entries.items():
            if name not in self._known:
                message = f"{self._what} has no key {quoted(name)}"
                notes = known_names(dict.fromkeys(self._known))
                hint = did_you_mean(name, self._known)
                self._faults.add(entry.key.mark.fault(message, hint, notes))
