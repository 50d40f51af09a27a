"""Entries as lines of JSON, for the spool file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, get_args

import orjson
from pydantic import TypeAdapter, ValidationError

from pbx.journal.port import Entry, Stamped

KINDS: dict[str, type[Entry]] = {kind.__name__: kind for kind in get_args(Entry)}
"""All kinds of entries, by name."""


@dataclass(frozen=True, slots=True)
class Item:
    """An entry with its id: unique for ever, and in the order of time."""

    entry_id: str
    stamped: Stamped


def encode(item: Item) -> bytes:
    """One line, with its end."""
    entry = item.stamped.entry
    content = {
        "id": item.entry_id,
        "at": item.stamped.at,
        "kind": type(entry).__name__,
        "entry": entry,
    }
    try:
        return orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError:
        # Halves of surrogate pairs are no UTF-8: no database would take them either.
        content["entry"] = _repaired(TypeAdapter(type(entry)).dump_python(entry))
        return orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)


def decode(line: bytes) -> Item:
    """The item of a line.  Raises ValueError for anything that ``encode`` does not write."""
    try:
        content = orjson.loads(line)
        entry = _adapter(content["kind"]).validate_python(content["entry"])
        at = datetime.fromisoformat(content["at"])
        entry_id = content["id"]
    except (KeyError, TypeError, ValidationError) as error:
        raise ValueError(f"not a line of the spool: {error}") from error
    if not isinstance(entry_id, str) or at.tzinfo is None:
        raise ValueError("not a line of the spool: id or time")
    return Item(entry_id, Stamped(at, entry))


@lru_cache(maxsize=64)
def _adapter(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(KINDS[kind])


def _repaired(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "replace").decode("utf-8")
        case dict():
            return {key: _repaired(one) for key, one in value.items()}
        case list() | tuple():
            return [_repaired(one) for one in value]
        case _:
            return value
