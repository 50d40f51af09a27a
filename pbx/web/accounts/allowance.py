"""How many requests a token has.  Pure: time is a number.

House rules: an allowance is a bucket that fills as time goes on; a request takes one out, and one
that finds it empty is told when there is one again.  What is remembered is bounded: those who have
not asked for longest are forgotten first, and a full bucket is worth nothing to remember.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

BURST_S = 10.0
"""How many seconds' worth may come at once."""
MOST = 10_000
"""Tokens remembered."""


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Allowance:
    """``per_minute`` each, in the long run."""

    def __init__(self, per_minute: int, *, most: int = MOST) -> None:
        self._per_s = per_minute / 60
        self._full = max(1.0, self._per_s * BURST_S)
        self._most = most
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._buckets)

    def wait_s(self, key: str, now: float) -> float:
        """How long until it may ask, seconds; 0: now.  Takes nothing."""
        bucket = self._buckets.get(key)
        return 0.0 if bucket is None else max(0.0, (1.0 - self._left(bucket, now)) / self._per_s)

    def take(self, key: str, now: float) -> float:
        """A request: 0, or how long until it may ask, seconds; then nothing is taken."""
        bucket = self._buckets.pop(key, None) or _Bucket(self._full, now)
        bucket.left, bucket.at = self._left(bucket, now), max(now, bucket.at)
        self._buckets[key] = bucket
        while len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        if bucket.left < 1.0:
            return (1.0 - bucket.left) / self._per_s
        bucket.left -= 1.0
        return 0.0

    def _left(self, bucket: _Bucket, now: float) -> float:
        return min(self._full, bucket.left + max(0.0, now - bucket.at) * self._per_s)
