"""Completes the log with the calls of the time when no engine saw them.

Reads Asterisk's own records as they are appended, asks the log what it knows of each call, and
writes what was missing through the journal, like any other entry.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, func, select

from pbx.ami.wav import wav_seconds
from pbx.engine.devices import DeviceMap
from pbx.journal import tables
from pbx.journal.port import Stamped
from pbx.plan.model import Plan
from pbx.records import cdr
from pbx.records.cdr import KnownCall, OpenLeg, Record, RecordedCall
from pbx.switch.port import UNSEEN
from routing.values import AgentId, CallId, LegId, Outcome, Seconds

_log = structlog.get_logger(__name__)

EVERY_S = 5.0
"""How often the file is looked at, seconds."""
SETTLED_S = 15.0
"""A call that ended less than this ago may still be on its way into the log, seconds."""
CHUNK = 500
"""Calls asked for in one question to the log."""
MAX_CHANNELS = 10_000
"""Legs' channels remembered: their records may stand long before their caller's."""
_NOT_THERE = "none"
"""In the place of the identity of a file that was not there."""
MAX_READ = 1_000_000
"""Bytes read at once, some 4,000 calls': a month's file does not fill the memory."""


class CdrFile:
    """Asterisk's file, read from where we stopped; ``mark`` keeps the place over restarts."""

    def __init__(self, path: Path, mark: Path) -> None:
        self._path = path
        self._mark = mark

    def read(self) -> tuple[list[bytes], int]:
        """New whole lines, and the place where they begin.  Raises OSError."""
        begin = self._begin()
        with self._path.open("rb") as file:
            file.seek(begin)
            data = file.read(MAX_READ)
        return data[: data.rfind(b"\n") + 1].splitlines(keepends=True), begin

    def done(self, place: int) -> None:
        """Everything before ``place`` is dealt with.  Raises OSError."""
        temporary = self._mark.with_suffix(".new")
        temporary.write_text(f"{self._identity()} {place}\n")
        temporary.replace(self._mark)

    def begin_at_end(self) -> None:
        """The first time: what was before us is not ours.  Raises OSError.

        A file that is not there yet (Asterisk creates it with its first record) is ours from its
        beginning, also when we are killed before we have seen it.
        """
        if self._mark.exists():
            return
        try:
            size = self._path.stat().st_size
        except FileNotFoundError:
            self._mark.write_text(f"{_NOT_THERE} 0\n")
            return
        self.done(size)

    def _begin(self) -> int:
        size = self._path.stat().st_size
        try:
            identity, _, place = self._mark.read_text().strip().rpartition(" ")
            begin = int(place)
        except (OSError, ValueError):
            return 0
        # Rotated: another file, or the same one emptied.
        return begin if identity == self._identity() and begin <= size else 0

    def _identity(self) -> str:
        state = os.stat(self._path)
        return f"{state.st_dev}:{state.st_ino}"


class Absence:
    """Looks at the file now and then, for as long as the engine leads."""

    def __init__(
        self,
        file: CdrFile,
        engine: Engine,
        plan: Plan,
        *,
        write: Callable[[Stamped], None],
        settled: Callable[[], bool],
        live: Callable[[], Collection[CallId]],
        messages: Path,
        now: Callable[[], datetime],
    ) -> None:
        self._file = file
        self._engine = engine
        self._plan = plan
        self._write = write
        self._settled = settled
        self._live = live
        self._messages = messages
        self._now = now
        self._devices = DeviceMap(plan.routing)
        self._channels: dict[str, LegId] = {}
        self._told = False
        self.completed = 0

    def replace_plan(self, plan: Plan) -> None:
        """Another plan is in force: it says whose a phone is."""
        self._plan, self._devices = plan, DeviceMap(plan.routing)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.look()
            except OSError as error:
                if not self._told:
                    self._told = True
                    _log.warning("switch_records_unreadable", reason=str(error))
            except Exception:
                _log.exception("switch_records_failed")
            await asyncio.sleep(EVERY_S)

    async def look(self) -> int:
        """Take in what is new; how many calls were completed.  Raises OSError."""
        if not self._settled():
            return 0  # what is on its way into the log would be taken for missing
        entries, place = await asyncio.to_thread(self._missing, frozenset(self._live()))
        for stamped in entries:
            self._write(stamped)
        if place is not None:
            await asyncio.to_thread(self._file.done, place)
        count = len({getattr(one.entry, "call_id", None) for one in entries})
        if count:
            self.completed += count
            _log.warning("calls_completed_from_switch_records", calls=count)
        return count

    def _missing(self, live: Collection[CallId]) -> tuple[list[Stamped], int | None]:
        lines, place = self._file.read()
        now = self._now()
        records: list[Record] = []
        taken = 0
        for line in lines:
            record = cdr.parse(line.decode(errors="replace"))
            if record is not None:
                if 0 <= (now - record.ended).total_seconds() < SETTLED_S:
                    break  # this one and what follows: the next time
                records.append(record)
            taken += len(line)
        if not taken:
            return [], None
        self._channels |= cdr.leg_channels(records)
        while len(self._channels) > MAX_CHANNELS:
            del self._channels[next(iter(self._channels))]
        calls = [one for one in cdr.calls_of(records) if one.call_id not in live]
        entries: list[Stamped] = []
        with self._engine.connect() as connection:
            for first in range(0, len(calls), CHUNK):
                entries += self._entries(connection, calls[first : first + CHUNK])
        return entries, place + taken

    def _entries(self, connection: Connection, calls: Sequence[RecordedCall]) -> list[Stamped]:
        table = tables.calls
        rows = connection.execute(
            select(
                table.c.call_id, table.c.cause, table.c.wait_s, table.c.talk_s, table.c.outcome
            ).where(table.c.call_id.in_([one.call_id for one in calls]))
        ).all()
        in_log = {row.call_id: row for row in rows}
        entries: list[Stamped] = []
        for call in calls:
            row = in_log.get(call.call_id)
            if row is None:
                message_s = self._message(call.call_id)
                entries += cdr.unseen(call, self._plan, self._who, message_s)
            elif (row.cause or "").endswith(UNSEEN):
                known = self._known(connection, row)
                message_s = self._message(call.call_id)
                entries += cdr.completed(call, known, self._channels, self._who, message_s)
        return entries

    def _known(self, connection: Connection, row: Any) -> KnownCall:
        legs = connection.execute(
            select(tables.legs).where(tables.legs.c.call_id == row.call_id)
        ).all()
        messages = connection.execute(
            select(func.count())
            .select_from(tables.messages)
            .where(tables.messages.c.call_id == row.call_id)
        ).scalar_one()
        return KnownCall(
            legs=tuple(
                OpenLeg(LegId(leg.leg_id), AgentId(leg.agent), leg.started_at)
                for leg in legs
                if leg.kind == tables.LegKind.DEVICE and (leg.cause or "").endswith(UNSEEN)
            ),
            waited_s=row.wait_s or 0.0,
            talked_s=row.talk_s or 0.0,
            left_message=bool(messages),
            outcome=Outcome(row.outcome) if row.outcome else Outcome.FAILED,
        )

    def _who(self, address: str) -> AgentId | None:
        return next(iter(self._devices.agents_at(address)), None)

    def _message(self, call_id: CallId) -> Seconds | None:
        """Of the message that Asterisk took without us; None where there is none."""
        path = self._messages / f"alone-{Path(call_id).name}.wav"
        length_s = wav_seconds(path)
        return length_s if length_s > 0 else None
