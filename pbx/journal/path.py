"""A caller's way through the menus as one short line, from the steps that were noted.

The walk keeps the same line for itself (ivr/trail.py) from the tree's nodes; the log has only
what it was told, and a test holds the two together.
"""

from __future__ import annotations

MAX_PARTS = 24
"""Parts of a way that are kept; a caller can go round in menus for hours."""
_MAX_PART = 40
_BETWEEN = " › "
# The walk's own words (ivr/walk.py) where it notes a step.
_ACCEPTED = "key "
_ARROW = " → "
_REPEATED = " → repeat"
_GIVEN_TO = {"toqueue": "queue ", "dialagent": "manager ", "callout": "call "}


class MenuPath:
    """Menus, keys and destinations as ``main › 2 › sales``, the oldest forgotten first.

    A menu inside the one before it (``main/2``) is named by the key that led to it alone.
    """

    __slots__ = ("_cut", "_here", "_menu", "_parts")

    def __init__(self, *, cut: bool = False) -> None:
        self._parts: list[str] = []
        self._cut = cut
        self._menu = ""
        self._here = ""

    def step(self, node: str, kind: str, digits: str | None, detail: str) -> None:
        """A step of the walk was taken at ``node``."""
        if kind != "menu":
            self._here = ""
            given = _GIVEN_TO.get(kind)
            if given and detail.startswith(given) and _ARROW not in detail:
                self._add(detail.removeprefix(given))
            return
        self._at_menu(node)
        if digits and detail.startswith(_ACCEPTED):
            self._add(digits)
            if not detail.endswith(_REPEATED):
                self._here = ""

    def reached(self, destination: str) -> None:
        """A queue, a manager, an outside number or a message box has the caller: the step that
        said so has just been noted, or (after a transfer) there was none."""
        self._here = ""
        if not self._parts or self._parts[-1] != destination[:_MAX_PART]:
            self._add(destination)

    def lost_at(self, node: str) -> None:
        """The caller hung up in the menus, at ``node``."""
        if node:
            self._at_menu(node)

    def __str__(self) -> str:
        return _BETWEEN.join(("…", *self._parts) if self._cut else self._parts)

    def _at_menu(self, node: str) -> None:
        if node == self._here:
            return
        if not self._menu or not node.startswith(f"{self._menu}/"):
            self._add(node)
        self._menu = self._here = node

    def _add(self, part: str) -> None:
        self._parts.append(part[:_MAX_PART])
        if len(self._parts) > MAX_PARTS:
            self._cut = True
            del self._parts[0]
