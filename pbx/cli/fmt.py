"""``pbx fmt``: a plan's files in one style."""

from __future__ import annotations

import difflib
from pathlib import Path

import click

from pbx.errors import PbxError


@click.command()
@click.argument("plan", required=False, type=click.Path(path_type=Path), metavar="[PATH]")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 when a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; print what would change.")
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON object.")
@click.pass_context
def fmt(
    context: click.Context, plan: Path | None, check: bool, diff: bool, json_wanted: bool
) -> None:
    """Format the plan's files in PATH (a file or a folder; default: $VORONKA_PLAN, else config).

    Indents and blank lines become the same everywhere; comments, order, quotes and meaning stay.
    A file is written as a whole or not at all, and only when it still means the same.

    Example: pbx fmt --check config
    """
    from pbx.plan.faults import PlanError  # here: slow to import
    from pbx.plan.format import formatted, replace
    from pbx.plan.load import plan_files
    from pbx.settings import plan_path

    changed: list[str] = []
    failed: list[dict[str, str]] = []
    writes = not (check or diff)
    for file in plan_files(plan or plan_path()):
        try:
            data = file.read_bytes()
            text = formatted(file, data)
            if text.encode() == data:
                continue
            changed.append(str(file))
            if diff and not json_wanted:
                old = data.decode("utf-8-sig").splitlines(keepends=True)
                new = text.splitlines(keepends=True)
                lines = difflib.unified_diff(old, new, str(file), str(file))
                click.echo("".join(lines), nl=False)
            if writes:
                replace(file, text)
        except (PlanError, PbxError) as error:
            failed.append({"file": str(file), "why": str(error)})
        except OSError as error:
            failed.append({"file": str(file), "why": f"{file}: {error.strerror}"})
    _tell(changed, failed, writes=writes, json_wanted=json_wanted, quiet=diff)
    if failed or (check and changed):
        context.exit(1)


def _tell(
    changed: list[str],
    failed: list[dict[str, str]],
    *,
    writes: bool,
    json_wanted: bool,
    quiet: bool,
) -> None:
    if json_wanted:
        from pbx.cli.output import as_json

        click.echo(as_json({"ok": not failed, "changed": changed, "failed": failed}))
        return
    for one in failed:
        click.echo(one["why"], err=True)
    if quiet:
        return
    for name in changed:
        click.echo(f"{name}: {'formatted' if writes else 'would be formatted'}")
    if not changed and not failed:
        click.echo("all files are in style")
