"""``pbx reload`` and ``pbx rollback``: another plan in the running engine, or the old one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from pbx.cli.output import as_json, shown
from pbx.control import ask
from pbx.errors import ControlError
from pbx.plan.load import read
from pbx.plan.versions import Version, VersionStore
from pbx.settings import state_dir

SET_ASIDE = ".before-rollback"
"""Appended to the name of a file that ``--write`` takes out of the plan's place."""

timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="Longest wait: new prompts are spoken first.",
)
json_option = click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")


@click.command()
@timeout_option
@json_option
def reload(timeout: float, json_wanted: bool) -> None:
    """Put the dial plan's files in force in the running engine: all of them, or nothing.

    Calls in progress go on with the plan they began with (docs/reload.md). Prints what changed;
    when there is a mistake, every one with its place, and the plan that was in force stays so.
    Exits with 0 when the plan is in force, 1 when not. The engine is found by $VORONKA_STATE_DIR.

    Example: pbx check && pbx reload
    """
    from pbx.cli.progress import working

    with working("loading the plan, and speaking its prompts"):
        reply = ask(state_dir(), {"command": "reload"}, timeout_s=timeout)
    _tell(reply, json_wanted)


@click.command()
@click.argument("version", required=False, default="")
@click.option(
    "--write", "write_wanted", is_flag=True, help="Write that version over the plan's files, too."
)
@timeout_option
@json_option
def rollback(version: str, write_wanted: bool, timeout: float, json_wanted: bool) -> None:
    """Put a version in force that was live before; default: the last one but the live.

    VERSION is a number or the beginning of a hash (pbx versions). The plan's own files are not
    touched: the rollback holds, over restarts too, until pbx reload or until these files change.
    With --write they are written anew; a file that had other words, or that the version
    does not have, stays beside them under a name with .before-rollback. Exits with 0 when that
    version is in force, 1 when not.

    Example: pbx rollback 12
    """
    from pbx.cli.progress import working

    request: dict[str, object] = {"command": "rollback", "version": version}
    with working("putting the version in force"):
        reply = ask(state_dir(), request, timeout_s=timeout)
    _tell(reply, json_wanted)
    if write_wanted:
        store = VersionStore(state_dir() / "plans")
        for line in write_over(Path(reply["path"]), store, store.find(str(reply["version"]))):
            click.echo(line, err=json_wanted)


def _tell(reply: dict[str, Any], json_wanted: bool) -> None:
    if json_wanted:
        click.echo(as_json({key: value for key, value in reply.items() if key != "text"}))
        return
    for problem in reply["problems"]:
        click.echo(_safe(problem))
    click.echo(_safe(reply["text"]))
    number = "not kept" if reply["version"] is None else f"version {reply['version']}"
    click.echo(f"in force: {number}, {reply['digest'][:12]}")


def _safe(text: str) -> str:
    return "\n".join(map(shown, text.splitlines()))


def write_over(path: Path, store: VersionStore, version: Version) -> list[str]:
    """Make the files at the plan's place those of a version; what was done, line by line.

    Raises ControlError, VersionError.
    """
    there, wanted = read(path), store.sources(version, path.parent)
    before = {file.name: (file, data) for file, data in there.contents}
    after = {file.name: data for file, data in wanted.contents}
    if not path.is_dir() and set(after) != {path.name}:
        raise ControlError(
            f"version {version.number} has the files {', '.join(after)}, {path} is one: "
            f"copy them from {wanted.path}"
        )
    done: list[str] = []
    try:
        for name, (file, data) in before.items():
            if after.get(name) != data:
                aside = file.with_name(file.name + SET_ASIDE)
                aside.write_bytes(data)
                done.append(f"{file}: kept as {aside.name}")
        for name, data in after.items():
            target = path / name if path.is_dir() else path
            if name not in before or before[name][1] != data:
                _replace(target, data)
                done.append(f"{target}: written")
        for name, (file, _) in before.items():
            if name not in after:
                file.unlink()
                done.append(f"{file}: removed")
    except OSError as error:
        raise ControlError(f"{path} could not be written: {error}") from error
    return done or [f"{path}: was so already"]


def _replace(target: Path, data: bytes) -> None:
    """Whole or not at all, with the rights that it had."""
    fresh = target.with_name(f".{target.name}.new")
    fresh.write_bytes(data)
    if target.exists():
        fresh.chmod(target.stat().st_mode)
    os.replace(fresh, target)
