"""YAML text to a tree of nodes that know their place.

A plan's YAML is a safe part of YAML 1.2: mappings, lists and scalars.  Every plain scalar stays
the text it was written as, but ``true``, ``false`` and nothing (``~``, ``null``): so ``9:00``,
``+78005553535``, ``0123`` and ``no`` mean what they look like.  Whoever expects a number reads
it from the text.

The tree is built from PyYAML's events without recursion, and everything an input could blow up
is bounded: size, depth, and the number of nodes with each alias counted as what it repeats.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import yaml

from pbx.plan.faults import MAX_FAULTS, Fault, PlanError, quoted
from pbx.plan.syntax_words import explain

MAX_BYTES = 10_000_000
"""Per file: a plan of 10,000 managers takes about 2 MB."""
MAX_DEPTH = 64
"""Nested mappings and lists: a menu takes two per level, so thirty levels of menus."""
MAX_NODES = 300_000
"""In all files together, aliases expanded."""

FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\ufffe\uffff]"
)
"""Control and invisible characters: none has a meaning in a plan, some hide what is written."""

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT_TAGS = frozenset({"!", "tag:yaml.org,2002:str"})
_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null"))
_MAP_TAGS = frozenset({"!", "tag:yaml.org,2002:map"})
_LIST_TAGS = frozenset({"!", "tag:yaml.org,2002:seq"})


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that was read."""

    path: Path
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A place: ``line`` and ``column`` from 1, and how many characters of that line."""

    file: SourceFile
    line: int
    column: int
    length: int = 1

    def fault(self, message: str, hint: str = "", notes: tuple[str, ...] = ()) -> Fault:
        """A mistake at this place."""
        lines = self.file.lines
        text = lines[self.line - 1] if 0 < self.line <= len(lines) else ""
        return Fault(
            self.file.path, self.line, self.column, message, hint, self.length, text, notes
        )

    def __str__(self) -> str:
        return self.fault("").place


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value: ``text`` as written; ``value`` a bool or None where it means one."""

    mark: Mark
    text: str
    value: str | bool | None


@dataclass(frozen=True, slots=True)
class Listing:
    """A list."""

    mark: Mark
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One ``key: value``."""

    key: Scalar
    value: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    """Entries by their key's text."""

    mark: Mark
    entries: dict[str, Entry]


Node = Scalar | Listing | Mapping
Plain = str | bool | None | list["Plain"] | dict[str, "Plain"]


