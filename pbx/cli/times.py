"""Times as people write and read them."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, tzinfo

_AGO = re.compile(r"(\d{1,6})\s*([smhdw])")
YEARS = range(2000, 2100)
"""What is asked for lies within them: no database and no clock has to know others."""
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
FORMS = "today, yesterday, 2h (s, m, h, d, w), 2026-11-23 or 2026-11-23T09:30"


def moment(text: str, *, now: datetime, zone: tzinfo | None, end_of_day: bool) -> datetime:
    """When ``text`` means.  ``zone`` None: this machine's.

    A day means its beginning, or with ``end_of_day`` the beginning of the day after.  Raises
    ValueError.
    """
    try:
        found = _moment(text, now=now, zone=zone, end_of_day=end_of_day)
    except OverflowError:
        found = None
    if found is None or found.year not in YEARS:
        raise ValueError(f"{text!r} is too far away: years {YEARS[0]} to {YEARS[-1]}")
    return found


def _moment(text: str, *, now: datetime, zone: tzinfo | None, end_of_day: bool) -> datetime:
    words = text.strip().casefold()
    today = in_zone(now, zone).date()
    if words == "now":
        return now
    if match := _AGO.fullmatch(words):
        return now - timedelta(**{_UNITS[match[2]]: int(match[1])})
    if words == "today":
        return _day(today, zone, end_of_day)
    if words == "yesterday":
        return _day(today - timedelta(days=1), zone, end_of_day)
    try:
        return _day(date.fromisoformat(words), zone, end_of_day)
    except ValueError:
        pass
    try:
        given = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is not a time: {FORMS}") from None
    return given if given.tzinfo is not None else _placed(given, zone)


def in_zone(at: datetime, zone: tzinfo | None) -> datetime:
    """``at`` as a clock in ``zone`` shows it; None: this machine's."""
    return at.astimezone(zone)


def span(seconds: float | None) -> str:
    """A duration: ``2.3 s``, ``12 s``, ``1 m 05 s``, ``1 h 02 m``; "" for None."""
    if seconds is None:
        return ""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} m"


def _day(day: date, zone: tzinfo | None, end_of_day: bool) -> datetime:
    if end_of_day:
        day += timedelta(days=1)
    return _placed(datetime.combine(day, time.min), zone)


def _placed(naive: datetime, zone: tzinfo | None) -> datetime:
    if naive.year not in YEARS:
        raise OverflowError
    return naive.astimezone() if zone is None else naive.replace(tzinfo=zone)
