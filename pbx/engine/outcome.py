"""How a call ended, in the field's words: one decision, in one place."""

from __future__ import annotations

from pbx.engine.call import LiveCall, Stage
from routing.values import Outcome, Seconds

DEFAULT_SHORT_ABANDON_S = 5.0
"""What counts as a short abandon where no queue says it, seconds."""


def short_abandon_s(call: LiveCall) -> Seconds:
    """Who hung up before they had waited so long is told apart."""
    queue = call.plan.routing.queues.get(call.queue_id) if call.queue_id else None
    return queue.short_abandon_s if queue else DEFAULT_SHORT_ABANDON_S


def outcome_of(call: LiveCall, stage: Stage) -> Outcome:
    """The outcome of a call whose caller left at ``stage``.

    A talk outweighs all else; then what the caller left behind (a message); then where the
    caller was.  A call that we ended without either was turned away: rejected, unless the walk
    says more (``ending_as``) or it had run over from a queue or a full number.
    """
    if call.talked:
        return Outcome.ANSWERED
    if call.message_left:
        return Outcome.VOICEMAIL
    if stage in (Stage.WAITING, Stage.RINGING_AGENT, Stage.OUTSIDE):
        return Outcome.ABANDONED_WAITING
    if call.ending_as is not None:
        return call.ending_as
    if call.overflowed:
        return Outcome.OVERFLOW
    if call.hung_up_by_us:
        return Outcome.REJECTED
    return Outcome.ABANDONED_IN_MENU
