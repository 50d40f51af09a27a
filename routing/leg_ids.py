"""The ids of legs: a prefix and a number that counts on, so that those of many are one value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar, overload

from routing.record import record
from routing.values import LegId

_T = TypeVar("_T")


@record
class LegIds(Sequence[LegId]):
    """``size`` ids that follow each other, but for those at some places (ascending).

    Each is made when it is asked for: of hundreds of phones that ring together nobody asks for
    more than a few by name.
    """

    prefix: str
    first: int
    size: int
    but: tuple[int, ...] = ()

    def __len__(self) -> int:
        return self.size - len(self.but)

    def left_of(self, values: Sequence[_T]) -> Sequence[_T]:
        """Of values in the same order, one a place, those where there is an id."""
        if not self.but:
            return values
        found: list[_T] = []
        begin = 0
        for place in self.but:
            found += values[begin:place]
            begin = place + 1
        found += values[begin:]
        return found

    def places(self) -> Sequence[int]:
        """Where there is one."""
        return self.left_of(range(self.size))

    def at(self, place: int) -> LegId:
        """The id at this place, whether left out or not."""
        return LegId(f"{self.prefix}{self.first + place}")

    def place_of(self, leg_id: LegId) -> int | None:
        """Where this id is; None for one that is not among them."""
        number = number_of(leg_id, self.prefix)
        place = -1 if number is None else number - self.first
        return place if 0 <= place < self.size and place not in self.but else None

    def __iter__(self) -> Iterator[LegId]:
        return map(self.at, self.places())

    @overload
    def __getitem__(self, index: int) -> LegId: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[LegId]: ...
    def __getitem__(self, index: int | slice) -> LegId | Sequence[LegId]:
        if isinstance(index, slice):
            return list(self)[index]
        return self.at(self.places()[index])


def number_of(leg_id: LegId, prefix: str) -> int | None:
    """Its number; None for an id that is not made so."""
    digits = leg_id[len(prefix) :]
    if not leg_id.startswith(prefix) or not digits.isdecimal() or digits[0] == "0":
        return None
    return int(digits) if digits.isascii() else None
