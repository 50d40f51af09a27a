"""What is printed for other programs, and what makes anything safe to print."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime, tzinfo

import click
import orjson

from pbx.cli.times import in_zone
from pbx.journal.story import CallRow, LegRow

_E164 = re.compile(r"\+[0-9]{1,15}")
_COLUMNS = tuple(field.name for field in fields(CallRow) if field.name != "legs")


def shown(text: str) -> str:
    """``text`` without anything that moves a cursor, turns the writing, or hides."""
    return "".join(sign if sign.isprintable() else "�" for sign in text)


def as_json(content: object) -> str:
    """JSON of dataclasses; times in UTC.  What is not printable is written as an escape."""
    text = orjson.dumps(content, option=orjson.OPT_INDENT_2).decode()
    return "".join(sign if sign.isprintable() or sign == "\n" else _escape(sign) for sign in text)


def as_line(content: object) -> str:
    """The same in one line."""
    text = orjson.dumps(content).decode()
    return "".join(sign if sign.isprintable() else _escape(sign) for sign in text)


def told(content: object, words: str, json_wanted: bool) -> None:
    """What a command did: in words, or as JSON."""
    click.echo(as_json(content) if json_wanted else words)


def as_csv(rows: Iterable[CallRow], zone: tzinfo | None) -> str:
    """A line for each call."""
    lines = (
        (*(getattr(row, name) for name in _COLUMNS), "; ".join(leg_line(leg) for leg in row.legs))
        for row in rows
    )
    return csv_lines((*_COLUMNS, "legs"), lines, zone)


def csv_lines(header: Iterable[str], rows: Iterable[Iterable[object]], zone: tzinfo | None) -> str:
    """A header and a line for each row; no cell is ever read as a formula by a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([_cell(value, zone) for value in row])
    return out.getvalue()


def leg_line(leg: LegRow) -> str:
    """``anna 12.0 no_answer``: who rang, how long (seconds), the result."""
    who = leg.agent or leg.address
    parts = [who, f"{leg.ring_s:.1f}" if leg.ring_s is not None else "", leg.disposition or ""]
    return " ".join(part for part in parts if part)


def _cell(value: object, zone: tzinfo | None) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return in_zone(value, zone).isoformat(timespec="milliseconds")
        case float():
            return f"{value:.3f}"
    text = shown(str(value))
    # A phone number's + is harmless, and an apostrophe in it would spoil every import.
    if text[:1] in ("=", "+", "-", "@") and not _E164.fullmatch(text):
        return f"'{text}"
    return text


def _escape(sign: str) -> str:
    number = ord(sign)
    if number < 0x10000:
        return f"\\u{number:04x}"
    number -= 0x10000
    return f"\\u{0xD800 + (number >> 10):04x}\\u{0xDC00 + (number & 0x3FF):04x}"
