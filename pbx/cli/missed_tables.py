"""Missed calls as a table, as JSON and as CSV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime, tzinfo

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pbx.cli.output import as_json, csv_lines, shown
from pbx.cli.times import in_zone, span
from pbx.missed.rules import How, Task, TaskClass

_COLUMNS = tuple(field.name for field in fields(Task))
_CLASSES = {
    TaskClass.GOT_THROUGH: "got through later",
    TaskClass.WITHIN_20_MIN: "called back within 20 min",
    TaskClass.WITHIN_DAY: "called back within a day",
    TaskClass.NEVER: "never called back",
}


def render_tasks(
    tasks: Sequence[Task], console: Console, *, now: datetime, zone: tzinfo | None
) -> None:
    """Print a table of tasks, one row each, and a line of sums."""
    if not tasks:
        console.print("no missed calls")
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("id", no_wrap=True, style="dim")
    table.add_column("caller → number")
    table.add_column("calls", justify="right")
    table.add_column("first", no_wrap=True)
    table.add_column("last", no_wrap=True)
    table.add_column("how it was missed")
    table.add_column("owner")
    table.add_column("open for", justify="right", no_wrap=True)
    table.add_column("what came of it")
    for task in tasks:
        until = task.closed_at or now
        table.add_row(
            shown(task.task_id),
            shown(f"{task.number} {task.name}".strip()) + f"\n→ {shown(task.did)}",
            str(task.calls),
            _clock(task.first_at, zone),
            _clock(task.last_at, zone) if task.calls > 1 else "",
            shown(task.outcome).replace("_", " "),
            shown(task.owner or ""),
            span(max(0.0, (until - task.opened_at).total_seconds())),
            _result(task, now),
        )
    console.print(table)
    console.print(_sums(tasks, now))


def tasks_json(tasks: Sequence[Task], now: datetime) -> str:
    """A JSON array; times in UTC."""
    return as_json([_whole(task, now) for task in tasks])


def tasks_csv(tasks: Sequence[Task], now: datetime, zone: tzinfo | None) -> str:
    """A line for each task."""
    rows = [tuple(_whole(task, now).values()) for task in tasks]
    return csv_lines((*_COLUMNS, "owner", "class"), rows, zone)


def _whole(task: Task, now: datetime) -> dict[str, object]:
    classed = task.classed(now)
    return {**asdict(task), "owner": task.owner, "class": classed.value if classed else None}


def _result(task: Task, now: datetime) -> Text:
    classed = task.classed(now)
    if task.closed_at is None:
        return Text("open", style="red" if classed is TaskClass.NEVER else "yellow")
    by = shown(task.closed_by or "")
    if task.closed_how == How.HAND:
        return Text(f"closed by {by}: {shown(task.reason or '')}", style="magenta")
    assert classed is not None
    return Text(_CLASSES[classed] + (f" ({by})" if by else ""), style="green")


def _sums(tasks: Sequence[Task], now: datetime) -> Text:
    """``3 numbers to call back; ...`` over what is shown."""
    still = [task for task in tasks if task.closed_at is None]
    parts = [f"{len(still)} to call back"]
    closed = Counter(task.classed(now) for task in tasks if task.closed_at is not None)
    parts += [f"{closed[one]} {words}" for one, words in _CLASSES.items() if closed[one]]
    return Text(", ".join(parts), style="bold")


def _clock(at: datetime, zone: tzinfo | None) -> str:
    return f"{in_zone(at, zone):%d.%m. %H:%M:%S}"
