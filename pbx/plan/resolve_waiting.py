"""What callers hear while they wait in a queue."""

from __future__ import annotations

from ivr import phrases
from pbx.plan.context import Context
from pbx.plan.model import Announcements, QueueSounds, Spoken
from pbx.plan.resolve_prompts import PromptBook
from pbx.plan.schema import QueueShape
from routing.values import QueueId

_NEVER = Spoken(0.0, None)


def music_class(name: str) -> str:
    """The switch's class; "" for silence."""
    return "" if name == "silence" else name


def queue_sounds(context: Context, prompts: PromptBook) -> dict[QueueId, QueueSounds]:
    """Music and announcements of all queues; the sentences that they need are prompts too."""
    default = context.shape.settings.music
    return {
        QueueId(key): QueueSounds(
            music_class(shape.music or default), _announcements(context, key, shape, prompts)
        )
        for key, shape in context.shape.queues.items()
    }


def _announcements(
    context: Context, key: str, shape: QueueShape, prompts: PromptBook
) -> Announcements | None:
    numbers, messages = shape.announce, shape.messages
    if numbers is None and messages is None:
        return None
    if numbers is not None and not (numbers.position or numbers.estimate):
        context.warn(("queues", key, "announce"), "neither position nor estimate: says nothing")
    position = numbers is not None and numbers.position
    estimate = numbers is not None and numbers.estimate
    if position:
        prompts.keep(phrases.positions())
    if estimate:
        prompts.keep(phrases.estimates())
    path = ("queues", key, "messages", "say")
    return Announcements(
        numbers=Spoken(numbers.first, numbers.every) if numbers else _NEVER,
        position=position,
        estimate=estimate,
        between=Spoken(messages.first, messages.every) if messages else _NEVER,
        messages=prompts.said(path, f"queue={key}.messages", messages.say) if messages else (),
        shuffled=messages is not None and messages.order == "random",
    )
