"""The file of reports that are mailed (``VORONKA_REPORTS_FILE``), for who runs the engine.

::

    server:
      smtp: mail.example.org:587
      user: pbx
      password_file: /etc/voronka/mail.password
      from: pbx@example.org
    mails:
      sales-week:
        every: monday
        at: "09:00"
        report: period=last-week&by=queue,manager&compare=1
        to: [head@example.org, owner@example.org]
        language: ru
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from urllib.parse import parse_qsl

from pbx.errors import ReportError, SettingsError
from pbx.plan.faults import Fault, PlanError, quoted
from pbx.plan.source import MAX_BYTES, Entry, Faults, Mapping, Node, NodeBudget, read_text
from pbx.reports.asked import Asked
from pbx.web.report_mail.due import Every, Schedule
from pbx.web.texts import LANGUAGES
from pbx.webhooks.keys import Keys
from pbx.webhooks.mail_target import SERVER_KEYS, Server, check_address, read_server

MOST = 50
_KEYS = ("every", "at", "report", "to", "language", "title")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_EVERY = ("day", *_DAYS, "month")
_AT = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_LONGEST_TITLE = 120


@dataclass(frozen=True, slots=True)
class ReportMail:
    """``title``: "" for that of the page."""

    name: str
    schedule: Schedule
    asked: Asked
    to: tuple[str, ...]
    language: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class ReportMails:
    """All of a file."""

    server: Server
    mails: tuple[ReportMail, ...]


def read_report_mails(path: Path) -> ReportMails:
    """What the file says.  Raises SettingsError with every mistake and its place."""
    faults = Faults()
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{path}: can't be read: {error.strerror or error}") from error
    root = read_text(path, data, faults, NodeBudget())
    server: Server | None = None
    mails: list[ReportMail | None] = []
    if root is not None:
        server, mails = _whole(root, faults, path.parent)
    elif not len(faults):
        faults.add(Fault(path, 0, 0, "the file is empty", "it holds server: and mails:"))
    try:
        faults.stop()
    except PlanError as error:
        raise SettingsError(error.render("no report is mailed")) from None
    assert server is not None, "what is missing is a fault"
    return ReportMails(server, tuple(one for one in mails if one is not None))


def _whole(
    root: Node, faults: Faults, folder: Path
) -> tuple[Server | None, list[ReportMail | None]]:
    entries = root.entries if isinstance(root, Mapping) else {}
    found: dict[str, Mapping] = {}
    for name in ("server", "mails"):
        entry = entries.get(name)
        if entry is None or not isinstance(entry.value, Mapping):
            faults.add(root.mark.fault(f"expected {name}: with keys and values below it"))
        else:
            found[name] = entry.value
    for name, other in entries.items():
        if name not in ("server", "mails"):
            known = ("known: server, mails",)
            faults.add(other.key.mark.fault(f"unknown key {quoted(name)}", "", known))
    if len(found) < 2:
        return None, []
    keys = Keys(entries["server"], found["server"], faults, folder)
    keys.only(SERVER_KEYS)
    listed = list(found["mails"].entries.values())
    if len(listed) > MOST:
        faults.add(listed[MOST].key.mark.fault(f"more than {MOST} mails"))
    return read_server(keys), [_mail(one, faults, folder) for one in listed[:MOST]]


def _mail(entry: Entry, faults: Faults, folder: Path) -> ReportMail | None:
    """None where something is wrong."""
    name, value = entry.key, entry.value
    if not _NAME.fullmatch(name.text):
        faults.add(
            name.mark.fault(f"{quoted(name.text)} can't be a name", "a to z, 0 to 9, - and _")
        )
    if not isinstance(value, Mapping):
        faults.add(name.mark.fault(f"{quoted(name.text)}: expected keys and values"))
        return None
    keys = Keys(entry, value, faults, folder)
    keys.only(_KEYS)
    every = keys.given("every", _every)
    at = keys.given("at", _at)
    asked = keys.given("report", _asked)
    to = keys.texts("to", check_address)
    language = keys.text("language", LANGUAGES[0], LANGUAGES)
    title = keys.given("title", _title) if "title" in keys else ""
    if every is None or at is None or asked is None:
        return None
    return ReportMail(name.text, Schedule(*every, at), asked, to, language, title or "")


def _every(text: str) -> tuple[Every, int]:
    if text not in _EVERY:
        raise ValueError(f"expected one of {', '.join(_EVERY)}")
    if text in _DAYS:
        return Every.WEEK, _DAYS.index(text)
    return Every(text), 0


def _at(text: str) -> time:
    found = _AT.fullmatch(text)
    if found is None:
        raise ValueError('expected a time of the day, in quotes: "09:00"')
    return time(int(found[1]), int(found[2]))


def _asked(text: str) -> Asked:
    """As in the page's address; all of it may be pasted."""
    query = text.partition("?")[2] if "?" in text else text
    try:
        asked = Asked.read(parse_qsl(query, keep_blank_values=True))
    except ReportError as error:
        raise ValueError(str(error)) from None
    if asked.untold():
        raise ValueError(f"{', '.join(asked.untold())} can't be told by these slices")
    return asked


def _title(text: str) -> str:
    if not text.isprintable() or len(text) > _LONGEST_TITLE:
        raise ValueError(f"expected one line of at most {_LONGEST_TITLE} characters")
    return text
