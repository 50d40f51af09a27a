"""Where a click on a page of figures leads: to the same question, asked a little otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar
from urllib.parse import urlencode

from pbx.funnel.asked import AskedFunnel
from pbx.reports.asked import Asked

Question = TypeVar("Question", Asked, AskedFunnel)


def link(path: str, asked: Asked | AskedFunnel) -> str:
    """What asks it there."""
    query = urlencode(asked.pairs())
    return f"{path}?{query}" if query else path


def only(asked: Question, name: str, label: str) -> Question:
    """With this label alone in the slice's filter."""
    return replace(asked, where={**asked.where, name: (label,)})


def without(asked: Question, name: str, label: str) -> Question:
    """Without this label in the filter."""
    left = tuple(one for one in asked.where[name] if one != label)
    others = {key: labels for key, labels in asked.where.items() if key != name}
    return replace(asked, where={**others, name: left} if left else others)
