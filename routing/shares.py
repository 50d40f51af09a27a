"""Whole-number weights of many keys, and the key at a point of their sum, both in O(log n)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

K = TypeVar("K")


class Shares(Generic[K]):
    """A Fenwick tree (Fenwick 1994) over keys whose places are given and do not change.

    Node ``i`` (from 1) holds the sum of the ``i & -i`` weights that end with place ``i - 1``.
    """

    def __init__(self, places: Mapping[K, int]) -> None:
        self._places = places
        self._keys = {place: key for key, place in places.items()}
        self._weights: dict[K, int] = {}
        self._size = 1 + max(places.values(), default=0)
        self._tree = [0] * (self._size + 1)
        self.total = 0

    def of(self, key: K) -> int:
        """The key's weight, 0 for none."""
        return self._weights.get(key, 0)

    def put(self, key: K, weight: int) -> None:
        """The key weighs so much now."""
        more = weight - self._weights.get(key, 0)
        if not more:
            return
        self._weights[key] = weight
        self.total += more
        node = self._places[key] + 1
        while node <= self._size:
            self._tree[node] += more
            node += node & -node

    def at(self, point: int) -> K:
        """The key whose stretch holds ``point``, 0 <= point < total, keys in order of place."""
        place = 0
        step = 1 << self._size.bit_length()
        while step := step >> 1:
            node = place + step
            if node <= self._size and self._tree[node] <= point:
                place = node
                point -= self._tree[node]
        return self._keys[place]
