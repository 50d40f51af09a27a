"""``pbx diff`` and ``pbx versions``: what was live, and what another plan would change."""

from __future__ import annotations

from dataclasses import asdict
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from pbx.cli.options import zone
from pbx.cli.output import as_json, shown
from pbx.cli.times import in_zone
from pbx.errors import PbxError, VersionError
from pbx.settings import plan_path, state_dir

if TYPE_CHECKING:
    from pbx.plan.load import Loaded
    from pbx.plan.versions import VersionStore


@click.command()
@click.argument("plan", required=False, type=click.Path(path_type=Path), metavar="[PATH]")
@click.option("--from", "old", metavar="VERSION", help="Compare with this version, not the live.")
@click.option("--to", "new", metavar="VERSION", help="Compare this version, not PATH.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 when there is a difference.")
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")
@click.pass_context
def diff(
    context: click.Context,
    plan: Path | None,
    old: str | None,
    new: str | None,
    exit_code: bool,
    json_wanted: bool,
) -> None:
    """What the plan in PATH would change in the live one (default: $VORONKA_PLAN, else config).

    Managers, queues, numbers, menus and so on, added (+), removed (-) or altered (~), with the
    keys. The live plan is the last version of the engine whose $VORONKA_STATE_DIR this is; it
    need not run. VERSION is a number or the beginning of a hash (pbx versions).

    Example: pbx diff --from 11 --to 12
    """
    from pbx.plan.changes import differences, render  # here: the loader is slow to import
    from pbx.plan.load import build, read
    from pbx.plan.versions import VersionStore

    if plan is not None and new is not None:
        raise click.UsageError("PATH and --to: keep one")
    store, path = VersionStore(state_dir() / "plans").readable(), plan or plan_path()
    before = _version(store, old or "", path)
    after = build(read(path)) if new is None else _version(store, new, path)
    changes = differences(before, after)
    if json_wanted:
        click.echo(as_json([asdict(one) for one in changes]))
    else:
        click.echo("\n".join(map(shown, render(changes).splitlines())))
    if exit_code and changes:
        context.exit(1)


def _version(store: VersionStore, reference: str, path: Path) -> Loaded:
    """Raises VersionError, PlanError."""
    from pbx.plan.load import build, folder_of

    version = store.find(reference) if reference else store.live()
    if version is None:
        raise VersionError(f"no plan was live yet, by {state_dir()} ($VORONKA_STATE_DIR)")
    return build(store.sources(version, folder_of(path)))


@click.command()
@click.option(
    "--tz",
    metavar="ZONE",
    envvar="VORONKA_TZ",
    help="Time zone of what is shown, as Europe/Moscow (default: the live plan's).",
)
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")
def versions(tz: str | None, json_wanted: bool) -> None:
    """List the versions of the dial plan that were live, the newest last, which is the live one.

    Each with its number, when it went live, what made it so, the beginning of its hash, and who
    asked. The last 100 are kept, in $VORONKA_STATE_DIR.

    Example: pbx versions --tz Europe/Moscow
    """
    from pbx.plan.versions import VersionStore

    store = VersionStore(state_dir() / "plans").readable()
    found = store.all()
    local = _zone_of_live(store) if tz is None else zone(tz)
    if json_wanted:
        click.echo(as_json([asdict(one) for one in found]))
        return
    for one in found:
        at = in_zone(one.at, local).strftime("%Y-%m-%d %H:%M:%S")
        live = "  live" if one is found[-1] else ""
        how = one.how.value
        click.echo(f"{one.number:>5}  {at}  {how:8}  {one.digest[:12]}  {shown(one.author)}{live}")
    if not found:
        click.echo(f"no plan was live yet, by {state_dir()} ($VORONKA_STATE_DIR)")


def _zone_of_live(store: VersionStore) -> tzinfo | None:
    """The company's own clock; this machine's where the live plan can't be read any more."""
    try:
        return ZoneInfo(_version(store, "", plan_path()).plan.time_zone)
    except PbxError:
        return None
