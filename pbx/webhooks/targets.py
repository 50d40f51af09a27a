"""The file of webhooks' targets, for who runs the engine; a plan never holds any of this.

::

    targets:
      crm:
        url: https://crm.example.org/voronka
        secret_file: /etc/voronka/crm.secret
        events: [call.started, call.answered, call.ended, voicemail.left]
        audio_kb: 2000
        link: https://pbx.example.org/recordings/{path}
      office:
        smtp: mail.example.org:587
        user: pbx
        password_file: /etc/voronka/mail.password
        from: pbx@example.org
        to: office@example.org
        events: [voicemail.left]
"""

from __future__ import annotations

import base64
import re
from pathlib import Path

from pbx.errors import SettingsError
from pbx.plan.faults import Fault, PlanError, quoted
from pbx.plan.source import MAX_BYTES, Entry, Faults, Mapping, Node, NodeBudget, read_text
from pbx.webhooks.audio import MAX_AUDIO_KB
from pbx.webhooks.keys import Keys
from pbx.webhooks.kinds import ALL_KINDS
from pbx.webhooks.mail_target import MailTarget, read_mail_target
from pbx.webhooks.target import Target, check_url

MIN_SIGNING_SECRET = 24
"""Shortest secret for signing, bytes: what Standard Webhooks asks for."""
MAX_TARGETS = 20
RESERVED = "missed"
"""Name of the target that is set otherwise."""
_KEYS = ("url", "secret_file", "events", "allow_http", "at_once", "audio_kb", "link")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


def read_targets(path: Path, audio_dir: Path) -> tuple[Target | MailTarget, ...]:
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
            found.append(_target(entry, faults, path.parent, audio_dir))
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


def _target(
    entry: Entry, faults: Faults, folder: Path, audio_dir: Path
) -> Target | MailTarget | None:
    """None where something is wrong."""
    before = len(faults)
    name, value = entry.key, entry.value
    if not _NAME.fullmatch(name.text) or name.text == RESERVED:
        hint = f"a to z, 0 to 9, - and _; not {RESERVED}"
        faults.add(name.mark.fault(f"{quoted(name.text)} can't be a target's name", hint))
    if not isinstance(value, Mapping):
        faults.add(name.mark.fault(f"target {quoted(name.text)}: expected keys and values"))
        return None
    keys = Keys(entry, value, faults, folder)
    read = read_mail_target if "smtp" in keys else _url_target
    found = read(keys, audio_dir)
    return found if len(faults) == before else None


def _url_target(keys: Keys, audio_dir: Path) -> Target | None:
    keys.only(_KEYS)
    http = keys.text("allow_http", "false", ("true", "false")) == "true"
    url = keys.given("url", lambda text: check_url(text, allow_http=http))
    secret = keys.given("secret_file", lambda text: signing_key(keys.content(text)))
    events = keys.events(ALL_KINDS)
    at_once = keys.number("at_once", 4, 1, 32)
    audio_kb = keys.number("audio_kb", 0, 0, MAX_AUDIO_KB)
    link = keys.link()
    if url is None or secret is None:
        return None
    return Target(url, secret, keys.name, events, at_once, audio_kb * 1024, audio_dir, link)
