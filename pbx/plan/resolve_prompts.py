"""Prompts: those with a name, and those that stand where they are said."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from ivr.nodes import Prompt, PromptKind
from pbx.plan.context import Context
from pbx.plan.schema_nodes import PromptShape

_UNFIT = re.compile(r"[^A-Za-z0-9_-]+")


class PromptBook:
    """All prompts of the plan, each with a name that a recording can have."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._named = {
            name: self._prompt(("prompts", name), name, shape)
            for name, shape in context.shape.prompts.items()
        }
        self._inline: dict[str, Prompt] = {}
        self._used: set[str] = set()

    def said(
        self, path: Sequence[str | int], owner: str, say: Sequence[str | PromptShape]
    ) -> tuple[Prompt, ...]:
        """The prompts at ``path``; ``owner`` (a step and its key) names those without a name.

        A prompt in place is recorded as ``welcome.2.menu.wav``: the dot keeps it apart from
        the names of the section.
        """
        found = []
        for index, one in enumerate(say):
            place = (*path, index)
            if isinstance(one, str):
                prompt = self._named.get(one)
                if prompt is None:
                    self._context.unknown(place, "prompt", one, self._named)
                else:
                    self._used.add(one)
                    found.append(prompt)
                continue
            name = self._free_name(owner, index)
            prompt = self._prompt(place, name, one)
            self._inline[name] = prompt
            found.append(prompt)
        return tuple(found)

    def keep(self, prompts: Iterable[Prompt]) -> None:
        """Prompts of our own, with names that no step makes."""
        self._inline.update((one.name, one) for one in prompts)

    def all(self) -> tuple[Prompt, ...]:
        """Every prompt, by name."""
        both: Mapping[str, Prompt] = {**self._named, **self._inline}
        return tuple(both[name] for name in sorted(both))

    def unused(self) -> list[str]:
        """Names of the section that nothing says."""
        return [name for name in self._named if name not in self._used]

    def _free_name(self, owner: str, index: int) -> str:
        base = ".".join(_UNFIT.sub("_", part) for part in re.split(r"[/.]", owner) if part)
        name = base if index == 0 else f"{base}.{index + 1}"
        number = 1
        while name in self._inline:
            number += 1
            name = f"{base}.{index + 1}.{number}"
        return name

    def _prompt(self, path: Sequence[str | int], name: str, shape: PromptShape) -> Prompt:
        if shape.sound is not None:
            return Prompt(PromptKind.SOUND, shape.sound)
        languages = self._context.shape.settings.languages
        if isinstance(shape.text, str):
            texts = {languages[0]: shape.text}
        else:
            texts = dict(shape.text or {})
        for language in texts:
            if language not in languages:
                self._context.unknown((*path, "text", language), "language", language, languages)
        if shape.file is not None:
            return Prompt(PromptKind.FILE, shape.file, texts)
        return Prompt(PromptKind.TEXT, name, texts)
