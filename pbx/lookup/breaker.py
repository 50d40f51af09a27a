"""Who does not answer is left alone for a while, so that callers do not wait for nothing.

Pure: the time (any clock that never goes back, seconds) comes in.
"""

from __future__ import annotations

from routing.values import Seconds

FAILURES_MOST = 5
"""So many failures in a row, and nobody is asked for a while."""
REST_S = 10.0
"""The first such while; each that follows a failed try is twice as long."""
REST_MOST_S = 60.0


class Breaker:
    """After a rest one question tries whether it is over."""

    def __init__(self) -> None:
        self.failures = 0
        self._rests_until: Seconds | None = None
        self._rest_s = REST_S
        self._trying = False

    def may_ask(self, now: Seconds) -> bool:
        """Whether to ask; who is told yes has to tell how it went."""
        if self._rests_until is None:
            return True
        if self._trying or now < self._rests_until:
            return False
        self._trying = True
        return True

    def answered(self) -> bool:
        """It went well.  Whether that ends a time without questions."""
        was_ill = self._rests_until is not None
        self.failures = 0
        self._rests_until = None
        self._rest_s = REST_S
        self._trying = False
        return was_ill

    def failed(self, now: Seconds) -> Seconds | None:
        """It did not.  How long nobody is asked, where that begins now."""
        if self._rests_until is not None and now < self._rests_until:
            return None  # asked before the rest began
        self.failures += 1
        self._trying = False
        if self.failures < FAILURES_MOST:
            return None
        rest_s = self._rest_s
        self._rests_until = now + rest_s
        self._rest_s = min(2 * rest_s, REST_MOST_S)
        return rest_s
