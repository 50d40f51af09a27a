"""Stage events from a CSV file: all of it or nothing, each mistake with its line and column."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from pbx.errors import FunnelError
from pbx.funnel.book import key_of
from pbx.funnel.stages import StageEvent
from pbx.numbers import normalise

COLUMNS = ("stage", "number", "deal", "at", "manager", "source", "call", "key")
"""``stage``, ``at``, and ``number`` or ``deal`` are needed; the others may be missing."""
MAX_BYTES = 50_000_000
MOST_FAULTS = 100
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Fault:
    """``line``: of the file, 1 is the header.  ``column``: its name, "" for the whole line."""

    line: int
    column: str
    message: str
    hint: str = ""


class ImportRefused(FunnelError):
    """The file has mistakes; nothing was taken."""

    def __init__(self, name: str, faults: Sequence[Fault], more: int) -> None:
        self.faults = tuple(faults)
        lines = [
            f"{name}:{one.line}:{one.column or '-'}: {one.message}"
            + (f" ({one.hint})" if one.hint else "")
            for one in faults
        ]
        if more:
            lines.append(f"and {more} more")
        lines.append("nothing was taken")
        super().__init__("\n".join(lines))


@dataclass(frozen=True, slots=True)
class Rules:
    """What a file is read with: the plan's stages, managers, country, time zone."""

    stages: Collection[str]
    managers: Collection[str]
    region: str
    zone: tzinfo


def read_events(name: str, data: bytes, rules: Rules, now: datetime) -> list[StageEvent]:
    """The events of a file.  Raises ImportRefused with all mistakes, a hundred of them shown."""
    reader = _Reader(rules, now)
    events = reader.read(data)
    if reader.faults:
        raise ImportRefused(
            name, reader.faults[:MOST_FAULTS], max(0, len(reader.faults) - MOST_FAULTS)
        )
    return events


class _Reader:
    def __init__(self, rules: Rules, now: datetime) -> None:
        self._rules = rules
        self._now = now
        self._keys: dict[str, int] = {}
        self.faults: list[Fault] = []

    def read(self, data: bytes) -> list[StageEvent]:
        if len(data) > MAX_BYTES:
            self._wrong(1, "", f"the file is larger than {MAX_BYTES // 1_000_000} MB", "split it")
            return []
        try:
            content = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            self._wrong(line, "", "this is not UTF-8", "save the file as CSV UTF-8")
            return []
        first = content.partition("\n")[0]
        sign = max(",;\t", key=first.count)
        rows = csv.reader(io.StringIO(content, newline=""), delimiter=sign, strict=True)
        events: list[StageEvent] = []
        try:
            header = [one.strip().casefold() for one in next(rows, [])]
            if not self._header_fits(header):
                return []
            begins = rows.line_num + 1
            for row in rows:
                if any(cell.strip() for cell in row):
                    event = self._event(begins, header, row)
                    if event is not None:
                        events.append(event)
                begins = rows.line_num + 1
        except csv.Error as error:
            self._wrong(rows.line_num, "", f"this is not CSV: {error}")
        return events

    def _header_fits(self, header: Sequence[str]) -> bool:
        known = ", ".join(COLUMNS)
        for column in header:
            if column not in COLUMNS:
                self._wrong(1, column, f"no such column: {column!r}", f"columns are {known}")
            elif header.count(column) > 1:
                self._wrong(1, column, "this column is there twice")
        for column in ("stage", "at"):
            if column not in header:
                self._wrong(1, column, "this column is missing", f"columns are {known}")
        if not {"number", "deal"} & set(header):
            self._wrong(1, "number", "neither number nor deal is there")
        return not self.faults

    def _event(self, line: int, header: Sequence[str], row: Sequence[str]) -> StageEvent | None:
        before = len(self.faults)
        if len(row) != len(header):
            self._wrong(line, "", f"{len(row)} cells, the header has {len(header)}")
            return None
        cells = dict(zip(header, (cell.strip() for cell in row), strict=True))
        for column, cell in cells.items():
            if len(cell) > _LONGEST:
                self._wrong(line, column, f"more than {_LONGEST} characters")
        stage, manager = cells["stage"], cells.get("manager", "")
        if stage not in self._rules.stages:
            known = ", ".join(self._rules.stages)
            self._wrong(line, "stage", f"no stage {stage!r}", f"stages are {known}")
        if manager and manager not in self._rules.managers:
            self._wrong(line, "manager", f"the plan has no manager {manager!r}")
        number, subject = self._subject(line, cells)
        at = self._time(line, cells["at"])
        if len(self.faults) > before or at is None:
            return None
        key = cells.get("key") or key_of(stage, subject, at, manager)
        if key in self._keys:
            self._wrong(
                line, "key", "this event is in the file twice", f"first in line {self._keys[key]}"
            )
            return None
        self._keys[key] = line
        return StageEvent(
            key=key,
            stage=stage,
            subject=subject,
            at=at,
            number=number,
            agent=manager,
            source=cells.get("source", ""),
            call_id=cells.get("call", ""),
            via="csv",
        )

    def _subject(self, line: int, cells: Mapping[str, str]) -> tuple[str, str]:
        """Number and subject."""
        written, deal = cells.get("number", ""), cells.get("deal", "")
        number = ""
        if written:
            found = normalise(written, self._rules.region)
            number = found.e164
            if not number:
                self._wrong(line, "number", f"{written!r} is no telephone number")
        if not written and not deal:
            self._wrong(line, "number", "neither a number nor a deal")
        return number, f"deal:{deal}" if deal else number

    def _time(self, line: int, written: str) -> datetime | None:
        try:
            at = datetime.fromisoformat(written)
        except ValueError:
            hint = "2026-11-23 14:05, or with a zone: 2026-11-23T14:05:00+03:00"
            self._wrong(line, "at", f"{written!r} is no time", hint)
            return None
        try:
            at = at if at.tzinfo is not None else at.replace(tzinfo=self._rules.zone)
            at = at.astimezone(UTC)
        except (OverflowError, ValueError):
            self._wrong(line, "at", f"{written!r} is no time of ours")
            return None
        if at > self._now:
            self._wrong(line, "at", f"{written!r} is in the future")
            return None
        return at

    def _wrong(self, line: int, column: str, message: str, hint: str = "") -> None:
        self.faults.append(Fault(line, column, message, hint))
