"""A call of numbered steps: what is lost, doubled or out of order shows."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import text

from pbx.journal.database import open_for_reading
from pbx.journal.port import MenuStep, Stamped
from routing.values import CallId
from tests.world import START

BEGAN = datetime.fromtimestamp(START, UTC)
CALL = CallId("c")


def step(n: int) -> Stamped:
    """Step ``n``; all at the same time, so that only their own order is left."""
    return Stamped(BEGAN, MenuStep(CALL, f"n{n}", "menu", "1", "key 1 → x"))


def steps_in(url: str) -> list[int]:
    """The steps in the log, in its order."""
    engine = open_for_reading(url)
    try:
        with engine.connect() as connection:
            rows = connection.execute(text("select node from steps order by at, step_id")).all()
    finally:
        engine.dispose()
    return [int(row[0].removeprefix("n")) for row in rows]


def path_in(url: str) -> str:
    """The call's way through the menus, as the log has it."""
    engine = open_for_reading(url)
    try:
        with engine.connect() as connection:
            return str(connection.execute(text("select menu_path from calls")).scalar_one())
    finally:
        engine.dispose()
