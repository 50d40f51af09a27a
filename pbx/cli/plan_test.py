"""``pbx test``: the dial plan's own tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pbx.trial.suite import Coverage, Result


@click.command()
@click.argument("path", required=False, type=click.Path(path_type=Path), metavar="[PATH]")
@click.option("--coverage", "uncovered", is_flag=True, help="Name every way that no test takes.")
@click.option(
    "--junit",
    "junit_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write JUnit's XML there.",
)
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON object.")
@click.option("-k", "only", metavar="WORDS", help="Tests whose names contain these words.")
@click.pass_context
def test(
    context: click.Context,
    path: Path | None,
    uncovered: bool,
    junit_file: Path | None,
    json_wanted: bool,
    only: str | None,
) -> None:
    """Run the tests of the dial plan in PATH (default: $VORONKA_PLAN, else config).

    They stand in the folder tests beside the plan's files (docs/try.md) and run in virtual time
    on the core that takes real calls. PATH may be one of these files, too. Exits with 1 when one
    fails, or when there is none.

    Example: pbx test config --coverage
    """
    from pbx.cli.progress import progress
    from pbx.plan.load import load
    from pbx.plan.strategies import installed_strategies
    from pbx.settings import plan_path
    from pbx.trial import suite

    path = path or plan_path()
    beside = suite.plan_beside(path)
    plan = load(beside or path)
    files = suite.files_of(path) if beside is None else [path]
    cases = [
        one
        for one in suite.cases_of(plan, files)
        if only is None or only.lower() in one.name.lower()
    ]
    played = suite.run(plan, cases, installed_strategies())
    results = list(progress(played, len(cases), "tests"))
    covered = suite.coverage(plan, results)
    if junit_file is not None:
        try:
            junit_file.write_text(suite.junit(results), encoding="utf-8")
        except OSError as error:
            raise click.ClickException(f"{junit_file}: {error.strerror}") from error
    if json_wanted:
        _print_json(results, covered)
    else:
        _print(plan, results, covered, uncovered=uncovered, only=only)
    if not results or any(one.differences for one in results):
        context.exit(1)


def _print(
    plan: object,
    results: list[Result],
    covered: Coverage,
    *,
    uncovered: bool,
    only: str | None,
) -> None:
    from pbx.cli.output import shown
    from pbx.plan.model import Plan
    from pbx.trial.story import lines
    from pbx.trial.suite import told

    assert isinstance(plan, Plan)
    for one in results:
        if not one.differences:
            continue
        click.echo(f"FAILED {one.case.place}: {shown(one.case.name)}")
        for line in told(one):
            click.echo(f"  {shown(line)}")
        click.echo("  what happened:")
        for line in lines(plan, one.played):
            click.echo(f"  {shown(line)}")
        click.echo()
    if uncovered:
        for way in covered.untaken:
            label = f" ({way.label})" if way.label else ""
            place = f"{way.place}: " if way.place else ""
            click.echo(f"no test: {place}{way.source} to {way.target}{label}")
    failed = sum(bool(one.differences) for one in results)
    taken = covered.ways - len(covered.untaken)
    share = 100 * taken // covered.ways if covered.ways else 100
    if not results and only is not None:
        click.echo(f"no test has {shown(only)!r} in its name")
        return
    if not results:
        click.echo("no tests: write some into the folder tests beside the plan (docs/try.md)")
        return
    click.echo(
        f"{len(results) - failed} passed, {failed} failed; "
        f"{taken} of {covered.ways} ways of the plan taken ({share} %)"
    )


def _print_json(results: list[Result], covered: Coverage) -> None:
    from pbx.cli.output import as_json

    content = {
        "tests": [
            {
                "name": one.case.name,
                "place": one.case.place,
                "passed": not one.differences,
                "differences": one.differences,
            }
            for one in results
        ],
        "ways": covered.ways,
        "untaken": [
            {
                "from": way.source,
                "to": way.target,
                "label": way.label,
                "place": str(way.place or ""),
            }
            for way in covered.untaken
        ],
    }
    click.echo(as_json(content))
