"""``pbx check``: is the dial plan right?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pbx.plan.faults import Fault
    from pbx.plan.model import Plan
    from pbx.plan.prompts import PromptProblem


@click.command()
@click.argument("plan", required=False, type=click.Path(path_type=Path), metavar="[PATH]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--strict", is_flag=True, help="Warnings and missing prompts fail too.")
@click.pass_context
def check(context: click.Context, plan: Path | None, as_json: bool, strict: bool) -> None:
    """Check the dial plan in PATH (a file or a folder; default: $VORONKA_PLAN, else config).

    Loads it just as the engine does, changes nothing, and prints every mistake with its place.
    Exits with 0 when it can be loaded, 1 when not.

    Example: pbx check config
    """
    from pbx.plan.faults import PlanError  # here: the loader's libraries are slow to import
    from pbx.plan.load import load
    from pbx.plan.prompts import missing

    path = plan or Path(os.environ.get("VORONKA_PLAN", "config"))
    try:
        loaded = load(path)
    except PlanError as error:
        if as_json:
            _print_json({"ok": False, "errors": [_fault(one) for one in error.faults]})
        else:
            click.echo(str(error), err=True)
        context.exit(1)
    problems = missing(loaded)
    if as_json:
        _print_json(
            {
                "ok": True,
                "errors": [],
                "digest": loaded.digest,
                "counts": _counts(loaded),
                "warnings": [_fault(one) for one in loaded.warnings],
                "missing_prompts": [
                    {"prompt": one.prompt, "language": one.language, "why": one.why}
                    for one in problems
                ],
            }
        )
    else:
        _print(path, loaded, problems)
    if strict and (loaded.warnings or problems):
        context.exit(1)


def _print(path: Path, plan: Plan, problems: list[PromptProblem]) -> None:
    for warning in plan.warnings:
        click.echo(f"warning: {warning.render()}")
    if problems:
        click.echo(f"{len(problems)} prompts are missing:")
        for problem in problems:
            click.echo(f"   {problem}")
    counts = ", ".join(
        f"{count} {what if count != 1 else _one(what)}" for what, count in _counts(plan).items()
    )
    click.echo(f"{path}: ok: {counts}")
    if plan.warnings:
        number = len(plan.warnings)
        click.echo(f"{number} {'warning' if number == 1 else 'warnings'}")


def _counts(plan: Plan) -> dict[str, int]:
    agents = plan.routing.agents.values()
    return {
        "numbers": len(plan.numbers),
        "managers": len(plan.routing.agents),
        "departments": len({agent.department for agent in agents if agent.department}),
        "queues": len(plan.routing.queues),
        "steps": len(plan.tree),
        "prompts": len(plan.prompts),
    }


def _one(what: str) -> str:
    return what.removesuffix("s")


def _fault(fault: Fault) -> dict[str, object]:
    return {
        "file": fault.file_name,
        "line": fault.line,
        "column": fault.column,
        "message": fault.message,
        "hint": fault.hint,
        "notes": list(fault.notes),
    }


def _print_json(content: dict[str, object]) -> None:
    import orjson

    click.echo(orjson.dumps(content, option=orjson.OPT_INDENT_2).decode())
