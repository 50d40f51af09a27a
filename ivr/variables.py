"""One caller's variables: bounded, and substituted as text only.

``{name}`` in a value stands for the caller's variable of that name, once: what it brings is not
looked at again, and there are no attributes, indexes or formats as in ``str.format``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

MAX_VALUE = 200
"""Longest value, characters: repeated substitution could double it at every step."""
LANGUAGE = "language"
"""The variable that is also the language of the prompts."""

_REFERENCE = re.compile(r"\{([^{}]{1,64})\}")
# A language becomes part of a file's path: nothing that could lead elsewhere.
_LANGUAGE_FORM = re.compile(r"[A-Za-z]{2,8}([_-][A-Za-z0-9]{1,8}){0,3}")


class Variables:
    """The variables of one caller; ``language`` is always among them."""

    __slots__ = ("_values",)

    def __init__(self, language: str, given: Mapping[str, str]) -> None:
        self._values = {name: value[:MAX_VALUE] for name, value in given.items()}
        self._values[LANGUAGE] = language

    @property
    def language(self) -> str:
        """The language of the prompts."""
        return self._values[LANGUAGE]

    def get(self, name: str) -> str:
        """The value, "" when it was never set."""
        return self._values.get(name, "")

    def set(self, name: str, value: str) -> bool:
        """Keep ``value``, cut to its bound.  False: it can't be a language, nothing was set."""
        if name == LANGUAGE and not _LANGUAGE_FORM.fullmatch(value):
            return False
        self._values[name] = value[:MAX_VALUE]
        return True

    def fill(self, text: str) -> str:
        """``text`` with its references replaced; unknown ones by nothing."""
        return _REFERENCE.sub(lambda found: self.get(found[1]), text)[:MAX_VALUE]

    def as_dict(self) -> dict[str, str]:
        """A copy of all of them."""
        return dict(self._values)
