"""A dial plan from disk: ``load(path)`` gives a whole plan or every mistake of it.

``read`` and ``build`` are its two halves, for who keeps what was read, and looks at what stands in
it (a reload, its versions, the difference between two).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from pbx.plan.faults import Fault, PlanError, quoted
from pbx.plan.model import Plan
from pbx.plan.resolve import resolve
from pbx.plan.schema import PlanShape
from pbx.plan.shape_faults import SECTIONS, report
from pbx.plan.source import (
    MAX_BYTES,
    Entry,
    Faults,
    Mapping,
    NodeBudget,
    Plain,
    Scalar,
    plain,
    read_text,
)
from pbx.plan.strategies import installed_strategies
from routing.strategy import Registry

_SUFFIXES = (".yaml", ".yml")
MAX_FILES = 200


@dataclass(frozen=True, slots=True)
class Sources:
    """The files of a plan, as read: in the order of their names, with their bytes.

    ``folder``: beside which the plan's recordings are looked for.  ``faults``: what could not be
    read.
    """

    path: Path
    folder: Path
    contents: tuple[tuple[Path, bytes], ...]
    faults: tuple[Fault, ...] = ()

    @property
    def digest(self) -> str:
        """Of names and bytes, wherever the folder is; lengths keep the parts apart."""
        digest = hashlib.sha256()
        for file, data in self.contents:
            name = os.fsencode(file.name)
            digest.update(f"{len(name)} {len(data)} ".encode())
            digest.update(name)
            digest.update(data)
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Loaded:
    """A plan, and what it was made of: ``shape`` every value as validated, defaults included,
    ``written`` what stands in the files, by the same keys."""

    plan: Plan
    shape: PlanShape
    written: Plain
    sources: Sources


def load(path: Path, *, registry: Registry | None = None) -> Plan:
    """The plan in a YAML file, or in all ``*.yaml`` and ``*.yml`` files of a folder.

    ``registry``: the strategies there are; default: ours and those of installed packages.
    Raises PlanError, and nothing else, whatever stands in the files.
    """
    return build(read(path), registry=registry).plan


def read(path: Path) -> Sources:
    """The files as they are now; never raises."""
    faults = Faults()
    files = _files(path, faults)
    contents = tuple((file, data) for file in files if (data := _read(file, faults)) is not None)
    return Sources(path, folder_of(path), contents, faults.told)


def folder_of(path: Path) -> Path:
    """The folder of a plan: itself, or the one that its only file is in."""
    try:
        return path if path.is_dir() else path.parent
    except (OSError, ValueError):  # a path that can't be one
        return path.parent


def build(sources: Sources, *, registry: Registry | None = None) -> Loaded:
    """The plan of these files.  Raises PlanError."""
    faults = Faults()
    for fault in sources.faults:
        faults.add(fault)
    root = _merge(sources.contents, faults)
    faults.stop()
    if root is None:
        message = "the plan is empty"
        raise PlanError([Fault(sources.path, 0, 0, message, "see config/ for an example")])
    written = plain(root)
    try:
        shape = PlanShape.model_validate(written)
    except ValidationError as error:
        report(error, root, faults)
        faults.stop()
        raise  # unreachable: a validation error has at least one fault
    plan = resolve(
        root,
        shape,
        installed_strategies() if registry is None else registry,
        folder=sources.folder,
        sources=tuple(file for file, _ in sources.contents),
        digest=sources.digest,
    )
    return Loaded(plan, shape, written, sources)


def plan_files(path: Path) -> list[Path]:
    """The files that ``load`` would read.  Raises PlanError where there are none."""
    faults = Faults()
    files = _files(path, faults)
    faults.stop()
    return files


def _files(path: Path, faults: Faults) -> list[Path]:
    """The files of a plan in the order of their names."""
    try:
        if not path.is_dir():
            return [path]
        found = sorted(
            one
            for one in path.iterdir()
            if one.suffix in _SUFFIXES and not one.name.startswith(".") and one.is_file()
        )
    except (OSError, ValueError) as error:
        faults.add(Fault(path, 0, 0, f"can't be read: {_reason(error)}"))
        return []
    if not found:
        faults.add(Fault(path, 0, 0, "no *.yaml file in this folder"))
    if len(found) > MAX_FILES:
        faults.add(Fault(path, 0, 0, f"more than {MAX_FILES} files"))
        return []
    return found


def _read(file: Path, faults: Faults) -> bytes | None:
    try:
        if not file.is_file():
            what = "is not a file" if file.exists() else "there is no such file or folder"
            faults.add(Fault(file, 0, 0, what))
            return None
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        faults.add(Fault(file, 0, 0, f"can't be read: {_reason(error)}"))
        return None


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else str(error)) or "unknown error"


def _merge(contents: Iterable[tuple[Path, bytes]], faults: Faults) -> Mapping | None:
    """One mapping of sections from all files; None when they hold nothing."""
    budget = NodeBudget()
    sections: dict[str, Entry] = {}
    first: Mapping | None = None
    for file, data in contents:
        node = read_text(file, data, faults, budget)
        if node is None or (isinstance(node, Scalar) and node.value is None):
            continue
        if not isinstance(node, Mapping):
            names = ", ".join(SECTIONS)
            faults.add(node.mark.fault("a plan is made of sections", "", (f"sections: {names}",)))
            continue
        first = first or node
        for name, entry in node.entries.items():
            _merge_section(sections, name, entry, faults)
    return None if first is None else Mapping(first.mark, sections)


def _merge_section(sections: dict[str, Entry], name: str, entry: Entry, faults: Faults) -> None:
    if isinstance(entry.value, Scalar) and entry.value.value is None:
        return  # a section without content: as if it weren't there
    known = sections.get(name)
    if known is None:
        sections[name] = entry
        return
    if not isinstance(known.value, Mapping) or not isinstance(entry.value, Mapping):
        place = f"first: {known.key.mark}"
        faults.add(entry.key.mark.fault(f"{quoted(name)} is given twice", "", (place,)))
        return
    merged = dict(known.value.entries)
    for key, inner in entry.value.entries.items():
        if key in merged:
            place = f"first: {merged[key].key.mark}"
            message = f"{quoted(key)} is given twice in {name}"
            faults.add(inner.key.mark.fault(message, "delete one, or rename it", (place,)))
        else:
            merged[key] = inner
    sections[name] = Entry(known.key, Mapping(known.value.mark, merged))
