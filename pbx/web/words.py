"""Numbers, times and telephone numbers as people read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

import phonenumbers

NONE = "—"
_NO_BREAK = "\u00a0"
_MONTHS = {
    "ru": (
        "янв.",
        "фев.",
        "мар.",
        "апр.",
        "мая",
        "июн.",
        "июл.",
        "авг.",
        "сен.",
        "окт.",
        "ноя.",
        "дек.",
    ),
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
}


def span(seconds: float | None) -> str:
    """``0:07``, ``12:34``, ``2:03:00``."""
    if seconds is None:
        return NONE
    minutes, s = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{s:02}" if hours else f"{minutes}:{s:02}"


def phone(number: str | None) -> str:
    """``+7 916 123-45-67``; what is none is shown as it is."""
    if not number:
        return NONE
    if not number.startswith("+"):
        return number
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return number
    shown = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    return shown.replace(" ", _NO_BREAK)


_BROWSERS = (
    *(("YaBrowser/", "Yandex"), ("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox")),
    *(("Chrome/", "Chrome"), ("Safari/", "Safari")),
)
_SYSTEMS = (
    *(("Windows", "Windows"), ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad")),
    *(("Mac OS", "macOS"), ("Linux", "Linux")),
)


def browser(agent: str) -> str:
    """``Firefox, Windows``, by what a browser says of itself; "" where that is unknown."""
    found = (
        next((name for sign, name in known if sign in agent), "") for known in (_BROWSERS, _SYSTEMS)
    )
    return ", ".join(one for one in found if one)


class Words:
    """In one language, for one time zone."""

    def __init__(self, language: str, zone: tzinfo) -> None:
        self._language = language
        self._zone = zone

    def number(self, value: float | None, digits: int = 0) -> str:
        """``12 345,6`` or ``12,345.6``."""
        if value is None:
            return NONE
        text = f"{value:,.{digits}f}"
        if self._language == "ru":
            text = text.replace(",", _NO_BREAK).replace(".", ",")
        return text

    def percent(self, share: float | None, digits: int = 0) -> str:
        """``0.874`` is ``87 %``."""
        if share is None:
            return NONE
        gap = _NO_BREAK if self._language == "ru" else ""
        return f"{self.number(share * 100, digits)}{gap}%"

    def day(self, at: datetime | None) -> str:
        """``3 фев. 2026``."""
        if at is None:
            return NONE
        return self.calendar_day(at.astimezone(self._zone).date())

    def calendar_day(self, day: date) -> str:
        """The same of a day."""
        month = _MONTHS[self._language][day.month - 1]
        return _NO_BREAK.join((str(day.day), month, str(day.year)))

    def short_day(self, day: date) -> str:
        """``3 фев.``."""
        return f"{day.day}{_NO_BREAK}{_MONTHS[self._language][day.month - 1]}"

    def calendar_month(self, day: date) -> str:
        """``фев. 2026``."""
        return f"{_MONTHS[self._language][day.month - 1]}{_NO_BREAK}{day.year}"

    def clock(self, at: datetime | None) -> str:
        """``09:05``."""
        return NONE if at is None else f"{at.astimezone(self._zone):%H:%M}"

    def clock_s(self, at: datetime | None) -> str:
        """``09:05:07``."""
        return NONE if at is None else f"{at.astimezone(self._zone):%H:%M:%S}"

    def moment(self, at: datetime | None) -> str:
        """``3 фев. 2026, 09:05``."""
        return NONE if at is None else f"{self.day(at)}, {self.clock(at)}"

    def period(self, since: datetime, until: datetime) -> str:
        """``23 ноя. 2026 — 29 ноя. 2026``, days where it is made of whole ones."""
        begin, end = since.astimezone(self._zone), until.astimezone(self._zone)
        if begin.time() == end.time() == time.min and begin < end:
            first, last = begin.date(), end.date() - timedelta(days=1)
            if first == last:
                return self.calendar_day(first)
            return f"{self.calendar_day(first)} — {self.calendar_day(last)}"
        if begin.date() == end.date():
            return f"{self.day(begin)}, {self.clock(begin)} — {self.clock(end)}"
        if begin.time() == time.min:
            return f"{self.day(begin)} — {self.moment(end)}"
        return f"{self.moment(begin)} — {self.moment(end)}"

    def filters(self) -> Mapping[str, Callable[..., Any]]:
        """For templates."""
        return {
            "number": self.number,
            "percent": self.percent,
            "day": self.day,
            "clock": self.clock,
            "clock_s": self.clock_s,
            "moment": self.moment,
        }