class Faults:
    """Collects the mistakes of one pass."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._left_out = 0

    def __len__(self) -> int:
        return len(self._faults)

    def add(self, fault: Fault) -> None:
        """Keep a mistake (only its number, when there are too many)."""
        if self.full:
            self.count_one()
        else:
            self._faults.append(fault)

    @property
    def told(self) -> tuple[Fault, ...]:
        """Those kept so far."""
        return tuple(self._faults)

    @property
    def full(self) -> bool:
        """More are only counted."""
        return len(self._faults) >= MAX_FAULTS

    def count_one(self) -> None:
        """A mistake that is not worth its words any more."""
        self._left_out += 1

    def stop(self) -> None:
        """End of the pass: raise PlanError when there was a mistake, in the order of places."""
        if self._faults:
            ordered = sorted(dict.fromkeys(self._faults), key=_by_place)
            raise PlanError(ordered, self._left_out)


def _by_place(fault: Fault) -> tuple[str, int, int]:
    return str(fault.file), fault.line, fault.column


@dataclass
class _Frame:
    """A mapping or list that is still open."""

    mark: Mark
    is_mapping: bool
    anchor: str | None
    first_node: int
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    key: Scalar | None = None
    bad_key: bool = False


class _AbandonedError(Exception):
    """This file cannot be read on; the fault is already kept."""


class NodeBudget:
    """How many nodes may still be built."""

    def __init__(self, left: int = MAX_NODES) -> None:
        self.left = left

    def take(self, count: int) -> bool:
        """Use some; False when there are not so many left."""
        self.left -= count
        return self.left >= 0


def read_text(path: Path, data: bytes, faults: Faults, budget: NodeBudget) -> Node | None:
    """The tree of one file; None when it is empty or could not be read (see ``faults``)."""
    if len(data) > MAX_BYTES:
        faults.add(Fault(path, 0, 0, f"the file is larger than {MAX_BYTES // 1_000_000} MB"))
        return None
    text = _decode(path, data, faults)
    if text is None:
        return None
    source = SourceFile(path, tuple(re.split(r"\r\n|\r|\n", text)))
    if _has_forbidden(source, text, faults):
        return None
    try:
        return _Builder(source, faults, budget).build(text)
    except _AbandonedError:
        return None


def _decode(path: Path, data: bytes, faults: Faults) -> str | None:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        faults.add(Fault(path, 1, 1, "the file is in UTF-16", "save it as UTF-8"))
        return None
    try:
        # A byte order mark at the very start is what some editors write: harmless, and dropped.
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        good = error.object[: error.start].decode("utf-8", "replace")
        lines = re.split(r"\r\n|\r|\n", good)
        byte = error.object[error.start]
        message = f"byte 0x{byte:02x} is not UTF-8"
        column = len(lines[-1]) + 1
        faults.add(
            Fault(path, len(lines), column, message, "save the file as UTF-8", 1, lines[-1] + "?")
        )
        return None


def _has_forbidden(source: SourceFile, text: str, faults: Faults) -> bool:
    if not FORBIDDEN.search(text):
        return False
    for number, line in enumerate(source.lines, 1):
        found = FORBIDDEN.search(line)
        if found:
            mark = Mark(source, number, found.start() + 1)
            faults.add(mark.fault(f"invisible character U+{ord(found[0]):04X}", "delete it"))
    return True


class _Builder:
    """Turns one file's events into nodes, keeping its own stack."""

    def __init__(self, source: SourceFile, faults: Faults, budget: NodeBudget) -> None:
        self._source = source
        self._faults = faults
        self._budget = budget
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._count = 0
        self._root: Node | None = None
        self._documents = 0

    def build(self, text: str) -> Node | None:
        for event in self._events(text):
            match event:
                case yaml.DocumentStartEvent():
                    self._documents += 1
                    if self._documents > 1:
                        self._abort(event, "a second document begins here", "use a second file")
                case yaml.ScalarEvent():
                    self._scalar(event)
                case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                    self._open(event)
                case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                    self._close()
                case yaml.AliasEvent():
                    self._alias(event)
                case _:
                    pass
        return self._root

    def _events(self, text: str) -> Iterator[yaml.Event]:
        try:
            yield from yaml.parse(text, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            line, column, message, hint = explain(error, self._source.lines)
            self._faults.add(Mark(self._source, line, column).fault(message, hint))
            raise _AbandonedError from error
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            self._faults.add(Fault(self._source.path, 0, 0, f"not YAML: {error}"))
            raise _AbandonedError from error

    def _mark(self, event: yaml.Event) -> Mark:
        start, end = event.start_mark, event.end_mark
        assert start is not None  # parsed events always have both marks
        assert end is not None
        length = 1
        if isinstance(event, yaml.ScalarEvent | yaml.AliasEvent):
            same_line = start.line == end.line
            stop = end.column if same_line else len(self._source.lines[start.line].rstrip())
            length = max(1, stop - start.column)
            if isinstance(event, yaml.ScalarEvent) and event.style in ("|", ">"):
                length = 1
        return Mark(self._source, start.line + 1, start.column + 1, length)

    def _abort(self, event: yaml.Event, message: str, hint: str = "") -> NoReturn:
        self._faults.add(self._mark(event).fault(message, hint))
        raise _AbandonedError

    def _spend(self, event: yaml.Event, count: int) -> None:
        self._count += count
        if not self._budget.take(count):
            self._abort(event, f"the plan has more than {MAX_NODES:,} values")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._spend(event, 1)
        mark = self._mark(event)
        text: str = event.value
        plain = event.style in (None, "")
        if event.tag in _TEXT_TAGS:
            plain = False
        elif event.tag in _PLAIN_TAGS:
            plain = True
        elif event.tag is not None:
            self._refuse_tag(event, event.tag)
        found = FORBIDDEN.search(text)
        if found:
            self._faults.add(mark.fault(f"escaped control character U+{ord(found[0]):04X}"))
        scalar = Scalar(mark, text, _value(text) if plain else text)
        self._keep(event.anchor, scalar, 1)
        self._place(scalar)

    def _open(self, event: yaml.SequenceStartEvent | yaml.MappingStartEvent) -> None:
        self._spend(event, 1)
        if len(self._stack) >= MAX_DEPTH:
            self._abort(
                event, f"nested deeper than {MAX_DEPTH} levels", "give the inner part a name"
            )
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        if event.tag is not None and event.tag not in (_MAP_TAGS if is_mapping else _LIST_TAGS):
            self._refuse_tag(event, event.tag)
        if event.anchor is not None:
            self._anchors.pop(event.anchor, None)
        self._stack.append(_Frame(self._mark(event), is_mapping, event.anchor, self._count - 1))

    def _close(self) -> None:
        frame = self._stack.pop()
        node: Node
        if frame.is_mapping:
            node = Mapping(frame.mark, frame.entries)
        else:
            node = Listing(frame.mark, tuple(frame.items))
        self._keep(frame.anchor, node, self._count - frame.first_node)
        self._place(node)

    def _alias(self, event: yaml.AliasEvent) -> None:
        assert event.anchor is not None
        known = self._anchors.get(event.anchor)
        if known is None:
            inside = any(frame.anchor == event.anchor for frame in self._stack)
            why = "stands inside itself" if inside else "is not defined above"
            self._abort(event, f'"*{event.anchor}" {why}', "a text that starts with * needs quotes")
        node, size = known
        self._spend(event, size)
        self._place(node)

    def _keep(self, anchor: str | None, node: Node, size: int) -> None:
        if anchor is not None:
            self._anchors[anchor] = (node, size)

    def _refuse_tag(self, event: yaml.Event, tag: str) -> None:
        short = tag.replace("tag:yaml.org,2002:", "!!")
        self._faults.add(
            self._mark(event).fault(f"tag {quoted(short)}: a plan holds plain values only")
        )

    def _place(self, node: Node) -> None:
        """Put a finished node where it belongs: root, list, key or value."""
        if not self._stack:
            self._root = node
            return
        frame = self._stack[-1]
        if not frame.is_mapping:
            frame.items.append(node)
        elif frame.bad_key:
            frame.bad_key = False
        elif frame.key is None:
            self._take_key(frame, node)
        else:
            frame.entries[frame.key.text] = Entry(frame.key, node)
            frame.key = None

    def _take_key(self, frame: _Frame, node: Node) -> None:
        """A key must be a single text, given once."""
        if not isinstance(node, Scalar) or node.value is None:
            message = "a key must be a single text"
            hint = "quotes around it?" if not isinstance(node, Scalar) else ""
            self._faults.add(node.mark.fault(message, hint))
            frame.bad_key = True
            return
        first = frame.entries.get(node.text)
        if first is not None:
            message = f"{quoted(node.text)} is given twice"
            hint = "delete one, or rename it"
            if node.text == "<<":
                hint = "merging is not part of YAML 1.2"
            self._faults.add(node.mark.fault(message, hint, (f"first: {first.key.mark}",)))
            frame.bad_key = True
            return
        frame.key = node


def _value(text: str) -> str | bool | None:
    if text in ("", "~", "null"):
        return None
    if text in ("true", "false"):
        return text == "true"
    return text


def plain(node: Node) -> Plain:
    """The values alone, for validation."""
    match node:
        case Scalar():
            return node.value
        case Listing():
            return [plain(item) for item in node.items]
        case Mapping():
            return {key: plain(entry.value) for key, entry in node.entries.items()}
