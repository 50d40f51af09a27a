"""What a picture of a plan shows: boxes and the ways between them, without any layout.

A box has the id of its step (``welcome/3``); what is no step is ``number=+7...``, ``queue=sales``
and ``team=sales/support``.  Left out, so that sixty menus can still be read:

- a step that only leads elsewhere: a word, a ``goto``;
- a step ``queue``: the way goes to the queue's own box, and ``through`` names the step;
- the plain end of a call: keys that end it, or lead back, stand inside their menu's box.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pbx.plan.model import Place


class Kind(StrEnum):
    """What a box stands for."""

    NUMBER = "number"
    MENU = "menu"
    DIGITS = "digits"
    HOURS = "hours"
    BRANCH = "branch"
    STEP = "step"
    """Passed without a choice: something is played, set or noted."""
    VOICEMAIL = "voicemail"
    CALLBACK = "callback"
    MANAGER = "manager"
    OUTSIDE = "outside"
    END = "end"
    QUEUE = "queue"
    TEAM = "team"
    """Managers of one department in one queue."""


@dataclass(frozen=True, slots=True)
class Box:
    """One box: ``title``, the ``lines`` below it, and the menu tree (``group``) it belongs to.

    ``place``: where the plan says so; None for what it does not say in one place.
    ``stays``: keys that lead to no other box (``9``: ``repeat``).
    """

    box_id: str
    kind: Kind
    title: str
    lines: tuple[str, ...] = ()
    group: str = ""
    place: Place | None = None
    stays: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """One way between boxes: ``label`` is the key pressed or why it is taken.

    ``through``: the steps that it passes and that have no box (``welcome/1``).  ``key``: what
    the caller presses for it; None where nothing is pressed.
    """

    source: str
    target: str
    label: str
    through: tuple[str, ...] = ()
    key: str | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Graph:
    """The whole picture."""

    boxes: tuple[Box, ...]
    ways: tuple[Way, ...]
