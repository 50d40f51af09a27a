"""The file of webhooks' targets, for who runs the engine; a plan never holds any of this.

::

    targets:
      crm:
        url: https://crm.example.org/voronka
        secret_file: /etc/voronka/crm.secret
        events: [call.started, call.answered, call.ended, voicemail.left]
        audio_kb: 2000
        link: https://pbx.example.org/recordings/{path}
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pbx.errors import SettingsError
from pbx.plan.faults import Fault, PlanError, did_you_mean, known_names, quoted
from pbx.plan.source import (
    MAX_BYTES,
    Entry,
    Faults,
    Listing,
    Mapping,
    Node,
    NodeBudget,
    Scalar,
    read_text,
)
from pbx.webhooks.kinds import ALL_KINDS, EventKind
from pbx.webhooks.target import LINKED, Target, check_url

T = TypeVar("T")

MIN_SIGNING_SECRET = 24
"""Shortest secret for signing, bytes: what Standard Webhooks asks for."""
MAX_TARGETS = 20
RESERVED = ("mail", "missed")
"""Names of the targets that are set otherwise."""
MAX_AUDIO_KB = 20_000
_KEYS = ("url", "secret_file", "events", "allow_http", "at_once", "audio_kb", "link")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


def read_targets(path: Path, audio_dir: Path) -> tuple[Target, ...]:
    """The targets in the file.  Raises SettingsError with every mistake and its place."""
    faults = Faults()
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{path}: can't be read: {error.strerror or error}") from error
    root = read_text(path, data, faults, NodeBudget())
    found = []
    if root is not None:
        for entry in _targets(root, faults):
            found.append(_Reader(entry, faults, path.parent, audio_dir).target())
    elif not len(faults):
        faults.add(Fault(path, 0, 0, "the file is empty", "it holds targets:"))
    try:
        faults.stop()
    except PlanError as error:
        raise SettingsError(error.render("no webhook is sent")) from None
    return tuple(one for one in found if one is not None)


def signing_key(secret: str) -> bytes:
    """``whsec_`` and base64, as Standard Webhooks writes it; any other text is taken as it is.

    Raises ValueError in words that repeat nothing of it.
    """
    encoded = secret.removeprefix("whsec_")
    if encoded == secret:
        key = secret.encode()
    else:
        try:
            key = base64.b64decode(encoded, validate=True)
        except ValueError:
            raise ValueError("what follows whsec_ is not base64") from None
    if len(key) < MIN_SIGNING_SECRET:
        raise ValueError(f"is shorter than {MIN_SIGNING_SECRET} bytes")
    return key


def _targets(root: Node, faults: Faults) -> list[Entry]:
    entry = root.entries.get("targets") if isinstance(root, Mapping) else None
    if not isinstance(root, Mapping) or entry is None or not isinstance(entry.value, Mapping):
        faults.add(root.mark.fault("expected targets: and below it a name for each"))
        return []
    for name, other in root.entries.items():
        if name != "targets":
            faults.add(other.key.mark.fault(f"unknown key {quoted(name)}", "", ("known: targets",)))
    found = list(entry.value.entries.values())
    if len(found) > MAX_TARGETS:
        faults.add(found[MAX_TARGETS].key.mark.fault(f"more than {MAX_TARGETS} targets"))
    return found[:MAX_TARGETS]


class _Reader:
    """Reads one target; what is wrong goes to ``faults``."""

    def __init__(self, entry: Entry, faults: Faults, folder: Path, audio_dir: Path) -> None:
        self._entry = entry
        self._faults = faults
        self._folder = folder
        self._audio_dir = audio_dir
        self._values: dict[str, Entry] = {}
        self._http = False

    def target(self) -> Target | None:
        """The target; None where something is wrong."""
        before = len(self._faults)
        name, value = self._entry.key, self._entry.value
        if not _NAME.fullmatch(name.text) or name.text in RESERVED:
            hint = "a to z, 0 to 9, - and _; not " + " or ".join(RESERVED)
            self._wrong(name, f"{quoted(name.text)} can't be a target's name", hint)
        if not isinstance(value, Mapping):
            self._wrong(name, f"target {quoted(name.text)}: expected keys and values")
            return None
        self._values = value.entries
        for key, entry in value.entries.items():
            if key not in _KEYS:
                hint = did_you_mean(key, _KEYS)
                self._wrong(entry.key, f"unknown key {quoted(key)}", hint, known_names(_KEYS))
        self._http = self._text("allow_http", "false", ("true", "false")) == "true"
        url = self._given("url", lambda text: check_url(text, allow_http=self._http))
        secret = self._given("secret_file", self._secret)
        events = self._events()
        at_once = self._number("at_once", 4, 1, 32)
        audio_kb = self._number("audio_kb", 0, 0, MAX_AUDIO_KB)
        link = self._link()
        if len(self._faults) > before or url is None or secret is None:
            return None
        return Target(
            url,
            secret,
            name.text,
            events,
            at_once,
            audio_kb * 1024,
            self._audio_dir,
            link,
        )

    def _wrong(self, node: Node, message: str, hint: str = "", notes: tuple[str, ...] = ()) -> None:
        self._faults.add(node.mark.fault(message, hint, notes))

    def _given(self, key: str, read: Callable[[str], T]) -> T | None:
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

    def _secret(self, text: str) -> bytes:
        try:
            content = (self._folder / text).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise ValueError("can't be read") from None
        return signing_key(content)

    def _events(self) -> frozenset[EventKind]:
        entry = self._values.get("events")
        if entry is None:
            self._wrong(self._entry.key, "events are missing", "a list of events, or all")
            return frozenset()
        value = entry.value
        if isinstance(value, Scalar) and value.text == "all":
            return ALL_KINDS
        if not isinstance(value, Listing) or not value.items:
            self._wrong(value, "expected a list of events, or all")
            return frozenset()
        found = set()
        for item in value.items:
            text = item.text if isinstance(item, Scalar) else ""
            if text in ALL_KINDS:
                found.add(EventKind(text))
            else:
                hint = did_you_mean(text, ALL_KINDS)
                self._wrong(item, f"unknown event {quoted(text)}", hint, known_names(ALL_KINDS))
        return frozenset(found)

    def _link(self) -> str:
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

    def _text(self, key: str, default: str, among: tuple[str, ...]) -> str:
        entry = self._values.get(key)
        if entry is None:
            return default
        text = entry.value.text if isinstance(entry.value, Scalar) else ""
        if text not in among:
            self._wrong(entry.value, f"{key}: expected {' or '.join(among)}")
        return text

    def _number(self, key: str, default: int, least: int, most: int) -> int:
        entry = self._values.get(key)
        if entry is None:
            return default
        text = entry.value.text if isinstance(entry.value, Scalar) else ""
        if not re.fullmatch("[0-9]{1,9}", text) or not least <= int(text) <= most:
            self._wrong(entry.value, f"{key}: expected a number from {least} to {most}")
            return default
        return int(text)
