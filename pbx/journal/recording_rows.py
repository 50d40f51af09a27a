"""Recordings' rows."""

from __future__ import annotations

from datetime import datetime, timedelta

from pbx.journal import port
from pbx.journal.change import Added, Change, Changed, Value, added, text
from pbx.journal.tables import recordings, steps
from pbx.plan.model import KEEP_S
from routing.values import CallId, LegId


def started(entry: port.RecordingStarted, at: datetime) -> Change:
    """The talk is being recorded."""
    return _recording(entry.leg_id, entry.call_id, entry.path, at, entry.keep_until)


def held(entry: port.RecordingHeld, entry_id: str, at: datetime) -> Change:
    """The manager stopped or resumed it."""
    return added(
        steps,
        step_id=entry_id,
        call_id=entry.call_id,
        at=at,
        node=entry.leg_id,
        kind="recording",
        digits=None,
        detail="paused" if entry.paused else "resumed",
    )


def kept(entry: port.RecordingKept, at: datetime) -> list[Change]:
    """The file is there; who noted its beginning may have been killed before."""
    began = at - timedelta(seconds=entry.length_s)
    until = began + timedelta(seconds=KEEP_S)
    finished: dict[str, Value] = {"length_s": entry.length_s, "problem": None}
    return [
        _recording(entry.leg_id, None, entry.path, began, until),
        Changed(recordings, "leg_id", entry.leg_id, finished),
    ]


def failed(entry: port.RecordingFailed) -> Change:
    """There is none."""
    return Changed(recordings, "leg_id", entry.leg_id, {"problem": text(entry.problem)})


def _recording(
    leg_id: LegId, call_id: CallId | None, path: str, at: datetime, until: datetime
) -> Added:
    return added(
        recordings,
        leg_id=leg_id,
        call_id=call_id,
        path=path,
        started_at=at,
        length_s=None,
        problem=None,
        keep_until=until,
        removed_at=None,
    )
