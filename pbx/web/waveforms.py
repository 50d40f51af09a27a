"""Waveforms that were asked for lately, so that a page opened again costs no second reading."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from pbx.recordings.waveform import Waveform, waveform
from pbx.web.sound import Sound

PIECES = 1200
"""As many as the widest drawing has points to show."""
KEPT = 256
"""In memory, about 20 KB each."""


class Waveforms:
    """Of files by their tags.  One is made at a time: a disk is not read faster by two."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Waveform] = OrderedDict()
        self._one = asyncio.Lock()

    async def of(self, open_one: Callable[[], Sound]) -> Waveform:
        """Raises NoSound and NoWaveform."""
        sound = await asyncio.to_thread(open_one)
        with sound.file:
            if (known := self._known(sound.tag)) is not None:
                return known
            async with self._one:
                if (known := self._known(sound.tag)) is not None:
                    return known
                made = await asyncio.to_thread(waveform, sound.file, PIECES)
        self._kept[sound.tag] = made
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return made

    def _known(self, tag: str) -> Waveform | None:
        found = self._kept.get(tag)
        if found is not None:
            self._kept.move_to_end(tag)
        return found
