"""The audit log: who did what."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from pbx.web.accounts.audit import AuditFilter, known_actions, known_actors, list_notes
from pbx.web.html import page, texts_of
from pbx.web.pages.users import Admin
from pbx.web.state import State
from pbx.web.texts import Texts

router = APIRouter(prefix="/audit")

ROWS = 100


@router.get("", response_class=HTMLResponse)
async def audit(
    request: Request,
    state: State,
    principal: Admin,
    who: Annotated[str, Query(max_length=200)] = "",
    action: Annotated[str, Query(max_length=200)] = "",
    since: str = "",
    until: str = "",
    before: Annotated[str, Query(max_length=40)] = "",
) -> HTMLResponse:
    """The newest first, a page at a time."""
    first, last = day(since), day(until)
    wanted = AuditFilter(
        who=_plain(who),
        action=_plain(action),
        since=_midnight(first, state.zone) if first else None,
        until=_midnight(last + timedelta(days=1), state.zone) if last else None,
        before=_plain(before),
        limit=ROWS + 1,
    )
    rows = await state.in_thread(list_notes, state.read, wanted)
    kept: dict[str, Any] = {
        "who": wanted.who,
        "action": wanted.action,
        "since": first.isoformat() if first else "",
        "until": last.isoformat() if last else "",
    }
    t = texts_of(request)
    actions = await state.in_thread(known_actions, state.read)
    return page(
        request,
        "audit.html",
        principal,
        rows=rows[:ROWS],
        older=urlencode({**kept, "before": rows[ROWS - 1].audit_id}) if len(rows) > ROWS else "",
        newest=urlencode(kept) if before else "",
        filtered=any(kept.values()),
        **kept,
        actions=sorted(((name_of(t, one), one) for one in actions), key=lambda one: one[0]),
        name_of=lambda action: name_of(t, action),
        told=lambda details: told(t, details),
        actors=await state.in_thread(known_actors, state.read),
    )


def name_of(t: Texts, action: str) -> str:
    """An action in words; one that has none as it is."""
    key = f"audit.action.{action}"
    return t(key) if key in t.all else action


def told(t: Texts, details: Mapping[str, object]) -> str:
    """The details of a line in words; what is empty is not told."""
    lines = ((key, _value(t, key, value)) for key, value in details.items())
    return "; ".join(f"{_key(t, key)}: {words}" for key, words in lines if words)


def _key(t: Texts, name: str) -> str:
    key = f"audit.detail.{name}"
    return t(key) if key in t.all else name


def _value(t: Texts, name: str, value: object) -> str:
    match value:
        case None:
            return ""
        case str():
            key = f"nav.role.{value}"
            return t(key) if name == "role" and key in t.all else value
        case ["*"] if name == "departments":
            return t("accounts.all_departments")
        case list():
            return ", ".join(str(one) for one in value)
        case dict():
            lines = ((key, _value(t, key, one)) for key, one in value.items())
            return ", ".join(f"{_key(t, key)} {words}" for key, words in lines if words)
    return str(value)


def day(text: str) -> date | None:
    """``2026-03-02``; None: no day."""
    try:
        found = date.fromisoformat(text[:10])
    except ValueError:
        return None
    # The next midnight must be a time that a database knows.
    return found if 1970 <= found.year < 2200 else None


def _plain(text: str) -> str:
    """Without what no line holds, and PostgreSQL refuses to be asked."""
    return "".join(sign for sign in text if sign.isprintable()).strip()


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), zone)
