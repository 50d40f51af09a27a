"""How queues call back, by themselves."""

from __future__ import annotations

from collections.abc import Mapping

from ivr import phrases
from ivr.schedule import Schedule
from pbx.plan.context import Context
from pbx.plan.model import CallbackRule
from pbx.plan.resolve_prompts import PromptBook
from routing.values import QueueId


def callback_rules(
    context: Context, prompts: PromptBook, hours: Mapping[str, Schedule]
) -> dict[QueueId, CallbackRule]:
    """Of all queues that say it."""
    found: dict[QueueId, CallbackRule] = {}
    settings = context.shape.settings
    for key, queue in context.shape.queues.items():
        shape = queue.callback
        if shape is None:
            continue
        path = ("queues", key, "callback")
        if settings.trunk is None:
            context.wrong_key(path, "there is no trunk to call clients", "set settings.trunk")
        elif not settings.outside:
            context.wrong_key(path, "no client may be called", "set settings.outside")
        if shape.hours is not None and shape.hours not in hours:
            context.unknown((*path, "hours"), "schedule", shape.hours, hours)
        prompts.keep(phrases.callbacks())
        found[QueueId(key)] = CallbackRule(
            attempts=shape.attempts,
            pause_s=shape.pause,
            ring_time_s=shape.ring_time,
            hours=hours.get(shape.hours) if shape.hours is not None else None,
            expires_s=shape.expires,
            missed=shape.missed,
        )
    return found


def asked_hours(context: Context) -> set[str]:
    """The schedules that these rules ask."""
    rules = (queue.callback for queue in context.shape.queues.values())
    return {rule.hours for rule in rules if rule is not None and rule.hours is not None}
