"""``pbx graph``: the dial plan as a picture, and what callers did in it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pbx.cli.options import db_option, moment_option, open_log, plan_tz_option, zone
from pbx.cli.times import FORMS

if TYPE_CHECKING:
    from pbx.graph.funnel import Funnel
    from pbx.graph.model import Graph
    from pbx.plan.model import Plan

_FORMS = ("svg", "png", "dot", "mermaid", "json")
_BY_SUFFIX = {
    ".svg": "svg",
    ".png": "png",
    ".dot": "dot",
    ".gv": "dot",
    ".mmd": "mermaid",
    ".json": "json",
}


@click.command()
@click.argument("plan", required=False, type=click.Path(path_type=Path), metavar="[PATH]")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write; its suffix tells the format. Default: standard output.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMS),
    help="svg and png need Graphviz, the others do not. Default: by the file's suffix, else dot.",
)
@click.option("--json", "json_wanted", is_flag=True, help="The same as --format json.")
@click.option("--calls", "calls_wanted", is_flag=True, help="With the log's calls counted in.")
@click.option("--funnel", is_flag=True, help="Print these counts as a table, draw nothing.")
@click.option("--since", metavar="TIME", help=f"Calls that began then or later: {FORMS}.")
@click.option("--until", metavar="TIME", help="Calls that began before; a day is included.")
@db_option
@plan_tz_option
def graph(
    plan: Path | None,
    output: Path | None,
    form: str | None,
    json_wanted: bool,
    calls_wanted: bool,
    funnel: bool,
    since: str | None,
    until: str | None,
    db: str | None,
    tz: str | None,
) -> None:
    """Draw the dial plan in PATH (a file or a folder; default: $VORONKA_PLAN, else config).

    Numbers at the left, menus with their keys, queues, and the managers by department at the
    right; each box and way leads to its line in the plan. With --calls each way is as wide as
    many callers took it, and each box tells how many came and how many of them hung up there.
    Calls are placed by the plan as it is now: what it does not know is listed, not drawn.

    Examples:

    \b
      pbx graph config -o plan.svg
      pbx graph --calls --since 7d -o week.png
      pbx graph --funnel --since today
    """
    form = _form(form, output, json_wanted)
    counted = calls_wanted or funnel
    if not counted and (since or until or db):
        raise click.UsageError("--since, --until and --db belong to --calls or --funnel")
    if form == "png" and output is None and sys.stdout.isatty():
        raise click.UsageError("a PNG is nothing for a terminal: name a file with -o")
    # Here, not above: slow to import, and a slip in the options is told without them.
    from pbx.graph.build import build
    from pbx.plan.load import load
    from pbx.settings import plan_path

    loaded = load(plan or plan_path())
    picture = build(loaded)
    counts = _count(loaded, picture, since, until, db, tz) if counted else None
    if counts is not None and funnel and not json_wanted:
        from pbx.cli.funnel_table import render_funnel
        from pbx.cli.tables import make_console

        render_funnel(picture, counts, make_console())
        return
    _write(_drawn(picture, counts, form, output), output)


def _form(form: str | None, output: Path | None, json_wanted: bool) -> str:
    by_suffix = _BY_SUFFIX.get(output.suffix.lower()) if output is not None else "dot"
    if json_wanted:
        if form not in (None, "json"):
            raise click.UsageError("--json or --format, not both")
        return "json"
    if form is None and by_suffix is None:
        known = ", ".join(_BY_SUFFIX)
        raise click.UsageError(f"-o {output}: say --format, or end the name with {known}")
    return form or by_suffix or "dot"


def _count(
    plan: Plan,
    picture: Graph,
    since: str | None,
    until: str | None,
    db: str | None,
    tz: str | None,
) -> Funnel:
    from pbx.cli.progress import progress
    from pbx.graph.funnel import Counting
    from pbx.journal.walks import count_walks, walks

    local = zone(tz or plan.time_zone)
    begin, end = moment_option("--since", since, local), moment_option("--until", until, local)
    log = open_log(db)
    total = count_walks(log, begin, end)
    return Counting(plan, picture).count(progress(walks(log, begin, end), total, "calls"))


def _drawn(picture: Graph, counts: Funnel | None, form: str, output: Path | None) -> bytes:
    from pbx.cli.progress import working
    from pbx.graph import dot, draw, other_forms

    if form == "json":
        from pbx.cli.output import as_json

        return f"{as_json(other_forms.to_values(picture, counts))}\n".encode()
    if form == "mermaid":
        return other_forms.to_mermaid(picture, counts).encode()
    folder = None if output is None else output.parent
    text = dot.to_dot(picture, counts, link=dot.link_from(folder))
    if form == "dot":
        return text.encode()
    with working("drawing"):
        return draw.draw(text, form)


def _write(content: bytes, output: Path | None) -> None:
    if output is None:
        sys.stdout.buffer.write(content)
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise click.ClickException(f"{output} can't be written: {error.strerror}") from error
