"""How what goes in and comes out is made: values that nobody changes, cheap to make.

When all phones ring for a call, each of them is a handful of these.  A dataclass that refuses to
be changed while it runs takes five times as long to make; here the type checker refuses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True)
def record(cls: type[_T]) -> type[_T]:
    """A dataclass with slots that compares and hashes by value; not to be changed."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
