"""Lists in pages: each page says where the next begins, whatever comes or goes meanwhile."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import Annotated

import orjson
from fastapi import Query
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, AwareDatetime

from pbx.journal.change import text

USUAL = 100
MOST = 500
"""Rows of a page."""

Limit = Annotated[int, Query(ge=1, le=MOST, description="Rows of a page, at most.")]
Cursor = Annotated[
    str, Query(max_length=400, description="`next` of the page before; none: the first page.")
]
FIT = AfterValidator(text)
"""Of a text that a database is asked for: without what one of them would refuse."""
Word = Annotated[str, Query(max_length=200), FIT]
"""What is looked for."""
_YEARS = range(1970, 2200)


def _of_our_years(at: datetime) -> datetime:
    if at.year not in _YEARS:
        raise ValueError("is no time of ours")
    return at.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_of_our_years)]
"""A time with its zone, fit for any database."""
Place = tuple[datetime, str]
"""Of a row: its time and its id."""


def place_of(cursor: str) -> Place | None:
    """Where the page begins; None at the beginning.  Raises RequestValidationError."""
    if not cursor:
        return None
    try:
        at, row_id = orjson.loads(base64.urlsafe_b64decode(cursor.encode()))
        if not isinstance(row_id, str) or text(row_id) != row_id:
            raise ValueError("an id is a text, and fit for any database")
        return datetime.fromtimestamp(int(at) / 1_000_000, UTC), row_id
    except (ValueError, TypeError, OverflowError, OSError, binascii.Error) as error:
        wrong = {"loc": ("query", "after"), "msg": "is no cursor of ours", "type": "cursor"}
        raise RequestValidationError([wrong]) from error


def cursor_of(at: datetime, row_id: str) -> str:
    """That place, for a client to send back."""
    microseconds = round(at.timestamp() * 1_000_000)
    return base64.urlsafe_b64encode(orjson.dumps([microseconds, row_id])).decode()
