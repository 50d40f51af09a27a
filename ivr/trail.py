"""The way a caller has come: as one short line, and as the menus one can go back to."""

from __future__ import annotations

from ivr.nodes import CallOut, DialAgent, Menu, Node, NodeId, ToQueue, Voicemail

MAX_PARTS = 24
"""Parts of a way that are kept; a caller can go round in menus for hours."""
MAX_HISTORY = 32
"""Menus that one can go back by."""
_MAX_PART = 40
_BETWEEN = " › "


class Trail:
    """Menus, keys and destinations as ``main › 2 › sales``, the oldest forgotten first.

    A menu inside the one before it (``main/2``) is named by the key that led to it alone.
    """

    __slots__ = ("_cut", "_menu", "_parts")

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._cut = False
        self._menu: NodeId | None = None

    def reached(self, node: Node) -> None:
        """The caller is at ``node``: noted when it is a menu or a destination."""
        match node:
            case Menu(node_id):
                if self._menu is None or not node_id.startswith(f"{self._menu}/"):
                    self._add(node_id)
                self._menu = node_id
            case ToQueue(queue_id=queue_id):
                self._add(queue_id)
            case DialAgent(node_id, agent_id):
                self._add(agent_id or node_id)
            case CallOut(number=number):
                self._add(number)
            case Voicemail(box=box):
                self._add(f"voicemail {box}")
            case _:
                pass

    def pressed(self, digits: str) -> None:
        """The caller chose by ``digits``."""
        self._add(digits)

    def __str__(self) -> str:
        return _BETWEEN.join(("…", *self._parts) if self._cut else self._parts)

    def _add(self, part: str) -> None:
        self._parts.append(part[:_MAX_PART])
        if len(self._parts) > MAX_PARTS:
            self._cut = True
            del self._parts[0]


class MenuHistory:
    """The menus passed, for ``!back`` and ``!main``; the oldest are forgotten."""

    __slots__ = ("_before", "_first", "_here")

    def __init__(self) -> None:
        self._before: list[NodeId] = []
        self._first: NodeId | None = None
        self._here: NodeId | None = None

    def entered(self, menu: NodeId) -> None:
        """The caller is in ``menu``; coming back to it from itself adds nothing."""
        self._first = self._first or menu
        if self._here is not None and self._here != menu:
            self._before.append(self._here)
            del self._before[:-MAX_HISTORY]
        self._here = menu

    def back(self, menu: NodeId) -> NodeId:
        """From ``menu`` to the one before it, or to itself where there is none."""
        self._here = self._before.pop() if self._before else menu
        return self._here

    def main(self, menu: NodeId) -> NodeId:
        """From ``menu`` to the first one the caller met; the way to it is forgotten."""
        self._before.clear()
        self._here = self._first or menu
        return self._here
