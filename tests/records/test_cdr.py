"""Asterisk's own records: read whole, once, and never a reason to fail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pbx.records import cdr
from pbx.records.absence import CdrFile
from pbx.records.cdr import KnownCall, OpenLeg
from routing import facts
from routing.values import AgentId, CallId, LegId, Outcome

START = 1_795_490_000.0


def line(
    unique_id: str = "1.1",
    *,
    began: float = 0.0,
    answered: float | None = None,
    ended: float = 10.0,
    context: str = "voronka-call",
    channel: str = "PJSIP/trunk-00000001",
    far: str = "",
    name: str = "Мария",
) -> str:
    picked_up = START + answered if answered is not None else 0.0
    fields = (
        unique_id,
        "1.1",
        f"{START + began:.6f}",
        f"{picked_up:.6f}",
        f"{START + ended:.6f}",
        "ANSWERED",
        "+79161234567",
        f'"""{name}"" <+79161234567>"',
        "78005553535",
        context,
        channel,
        far,
    )
    return ",".join(one if one.startswith('"') else f'"{one}"' for one in fields)


def record(text: str) -> cdr.Record:
    found = cdr.parse(text)
    assert found is not None
    return found


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(START, UTC) + timedelta(seconds=seconds)


def test_a_record_is_read_with_its_name_in_cyrillic() -> None:
    read = record(line(answered=2.0, far="PJSIP/anna-00000002"))
    assert (read.name, read.number, read.dialled) == ("Мария", "+79161234567", "78005553535")
    assert (read.started, read.answered, read.ended) == (at(0), at(2), at(10))


@given(st.text())
def test_no_line_raises(text: str) -> None:
    cdr.parse(text)


@given(st.lists(st.text(max_size=20), min_size=12, max_size=12))
def test_no_fields_raise(fields: list[str]) -> None:
    cdr.parse(",".join('"' + one.replace('"', '""') + '"' for one in fields))


def test_a_caller_nobody_talked_with_waited_in_vain() -> None:
    (call,) = cdr.calls_of([record(line())])
    known = KnownCall(legs=(), waited_s=4.0, talked_s=0.0, left_message=False)
    (ended,) = cdr.completed(call, known, {}, lambda _: None, None)
    assert ended.entry.outcome is Outcome.ABANDONED_WAITING  # type: ignore[union-attr]
    assert ended.entry.cause == cdr.CAUSE  # type: ignore[union-attr]


def test_the_leg_that_was_rung_has_the_talk_that_was_recorded() -> None:
    records = [
        record(line(answered=3.0, far="PJSIP/anna-00000002")),
        record(line("voronka-e-1", context="voronka-leg", channel="PJSIP/anna-00000002")),
    ]
    (call,) = cdr.calls_of(records)
    leg = OpenLeg(LegId("e-1"), AgentId("anna"), at(1))
    known = KnownCall(legs=(leg,), waited_s=3.0, talked_s=0.0, left_message=False)
    entries = [
        one.entry
        for one in cdr.completed(call, known, cdr.leg_channels(records), lambda _: None, None)
    ]
    joined, finished, ended = entries
    assert isinstance(joined, facts.LegJoined)
    assert isinstance(finished, facts.LegFinished)
    assert (finished.ring_s, finished.talk_s) == (2.0, 7.0)
    assert (ended.outcome, ended.talk_s) == (Outcome.ANSWERED, 7.0)  # type: ignore[union-attr]


def test_what_asterisk_did_not_tell_of_a_caller_is_no_caller() -> None:
    assert cdr.calls_of([record(line(context="voronka-leg"))]) == []


def test_a_file_that_comes_later_is_read_from_its_beginning_after_a_kill(tmp_path: Path) -> None:
    path, mark = tmp_path / "voronka.csv", tmp_path / "mark"
    CdrFile(path, mark).begin_at_end()
    path.write_text("one\n")
    again = CdrFile(path, mark)
    again.begin_at_end()
    assert again.read() == ([b"one\n"], 0)


def test_what_was_there_before_us_is_not_read(tmp_path: Path) -> None:
    path, mark = tmp_path / "voronka.csv", tmp_path / "mark"
    path.write_text("old\n")
    file = CdrFile(path, mark)
    file.begin_at_end()
    with path.open("a") as more:
        more.write("new\nhalf a li")
    lines, place = file.read()
    assert lines == [b"new\n"]
    file.done(place + len(lines[0]))
    assert CdrFile(path, mark).read() == ([], 8)


def test_a_rotated_file_is_read_from_its_beginning(tmp_path: Path) -> None:
    path, mark = tmp_path / "voronka.csv", tmp_path / "mark"
    path.write_text("old\n")
    file = CdrFile(path, mark)
    file.begin_at_end()
    path.rename(tmp_path / "voronka.csv.1")
    path.write_text("new\n")
    assert file.read() == ([b"new\n"], 0)


def test_each_call_is_a_call_of_its_own() -> None:
    calls = cdr.calls_of([record(line("1.1")), record(line("1.2")), record(line("1.1", began=5.0))])
    assert sorted(one.call_id for one in calls) == [CallId("1.1"), CallId("1.2")]
