"""The ``callback`` key of queues."""

from __future__ import annotations

from pydantic import Field

from pbx.plan.shape import Attempts, Expiry, Flag, Name, Pause, RingTime, Shape


class CallbackRuleShape(Shape):
    """How clients are called back by themselves, each at their turn; `{}` for all defaults.
    `settings.outside` must allow their numbers.  More: docs/callback.md."""

    attempts: Attempts = Field(3, description="How often a client is called who does not answer.")
    pause: Pause = Field(600.0, description="Between two attempts.")
    ring_time: RingTime = Field(30.0, description="How long the client's phone rings.")
    hours: Name | None = Field(
        None, description="The schedule in which clients are called; default: at any time."
    )
    expires: Expiry = Field(86_400.0, description="After this nobody is called any more.")
    missed: Flag = Field(
        False, description="Who waited here and was missed is called back without asking for it."
    )
