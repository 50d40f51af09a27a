"""The ``funnel`` key of settings."""

from __future__ import annotations

from pydantic import Field

from pbx.plan.shape import Duration, KeptTime, Label, Name, Shape

USUAL_STAGES = {
    "cold-call": "cold call",
    "meeting": "meeting",
    "need": "need found out",
    "invoice": "invoice",
    "payment": "payment",
    "delivery": "delivery",
    "repeat-order": "repeat order",
}


class FunnelShape(Shape):
    """The stages of a sale.  More: docs/funnel.md."""

    stages: dict[Name, Label] = Field(
        default_factory=lambda: dict(USUAL_STAGES),
        min_length=2,
        description="Stages in their order, each with its title; the first is where an outgoing "
        "sale begins.  Default: the seven usual ones.",
    )
    talk: Duration = Field(
        30.0, description="A caller who talked for so long is past the stage `talked`."
    )
    undecided_for: KeptTime = Field(
        2_592_000,
        description="Who has not come further for so long is lost; before, it is not decided.",
    )
