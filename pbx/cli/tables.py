"""Calls as a table that a person can read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pbx.cli.output import shown
from pbx.cli.times import in_zone, span
from pbx.journal.story import CallRow, LegRow, Totals
from routing.values import Disposition, Outcome

OUTCOME_STYLES = {
    Outcome.ANSWERED.value: "green",
    Outcome.ABANDONED_IN_MENU.value: "yellow",
    Outcome.ABANDONED_WAITING.value: "yellow",
    Outcome.OVERFLOW.value: "cyan",
    Outcome.VOICEMAIL.value: "cyan",
    Outcome.FAILED.value: "red",
    Outcome.REJECTED.value: "magenta",
}
WIDTH_WITHOUT_TERMINAL = 160
"""Columns where the output goes to a file or a pipe."""

MADE_BY = {"client": "", "callback": "called back, ", "click": "called by click, "}
"""What stands before the number of a call, by its origin."""


def make_console(*, width: int | None = None) -> Console:
    """For standard output: as wide as the terminal, or wide enough where there is none."""
    console = Console(highlight=False, width=width)
    if width is None and not console.is_terminal:
        console.width = WIDTH_WITHOUT_TERMINAL
    return console


def render_calls(
    rows: Sequence[CallRow],
    console: Console,
    *,
    zone: tzinfo | None = None,
    totals: Totals | None = None,
) -> None:
    """Print a table of calls, one row each, and the totals under it.

    ``zone`` None: this machine's.  ``totals``: of more calls than are shown; None: of ``rows``.
    """
    if not rows:
        console.print("no calls")
        return
    days = {in_zone(row.started_at, zone).date() for row in rows}
    table = Table(box=box.SIMPLE_HEAD, show_lines=len(rows) <= 100, padding=(0, 1))
    table.add_column("time, id", no_wrap=True)
    table.add_column("caller → number")
    table.add_column("menu path")
    table.add_column("queue, strategy")
    table.add_column("legs: who rang, how long, result", min_width=24)
    table.add_column("wait", justify="right", no_wrap=True)
    table.add_column("talk", justify="right", no_wrap=True)
    table.add_column("outcome")
    for row in rows:
        at = in_zone(row.started_at, zone)
        when = f"{at:%H:%M:%S}" if len(days) == 1 else f"{at:%d.%m. %H:%M:%S}"
        table.add_row(
            _lines((when, ""), (row.call_id, "dim")),
            _lines(
                (caller(row), ""),
                (f"{MADE_BY[row.origin]}→ {dialled(row)}", "dim"),
            ),
            Text(shown(row.menu_path)),
            _lines((row.queue or "", ""), (row.strategy or "", "dim")),
            Text("\n").join(map(leg_text, row.legs)),
            span(row.wait_s),
            span(row.talk_s),
            outcome_text(row),
        )
    first, last = min(days), max(days)
    console.print(f"{first}" if first == last else f"{first} to {last}", style="bold")
    console.print(table)
    console.print(totals_text(totals or Totals.of(rows)))


def totals_text(totals: Totals) -> Text:
    """``12 calls: 8 answered, ...; wait of answered calls 4.1 s, talk 32 s on average``."""
    parts = []
    for name, number in totals.by_outcome.items():
        words = name.replace("_", " ")
        if name == Outcome.ABANDONED_WAITING and totals.short:
            words += f" ({totals.short} of them short)"
        parts.append(f"{number} {words}")
    if totals.in_progress:
        parts.append(f"{totals.in_progress} in progress")
    noun = "call" if totals.calls == 1 else "calls"
    line = f"{totals.calls} {noun}: " + ", ".join(parts)
    if totals.asa_s is not None:
        line += f"; answered ones on average: wait {span(totals.asa_s)}, talk {span(totals.talk_s)}"
    return Text(line, style="bold")


def caller(row: CallRow) -> str:
    """The caller's number and name, as far as they were shown."""
    number = row.number or row.number_raw or "withheld"
    return shown(f"{number} {row.name}".strip())


def dialled(row: CallRow) -> str:
    """The number that was dialled and where it is advertised."""
    return shown(f"{row.did} ({row.source})" if row.source else row.did)


def outcome_text(row: CallRow) -> Text:
    """How the call ended, coloured."""
    if row.outcome is None:
        return Text("in progress", style="blue")
    words = shown(row.outcome).replace("_", " ")
    if row.short:
        words += " (short)"
    if row.reconstructed:
        words += " (reconstructed)"
    return Text(words, style=OUTCOME_STYLES.get(row.outcome, ""))


def leg_text(leg: LegRow) -> Text:
    """``anna 12 s no answer``."""
    text = Text(shown(leg.agent or leg.address))
    if leg.ring_s is not None:
        text.append(f" {span(leg.ring_s)}", style="dim")
    answered = leg.disposition == Disposition.ANSWERED
    words = (leg.disposition or ("talking" if leg.joined_at else "ringing")).replace("_", " ")
    return text.append(f" {shown(words)}", style="green" if answered else "dim")


def _lines(*lines: tuple[str, str]) -> Text:
    return Text("\n").join(Text(shown(line), style=style) for line, style in lines if line)
