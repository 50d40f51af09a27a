"""When which caller's time limit in the dialplan is set anew.

All callers at once would be hundreds of actions in a row for Asterisk, which carries out an AMI
session's one after another: a phone that is to ring would stand behind all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from routing.values import CallId

RENEW_EVERY_S = 2.5
"""How long a round takes, seconds.  Who comes while one is under way is in the next: after twice
as long at the latest, and so 3 s before the limit (LIMIT_S) is over."""


class RenewalRound:
    """Each of the callers once, evenly over RENEW_EVERY_S.  Times are any clock's, seconds."""

    def __init__(self, callers: Sequence[CallId], began: float) -> None:
        self._callers = callers
        self._began = began
        self._done = 0

    @property
    def next_at(self) -> float:
        """When the next caller's turn comes; after the last, when the round is over."""
        if self._done == len(self._callers):
            return self._began + RENEW_EVERY_S
        return self._began + RENEW_EVERY_S * self._done / len(self._callers)

    @property
    def over(self) -> bool:
        """All have had their turn."""
        return self._done == len(self._callers)

    def due(self, now: float) -> Sequence[CallId]:
        """Whose turn has come since this was last asked."""
        share = max(0.0, (now - self._began) / RENEW_EVERY_S)
        first, self._done = self._done, max(self._done, self._by(share))
        return self._callers[first : self._done]

    def _by(self, share: float) -> int:
        return min(len(self._callers), math.floor(share * len(self._callers)) + 1)
