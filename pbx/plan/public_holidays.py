"""A country's public holidays, worked out year by year when a date is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from pbx.plan.faults import did_you_mean, quoted
from pbx.plan.written import Wrong


class PublicHolidays(Mapping[date, str]):
    """Public holidays of a country (moved days included) and further days of one's own.

    Looking up a date works for any year.  Iteration gives the further days only: the public
    ones have no end.
    """

    def __init__(self, country: str, part: str | None, days: Mapping[date, str]) -> None:
        self._country = country
        self._part = part
        self._days = dict(days)
        self._public = _calendar(country, part)

    def __getitem__(self, day: date) -> str:
        if day in self._days:
            return self._days[day]
        name = self._public.get(day)
        if name is None:
            raise KeyError(day)
        return str(name)

    def __iter__(self) -> Iterator[date]:
        return iter(self._days)

    def __len__(self) -> int:
        return len(self._days)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PublicHolidays):
            return NotImplemented
        return (self._country, self._part, self._days) == (
            other._country,
            other._part,
            other._days,
        )

    def __hash__(self) -> int:
        return hash((self._country, self._part))

    def __repr__(self) -> str:
        return f"PublicHolidays({self._country!r}, {self._part!r}, {self._days!r})"


def _calendar(country: str, part: str | None) -> Any:
    """The library's calendar; the library takes 100 ms to import, so only plans that name a
    country pay for it."""
    import holidays

    known = holidays.list_supported_countries()
    if country not in known:
        hint = did_you_mean(country.upper(), known) or "two letters: RU, KZ, DE"
        raise Wrong(f"no public holidays are known of {quoted(country)}", hint)
    if part is not None and part not in known[country]:
        raise Wrong(
            f"{quoted(country)} has no part {quoted(part)}", did_you_mean(part, known[country])
        )
    return holidays.country_holidays(country, subdiv=part)
