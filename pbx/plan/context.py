"""What the resolving passes share: the shape, the places, and where mistakes are kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pbx.plan.faults import Fault, did_you_mean, known_names, quoted
from pbx.plan.schema import PlanShape
from pbx.plan.shape_faults import Path, about, key_mark_of, mark_of
from pbx.plan.source import Faults, Mapping, Mark
from pbx.plan.written import Wrong


@dataclass
class Context:
    """One load.  ``names`` and ``checks`` are two passes: the second is told only when the
    first found nothing, because a wrong name makes false mistakes elsewhere."""

    root: Mapping
    shape: PlanShape
    names: Faults = field(default_factory=Faults)
    checks: Faults = field(default_factory=Faults)
    warnings: list[Fault] = field(default_factory=list)

    def mark(self, path: Path) -> Mark:
        """Where a value stands."""
        return mark_of(self.root, path)

    def key_mark(self, path: Path) -> Mark:
        """Where a key stands."""
        return key_mark_of(self.root, path)

    def unknown(self, path: Path, what: str, given: str, known: Iterable[str]) -> None:
        """A name that nothing has."""
        if self.names.full:
            self.names.count_one()
            return
        names = list(known)
        notes = known_names(names) or (f"the plan has no {what} at all",)
        self.names.add(
            self._at(path, given).fault(
                about(path, f"unknown {what} {quoted(given)}"), did_you_mean(given, names), notes
            )
        )

    def wrong_name(self, path: Path, error: Wrong) -> None:
        """A value that can't be read once the settings are known."""
        self.names.add(self.mark(path).fault(about(path, error.message), error.hint, error.notes))

    def wrong(self, path: Path, message: str, hint: str = "", notes: tuple[str, ...] = ()) -> None:
        """Something that does not go together."""
        self.checks.add(self.mark(path).fault(about(path, message), hint, notes))

    def wrong_key(self, path: Path, message: str, hint: str = "", *notes: str) -> None:
        """The same, about the key."""
        self.checks.add(self.key_mark(path).fault(about(path, message), hint, notes))

    def warn(self, path: Path, message: str, hint: str = "") -> None:
        """Something that works, but hardly as meant."""
        self.warnings.append(self.key_mark(path).fault(about(path, message), hint))

    def _at(self, path: Path, given: str) -> Mark:
        """The value when it is the name, else the key that is."""
        mark = self.mark(path)
        lines = mark.file.lines
        text = lines[mark.line - 1] if mark.line <= len(lines) else ""
        if given in text[mark.column - 1 : mark.column - 1 + mark.length]:
            return mark
        return self.key_mark(path)
