"""What the pages say, in each language: ``<language>/<page>.toml``, read once.

``t("wall.title")`` is ``title`` of ``wall.toml``; ``t("wall.waiting", n=3)`` puts values in.  A
text that is a table of ``one``, ``few``, ``many`` and ``other`` is chosen by ``n``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES = ("ru", "en")
"""Those there are; the first where nothing else is known."""
NAMES = {"ru": "Русский", "en": "English"}
_FORMS = frozenset({"one", "few", "many", "other"})

Text = str | Mapping[str, str]


class Texts:
    """One language's texts, by key."""

    def __init__(self, language: str, texts: Mapping[str, Text]) -> None:
        self.language = language
        self.all = texts

    def __call__(self, key: str, **values: object) -> str:
        """The text, with values put in; a key that is not there is shown as it is."""
        text = self.all.get(key, key)
        if not isinstance(text, str):
            n = values.get("n", 0)
            form = plural(self.language, n if isinstance(n, int) else 0)
            text = text.get(form) or text["other"]
        return text.format(**values) if values else text

    def some(self, prefixes: Iterable[str]) -> dict[str, Text]:
        """Those whose keys begin so, for a script in the page."""
        wanted = tuple(prefixes)
        return {key: text for key, text in self.all.items() if key.startswith(wanted)}


@cache
def texts(language: str) -> Texts:
    """Those of one of LANGUAGES."""
    found: dict[str, Text] = {}
    for file in sorted((Path(__file__).parent / language).glob("*.toml")):
        _flatten(found, file.stem, tomllib.loads(file.read_text(encoding="utf-8")))
    return Texts(language, found)


def _flatten(found: dict[str, Text], prefix: str, table: Mapping[str, Any]) -> None:
    for key, value in table.items():
        name = f"{prefix}.{key}"
        if isinstance(value, str) or value.keys() <= _FORMS:
            found[name] = value
        else:
            _flatten(found, name, value)


def plural(language: str, n: int) -> str:
    """Unicode's plural category of a whole number (CLDR, cardinals)."""
    n = abs(n)
    if language == "ru":
        if n % 10 == 1 and n % 100 != 11:
            return "one"
        if n % 10 in (2, 3, 4) and n % 100 not in (12, 13, 14):
            return "few"
        return "many"
    return "one" if n == 1 else "other"


def preferred(chosen: str | None, accepted: str) -> str:
    """The language of a page: as chosen, else the first of ``Accept-Language`` that there is."""
    if chosen in LANGUAGES:
        return chosen
    weighed: list[tuple[float, str]] = []
    for part in accepted[:200].split(","):
        name, _, weight = part.partition(";")
        try:
            q = float(weight.strip().removeprefix("q=") or 1.0)
        except ValueError:
            q = 0.0
        weighed.append((q, name.strip().split("-")[0].lower()))
    for _, name in sorted(weighed, key=lambda one: -one[0]):
        if name in LANGUAGES:
            return name
    return LANGUAGES[0]
