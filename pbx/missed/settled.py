"""Callbacks that the engine need not make any more, as the log knows: the missed call is closed.

House rules: only what somebody did closes a callback (a talk, a person's word), never that a
missed call is not there: the log may be behind.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Engine, and_, exists, func, or_, select

from pbx.journal.database import told_as_ours
from pbx.journal.tables import callback_tasks, calls, missed
from pbx.missed.rules import SPAM, How

WITHDRAWN = "withdrawn"
GOT_THROUGH = "got_through"


def settled_callbacks(engine: Engine) -> Mapping[str, str]:
    """Open callbacks of which the missed call was closed since they were asked for, and the result
    that closes them.

    A person's closing holds for the number that the client wants to be called at and for the one
    that they had called from; spam for every automatic callback to the number until somebody has
    talked with it.  Raises JournalError.
    """
    task = callback_tasks.c
    same_number = missed.c.number == task.number
    by_hand = missed.c.closed_how == How.HAND.value
    closed_since = missed.c.closed_at >= task.opened_at
    spam = and_(task.missed, by_hand, func.lower(func.trim(missed.c.reason)) == SPAM)
    # Whether somebody has talked since: then what is missed opens a task again.  For that the log
    # has to know the call's end.
    later = missed.alias()
    another = exists().where(
        later.c.number == missed.c.number, later.c.opened_at > missed.c.closed_at
    )
    told = calls.c.ended_at.is_not(None)
    query = (
        select(task.callback_id, missed.c.closed_how)
        .join(calls, calls.c.call_id == task.call_id, isouter=True)
        .join(missed, missed.c.number.in_([task.number, calls.c.number]))
        .where(
            task.closed_at.is_(None),
            missed.c.closed_at.is_not(None),
            or_(
                and_(closed_since, by_hand),
                and_(closed_since, same_number),
                and_(same_number, spam, told, ~another),
            ),
        )
    )
    with told_as_ours(engine), engine.connect() as connection:
        return {
            callback_id: WITHDRAWN if how == How.HAND else GOT_THROUGH
            for callback_id, how in connection.execute(query)
        }
