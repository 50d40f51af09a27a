"""The ``record`` key of numbers and queues."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from pbx.plan.schema_nodes import MaybeSay
from pbx.plan.shape import Form, KeptTime, PauseCode, Shape, Share, Short, any_of
from pbx.plan.written import SHARE_WORDS, Wrong


class RecordShape(Shape):
    """Which talks are recorded; a bare share is the whole.  More: docs/recording.md."""

    share: Share | None = Field(
        None, description="A share of the calls, taken by the call's id; default: `all`."
    )
    say: MaybeSay = Field(
        default_factory=list,
        description="Said once, before the caller is given to people, in calls that are recorded.",
    )
    keep: KeptTime | None = Field(
        None,
        description="How long a recording is kept, then the engine removes it; default: `90d`.",
    )
    pause: PauseCode | None = Field(
        None,
        description="Keys by which the manager stops and resumes the recording in the talk; "
        "default: none.",
    )


def _bare_share(value: Any) -> Any:
    if isinstance(value, bool):
        raise Wrong("expected a share or keys and values", "write all" if value else "write none")
    return {"share": value} if isinstance(value, str) else value


def _or_a_share(form: Form) -> Form:
    return any_of({"type": "string", "pattern": f"^(?:{SHARE_WORDS})$"}, form)


Record = Annotated[RecordShape, Short(_bare_share, _or_a_share)]
