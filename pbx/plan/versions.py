"""Every version of the plan that was live: its files by their digest, and when, by whom, why.

``<folder>/history.jsonl`` has a line for each time that a version went live; ``<folder>/<digest>/``
its files, written whole or not at all.  Bounded: of the oldest only nothing is kept.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import orjson

from pbx.errors import VersionError
from pbx.plan.load import Sources, read

KEPT = 100
"""Versions kept."""
LEAST_HASH = 4
"""Characters by which a version may be named."""
_HISTORY = "history.jsonl"
_DIGEST = re.compile(r"[0-9a-f]{64}")


class How(StrEnum):
    """What made a version the live one."""

    START = "start"
    RELOAD = "reload"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class Version:
    """One time that a plan went live.

    ``number``: counts from 1.  ``author``: who asked.  ``passed_over``: of a rollback, the digest
    of the files that were in the plan's own place then; they stay where they are.
    """

    number: int
    at: datetime
    author: str
    how: How
    digest: str
    passed_over: str = ""


class VersionStore:
    """The versions in one folder.  One engine writes at a time; anybody may read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def readable(self) -> VersionStore:
        """This one, when we may look into it.  Raises VersionError: empty is something else."""
        try:
            (self._folder / _HISTORY).read_bytes()
        except FileNotFoundError:
            pass
        except OSError as error:
            why = error.strerror or "unknown error"
            raise VersionError(
                f"the versions in {self._folder} can't be read: {why}; ask as the engine's user"
            ) from error
        return self

    def all(self) -> list[Version]:
        """Those kept, the oldest first; a line that can't be read is left out."""
        try:
            lines = (self._folder / _HISTORY).read_bytes().splitlines()
        except OSError:
            return []
        return [version for line in lines if (version := _parse(line)) is not None]

    def live(self) -> Version | None:
        """The last that went live; None when there was none."""
        return next(iter(self.all()[-1:]), None)

    def find(self, reference: str) -> Version:
        """By number, or by the beginning of the hash (its last time).  Raises VersionError."""
        known = self.all()
        for one in reversed(known):
            by_hash = len(reference) >= LEAST_HASH and one.digest.startswith(reference.lower())
            if reference == str(one.number) or by_hash:
                return one
        raise VersionError(f"no version {reference!r} (pbx versions lists those kept)")

    def before_live(self) -> Version:
        """The last version that was another plan than the live one.  Raises VersionError."""
        known = self.all()
        for one in reversed(known):
            if one.digest != known[-1].digest:
                return one
        raise VersionError("no other version was live before (pbx versions lists those kept)")

    def sources(self, version: Version, beside: Path) -> Sources:
        """Its files.  ``beside``: where the plan's own place is, for recordings.

        Raises VersionError when they are not what they were.
        """
        kept = read(self._folder / version.digest)
        found = Sources(kept.path, beside, kept.contents, kept.faults)
        if found.faults or found.digest != version.digest:
            raise VersionError(f"the files of version {version.number} are gone, or were changed")
        return found

    def keep(self, sources: Sources) -> None:
        """Keep the files, before they go live.  Raises OSError; blocks on the disk."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        place = self._folder / sources.digest
        if place.exists():
            return
        made = Path(tempfile.mkdtemp(prefix=".new-", dir=self._folder))
        try:
            for file, data in sources.contents:
                _write(made / file.name, data)
            os.replace(made, place)
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def note(
        self, digest: str, *, at: datetime, author: str, how: How, passed_over: str = ""
    ) -> Version:
        """It is live; what is too old is removed.  Raises OSError; blocks on the disk."""
        known = self.all()
        number = known[-1].number + 1 if known else 1
        version = Version(number, at, author, how, digest, passed_over)
        known = [*known, version][-KEPT:]
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self._folder / f".{_HISTORY}.new"
        _write(fresh, b"".join(orjson.dumps(one) + b"\n" for one in known))
        os.replace(fresh, self._folder / _HISTORY)
        self._remove_others(known)
        return version

    def _remove_others(self, known: Sequence[Version]) -> None:
        wanted = {one.digest for one in known}
        for place in self._folder.iterdir():
            if _DIGEST.fullmatch(place.name) and place.name not in wanted:
                with contextlib.suppress(OSError):
                    shutil.rmtree(place)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _parse(line: bytes) -> Version | None:
    try:
        read = orjson.loads(line)
        return Version(
            number=int(read["number"]),
            at=datetime.fromisoformat(read["at"]),
            author=str(read["author"]),
            how=How(read["how"]),
            digest=_DIGEST.fullmatch(read["digest"])[0],  # type: ignore[index] # caught below
            passed_over=str(read["passed_over"]),
        )
    except (ValueError, KeyError, TypeError):
        return None
