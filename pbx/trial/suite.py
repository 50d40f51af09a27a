"""All tests of a plan: run in virtual time, told with what differs, and which ways none took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from pbx.graph.build import build
from pbx.graph.funnel import Counting
from pbx.graph.model import Way
from pbx.journal.port import MenuStep
from pbx.journal.walks import Walked
from pbx.plan.model import Plan
from pbx.trial.cases import Case, read_cases
from pbx.trial.expected import Difference, differences
from pbx.trial.play import Played, play
from routing.strategy import Registry

FOLDER = "tests"
"""Beside the plan's files; the loader of plans does not look into it."""


@dataclass(frozen=True, slots=True)
class Result:
    """One test; it passed when nothing differs."""

    case: Case
    played: Played
    differences: tuple[Difference, ...]


def files_of(path: Path) -> list[Path]:
    """Test files of a plan (a file or a folder), sorted."""
    folder = path if path.is_dir() else path.parent
    return sorted((folder / FOLDER).glob("*.yaml"))


def plan_beside(file: Path) -> Path | None:
    """The folder of the plan that this file tests; None for what is no file of tests."""
    whole = file.absolute()
    return whole.parent.parent if whole.parent.name == FOLDER and whole.is_file() else None


def cases_of(plan: Plan, files: Iterable[Path]) -> list[Case]:
    """The tests of these files.  Raises PlanError for a file with mistakes."""
    return [case for file in files for case in read_cases(file, plan)]


def run(plan: Plan, cases: Iterable[Case], strategies: Registry) -> Iterator[Result]:
    """Each test in turn."""
    for case in cases:
        played = play(plan, case.situation, case.caller, strategies=strategies)
        yield Result(case, played, tuple(differences(case.expected, played)))


@dataclass(frozen=True, slots=True)
class Coverage:
    """Ways of the plan's picture, with the keys that stand inside its boxes, and those of both
    that no test has taken."""

    ways: int
    untaken: tuple[Way, ...]


def coverage(plan: Plan, results: Sequence[Result]) -> Coverage:
    """Which keys and ways out were taken."""
    picture = build(plan)
    inside = [
        Way(box.box_id, word, key, key=key, place=box.place)
        for box in picture.boxes
        for key, word in (box.stays or {}).items()
    ]
    counts = Counting(plan, picture).count(_walked(one.case, one.played) for one in results)
    between = Counter((way.source, way.target) for way in picture.ways if way.key is None)
    steps = [
        stamped.entry
        for one in results
        for stamped in one.played.entries
        if isinstance(stamped.entry, MenuStep)
    ]
    why = {(one.node_id, one.detail.partition(" → ")[0]) for one in steps}
    pressed = {(one.node_id, one.digits) for one in steps}

    def taken(way: Way) -> bool:
        # Ways of a step to one place (busy, no answer) are told apart by the step's own words.
        if way.key is None and between[way.source, way.target] > 1 and way.source in plan.tree:
            return (way.source, way.label) in why
        return bool(counts.took[way])

    ways = [way for way in picture.ways if way.label or not way.target.startswith("team=")]
    untaken = [way for way in ways if not taken(way)]
    untaken += [way for way in inside if (way.source, way.key) not in pressed]
    return Coverage(len(ways) + len(inside), tuple(untaken))


def _walked(case: Case, played: Played) -> Walked:
    return Walked(
        call_id=case.place,
        did=case.caller.dialled,
        outcome=played.outcome.value if played.outcome else None,
        last_node=played.last_node,
        queue=played.queues[-1] if played.queues else None,
        agent=played.talked[-1] if played.talked else None,
        steps=played.steps,
    )


def junit(results: Iterable[Result]) -> str:
    """JUnit's XML, as CI servers read it."""
    done = list(results)
    failed = [one for one in done if one.differences]
    root = ElementTree.Element(
        "testsuite", name="dial plan", tests=str(len(done)), failures=str(len(failed))
    )
    for one in done:
        file, _, line = one.case.place.rpartition(":")
        case = ElementTree.SubElement(
            root, "testcase", classname=file, name=one.case.name, file=file, line=line
        )
        if one.differences:
            words = "; ".join(difference.what for difference in one.differences)
            failure = ElementTree.SubElement(case, "failure", message=words)
            failure.text = "\n".join(told(one))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def told(result: Result) -> Iterator[str]:
    """What differs, a line for what was expected and one for what was."""
    for one in result.differences:
        yield f"{one.what}: expected {one.expected}"
        yield f"{'':{len(one.what)}}  was      {one.was}"
