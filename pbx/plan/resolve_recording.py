"""Which talks are recorded, by number and by queue."""

from __future__ import annotations

from pbx.plan.context import Context
from pbx.plan.model import KEEP_S, Recording
from pbx.plan.resolve_prompts import PromptBook
from pbx.plan.schema_recording import RecordShape
from routing.values import QueueId


def recording(
    prompts: PromptBook, path: tuple[str, str], owner: str, shape: RecordShape | None
) -> Recording | None:
    """The ``record`` key of the number or queue at ``path``; ``owner`` names its prompts."""
    if shape is None:
        return None
    notice = prompts.said((*path, "record", "say"), f"{owner}.record", shape.say)
    share = 100 if shape.share is None else shape.share
    return Recording(share, notice, KEEP_S if shape.keep is None else shape.keep, shape.pause or "")


def queue_records(context: Context, prompts: PromptBook) -> dict[QueueId, Recording]:
    """Of all queues that say it."""
    return {
        QueueId(key): found
        for key, shape in context.shape.queues.items()
        if (found := recording(prompts, ("queues", key), f"queue={key}", shape.record))
    }
