"""The stages of a funnel, and how far somebody has come.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pbx.plan.model import FunnelPlan


class CallStage(StrEnum):
    """What an incoming call passes by itself, in this order."""

    CALLED = "called"
    PAST_MENU = "past-menu"
    """It came to a waiting line, or somebody was rung."""
    REACHED = "reached-manager"
    TALKED = "talked"
    """Longer than the plan's ``talk``."""


QUALIFIED = "qualified"
"""A manager said that the caller is a client to be; the last stage of the way in."""
CALL_TITLES: Mapping[str, str] = {
    CallStage.CALLED: "called",
    CallStage.PAST_MENU: "past the menu",
    CallStage.REACHED: "reached a manager",
    CallStage.TALKED: "talked",
    QUALIFIED: "qualified",
}


class Way(StrEnum):
    """Which funnel."""

    SALES = "sales"
    """The plan's stages."""
    INCOMING = "incoming"
    """From the call to ``qualified``, then the plan's stages after the first: who calls us needs no
    cold call."""


@dataclass(frozen=True, slots=True)
class Funnel:
    """``stages``: names in their order; ``titles`` of all.  ``of_calls``: it begins with the stages
    that incoming calls pass by themselves; nobody tells these."""

    stages: tuple[str, ...]
    titles: Mapping[str, str]
    talk: timedelta
    undecided_for: timedelta
    of_calls: bool = False

    @classmethod
    def of(cls, plan: FunnelPlan, way: Way) -> Funnel:
        """The plan's, that way."""
        own = tuple(plan.stages)
        # A plan may have a stage of such a name itself.
        stages = own if way is Way.SALES else tuple(dict.fromkeys((*CALL_TITLES, *own[1:])))
        titles = {**CALL_TITLES, **plan.stages}
        return cls(
            tuple(map(str, stages)),
            {str(name): titles[name] for name in stages},
            timedelta(seconds=plan.talk_s),
            timedelta(seconds=plan.undecided_for_s),
            way is Way.INCOMING,
        )


@dataclass(frozen=True, slots=True)
class StageEvent:
    """``subject`` (a contact's number in E.164, ``deal:17``, or for a call without a number
    ``call:ID``) passed ``stage`` at ``at``.  Texts are "" where nothing is known.

    ``key``: who tells the same event again gives the same key.  ``via``: engine, manager, crm, csv.
    """

    key: str
    stage: str
    subject: str
    at: datetime
    number: str = ""
    agent: str = ""
    source: str = ""
    call_id: str = ""
    via: str = ""
