"""Reads what a CRM answers.  Pure; it may be anything, and what is good of it holds."""

from __future__ import annotations

import orjson

from pbx.lookup.port import Failed, Known, Result, Said

LONGEST = 16 * 1024
"""Longest answer that is read, bytes."""
_NO_CONTENT = 204
_LONGEST_TEXT = 200
"""Characters of a text that are looked at."""


def read_answer(status: int, body: bytes) -> Said:
    """An answer that is there as a whole, or longer than LONGEST."""
    if status == _NO_CONTENT:
        return Known()
    if not 200 <= status < 300:
        return _broken(f"status {status}")
    if len(body) > LONGEST:
        return _broken(f"longer than {LONGEST // 1024} KB")
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _broken("the answer is not JSON")
    if not isinstance(content, dict):
        return _broken("the answer is no JSON object")
    ignored: list[str] = []

    def text(key: str) -> str:
        value = content.get(key)
        if value is None or isinstance(value, str):
            return (value or "")[:_LONGEST_TEXT]
        ignored.append(f"{key}: expected a text")
        return ""

    vip = content.get("vip")
    if vip is not None and not isinstance(vip, bool):
        ignored.append("vip: expected true or false")
        vip = False
    manager, name, language = text("manager"), text("name"), text("language")
    return Known(manager, bool(vip), name, language, tuple(ignored))


def _broken(why: str) -> Failed:
    return Failed(Result.BROKEN, why)
