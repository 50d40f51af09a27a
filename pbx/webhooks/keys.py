"""Reads the keys of one target in the file of targets; what is wrong is told at its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from pbx.plan.faults import did_you_mean, known_names, quoted
from pbx.plan.source import Entry, Faults, Listing, Mapping, Node, Scalar
from pbx.webhooks.kinds import EventKind
from pbx.webhooks.target import LINKED

T = TypeVar("T")


class Keys:
    """A target's keys; what is wrong goes to ``faults``.  ``folder``: of the file."""

    def __init__(self, entry: Entry, values: Mapping, faults: Faults, folder: Path) -> None:
        self._entry = entry
        self._values = values.entries
        self._faults = faults
        self._folder = folder

    def __contains__(self, key: str) -> bool:
        return key in self._values

    @property
    def name(self) -> str:
        """The target's."""
        return self._entry.key.text

    def only(self, known: tuple[str, ...]) -> None:
        """No other keys than these."""
        for key, entry in self._values.items():
            if key not in known:
                hint = did_you_mean(key, known)
                self._wrong(entry.key, f"unknown key {quoted(key)}", hint, known_names(known))

    def given(self, key: str, read: Callable[[str], T]) -> T | None:
        """``read`` of a text that must be there; a ValueError of it is a mistake at its place."""
        entry = self._values.get(key)
        if entry is None:
            self._wrong(self._entry.key, f"{key} is missing")
            return None
        if not isinstance(entry.value, Scalar) or not entry.value.text:
            self._wrong(entry.value, f"{key}: expected a text")
            return None
        try:
            return read(entry.value.text)
        except ValueError as error:
            self._wrong(entry.value, f"{key}: {error}")
            return None

    def content(self, text: str) -> str:
        """What the file ``text`` holds, beside the file of targets or at an absolute path.

        Raises ValueError.
        """
        try:
            return (self._folder / text).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise ValueError("can't be read") from None

    def events(self, known: frozenset[EventKind]) -> frozenset[EventKind]:
        """Those that it is told, of ``known``."""
        entry = self._values.get("events")
        if entry is None:
            self._wrong(self._entry.key, "events are missing", "a list of events, or all")
            return frozenset()
        value = entry.value
        if isinstance(value, Scalar) and value.text == "all":
            return known
        if not isinstance(value, Listing) or not value.items:
            self._wrong(value, "expected a list of events, or all")
            return frozenset()
        found = set()
        for item in value.items:
            text = item.text if isinstance(item, Scalar) else ""
            if text in known:
                found.add(EventKind(text))
            else:
                hint = did_you_mean(text, known)
                self._wrong(item, f"unknown event {quoted(text)}", hint, known_names(known))
        return frozenset(found)

    def texts(self, key: str, read: Callable[[str], T]) -> tuple[T, ...]:
        """``read`` of each in a list that must be there, or of a single text."""
        entry = self._values.get(key)
        if entry is None:
            self._wrong(self._entry.key, f"{key} is missing")
            return ()
        return tuple(self._each(key, entry.value, read))

    def by_name(self, key: str, read: Callable[[str], T]) -> dict[str, tuple[T, ...]]:
        """For each name below ``key`` ``read`` of a list, or of a single text."""
        entry = self._values.get(key)
        if entry is None:
            return {}
        if not isinstance(entry.value, Mapping):
            self._wrong(entry.value, f"{key}: expected a list for each name")
            return {}
        return {
            name: tuple(self._each(key, one.value, read))
            for name, one in entry.value.entries.items()
        }

    def _each(self, key: str, value: Node, read: Callable[[str], T]) -> Iterable[T]:
        items = value.items if isinstance(value, Listing) else (value,)
        if not items:
            self._wrong(value, f"{key}: expected one at least")
        for item in items:
            try:
                if not isinstance(item, Scalar):
                    raise ValueError("expected a text")
                yield read(item.text)
            except ValueError as error:
                self._wrong(item, f"{key}: {error}")

    def link(self) -> str:
        """Where a recording can be heard; "" for none."""
        entry = self._values.get("link")
        if entry is None:
            return ""
        text = entry.value.text if isinstance(entry.value, Scalar) else ""
        unknown = sorted(set(re.findall(r"\{([^}]*)\}", text)) - set(LINKED))
        if unknown:
            self._wrong(entry.value, f"unknown name {{{unknown[0]}}}", "", known_names(LINKED))
        if not text.startswith(("https://", "http://")) or not text.isprintable():
            self._wrong(entry.value, "expected an address: https://...")
        return text

    def text(self, key: str, default: str, among: tuple[str, ...]) -> str:
        """One of a few words."""
        entry = self._values.get(key)
        if entry is None:
            return default
        text = entry.value.text if isinstance(entry.value, Scalar) else ""
        if text not in among:
            self._wrong(entry.value, f"{key}: expected {' or '.join(among)}")
        return text

    def number(self, key: str, default: int, least: int, most: int) -> int:
        """A number between two, both allowed."""
        entry = self._values.get(key)
        if entry is None:
            return default
        text = entry.value.text if isinstance(entry.value, Scalar) else ""
        if not re.fullmatch("[0-9]{1,9}", text) or not least <= int(text) <= most:
            self._wrong(entry.value, f"{key}: expected a number from {least} to {most}")
            return default
        return int(text)

    def _wrong(self, node: Node, message: str, hint: str = "", notes: tuple[str, ...] = ()) -> None:
        self._faults.add(node.mark.fault(message, hint, notes))
