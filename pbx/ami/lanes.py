"""In which order messages of Asterisk are taken: the news that a manager is free goes ahead.

In a burst hundreds of messages about callers who can only wait lie before the one by which a
manager's phone gets the next call.  House rules: a message never overtakes one with which it has
a word in common (what it is about: a call, a bridge, a phone), nor one of which we can't tell what
it is about; and one that shares a word with what goes ahead goes ahead before it, with what
precedes that in turn.  So the order of all that is about one call, one bridge or one phone is
Asterisk's, always.  Between calls there is no order to keep: Asterisk's threads write about
different calls as they come to it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable

from pbx.ami.protocol import Headers

About = Callable[[Headers], Collection[str] | None]
"""The words of a message; None: it may be about anything."""

AT_ONCE = 16
"""Messages taken before it is looked whether there are new ones to be read: about 1 ms."""


class Lanes:
    """Messages that were read and not yet taken.

    ``take``: takes one.  ``about``: its words.  ``hurries``: it is to go ahead.
    """

    def __init__(
        self,
        take: Callable[[Headers], None],
        *,
        about: About,
        hurries: Callable[[Headers], bool],
    ) -> None:
        self._take = take
        self._about = about
        self._hurries = hurries
        self._waiting: deque[Headers] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, message: Headers) -> None:
        """One more.  If it hurries it is taken now, after all that it must not overtake."""
        if not self._hurries(message):
            self._waiting.append(message)
            return
        first, rest = before(message, self._waiting, self._about)
        self._waiting = deque(rest)
        # Who takes one may clear us: then what is left is not to be taken any more.
        self._waiting.extendleft(reversed([*first, message]))
        for _ in range(len(first) + 1):
            self._one()

    def work(self, most: int = AT_ONCE) -> None:
        """Take the next ones."""
        for _ in range(most):
            if not self._waiting:
                return
            self._one()

    def clear(self) -> None:
        """Nothing of this is true any more."""
        self._waiting.clear()

    def _one(self) -> None:
        if self._waiting:
            self._take(self._waiting.popleft())


def before(
    urgent: Headers, waiting: Collection[Headers], about: About
) -> tuple[list[Headers], list[Headers]]:
    """Of the ``waiting``: what ``urgent`` must not overtake, and the others; both in order."""
    words = about(urgent)
    if words is None or not waiting:
        return list(waiting), []
    linked = set(words)
    first: list[Headers] = []
    rest: list[Headers] = []
    backwards: Iterable[Headers] = reversed(tuple(waiting))
    barred = False
    for message in backwards:
        theirs = None if barred else about(message)
        if theirs is None:
            barred = True  # nothing from here on may be overtaken
        elif linked.isdisjoint(theirs):
            rest.append(message)
            continue
        else:
            linked.update(theirs)
        first.append(message)
    return first[::-1], rest[::-1]
