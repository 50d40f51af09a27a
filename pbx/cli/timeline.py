"""One call's story, moment by moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from rich.console import Console
from rich.text import Text

from pbx.cli.output import shown
from pbx.cli.tables import caller, dialled, outcome_text
from pbx.cli.times import in_zone, span
from pbx.journal.story import CallStory, LegRow, OfferRow, RecordingRow, StepRow, WaitRow
from pbx.journal.tables import LegKind

# Of what happened in the same instant, an end is told before what followed from it.
_BEGIN, _END, _AFTER_END, _STEP, _WAIT, _OFFER, _LEG, _LATE, _LAST = range(9)
_NO_STYLE = ""
_KINDS = {
    "askcallback": "callback",
    "callout": "call out",
    "collectdigits": "digits",
    "dialagent": "manager",
    "hangup": "hang up",
    "needskill": "skill",
    "setvariable": "set",
    "toqueue": "queue",
}
"""The plan's words for a step's kind, where they differ."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened: when, from the call's beginning, and in words."""

    at: datetime
    offset_s: float
    words: str
    style: str = _NO_STYLE


def moments(story: CallStory) -> list[Moment]:
    """Everything that happened, in order."""
    call = story.call
    begins = f"{caller(call)} calls {dialled(call)}"
    if call.origin == "click":
        begins = f"{caller(call)} is called by a manager's click ({call.callback_of})"
    elif call.callback_of:
        begins = f"{caller(call)} is called back for {dialled(call)} (callback {call.callback_of})"
    told: list[tuple[datetime, int, str, str]] = [(call.started_at, _BEGIN, begins, "bold")]
    told += (
        (one.at, _STEP, _step(one), "cyan" if one.digits else _NO_STYLE) for one in story.steps
    )
    for wait in story.waits:
        told += _wait(wait)
    for offer in story.offers:
        told.append((offer.at, _OFFER, _offer(offer), _NO_STYLE))
    ends = {one.offer_id: one for one in story.offers if one.ended_at and one.result}
    for offer in ends.values():
        if offer.ended_at is not None:
            words = f"offer over: {_plain(offer.result or '')}"
            told.append((offer.ended_at, _AFTER_END, words, "dim"))
    for leg in story.legs:
        told += _leg(leg)
    for message in story.messages:
        words = f"leaves a message of {span(message.length_s)} for {message.box}: {message.path}"
        told.append((message.at, _STEP, words, _NO_STYLE))
    for recording in story.recordings:
        told += _recording(recording)
    for callback in story.callbacks:
        queue = f" by {callback.queue}" if callback.queue else ""
        number = callback.number or "a withheld number"
        told.append((callback.at, _STEP, f"asks to be called back{queue} at {number}", _NO_STYLE))
    if call.ended_at is not None:
        told.append((call.ended_at, _LAST, _end(story), "bold"))
    told.sort(key=lambda one: one[:2])
    return [
        Moment(at, (at - call.started_at).total_seconds(), shown(words), style)
        for at, _, words, style in told
    ]


def render_story(story: CallStory, console: Console, *, zone: tzinfo | None = None) -> None:
    """Print a call's head and its timeline; ``zone`` None: this machine's."""
    call = story.call
    at = in_zone(call.started_at, zone)
    head = Text(f"call {shown(call.call_id)}  {at:%Y-%m-%d %H:%M:%S %Z}  ", style="bold")
    console.print(head.append_text(outcome_text(call)))
    facts = [
        ("menu path", call.menu_path),
        ("queue", call.queue),
        ("strategy", call.strategy),
        ("manager", call.agent),
        ("wait", span(call.wait_s)),
        ("talk", span(call.talk_s)),
        ("language", call.language),
    ]
    line = "  ".join(f"{name}: {shown(value)}" for name, value in facts if value)
    console.print(Text(line, style="dim"))
    console.print()
    for moment in moments(story):
        text = Text(f"{moment.offset_s:9.2f} s  ", style="dim")
        text.append(moment.words, style=moment.style)
        # Further lines of a moment stand under its first one.
        for number, part in enumerate(text.wrap(console, max(20, console.width - 13))):
            console.print(part if number == 0 else Text(" " * 13).append_text(part))


def _recording(row: RecordingRow) -> Iterator[tuple[datetime, int, str, str]]:
    yield row.started_at, _LATE, f"is recorded: {row.path}", "dim"
    if row.length_s is not None:
        at = row.started_at + timedelta(seconds=row.length_s)
        words = f"recording of {span(row.length_s)} is kept until {row.keep_until:%Y-%m-%d}"
        yield at, _LATE, words, "dim"
    elif row.problem:
        yield row.started_at, _LATE, f"recording failed: {row.problem}", "red"
    if row.removed_at is not None:
        yield row.removed_at, _LAST, "recording removed", "dim"


def _step(step: StepRow) -> str:
    where = f"{_KINDS.get(step.kind, step.kind)} {step.node}".strip()
    if step.digits is None:
        return f"{where}: {step.detail}"
    pressed = f"pressed {step.digits}" if step.digits else "nothing pressed"
    return f"{where}: {pressed} ({step.detail})"


def _wait(wait: WaitRow) -> Iterator[tuple[datetime, int, str, str]]:
    priority = f", priority {wait.priority}" if wait.priority else ""
    words = f"waits in {wait.queue}, place {wait.position}{priority}"
    yield wait.started_at, _WAIT, words, _NO_STYLE
    if wait.ended_at is not None:
        rank = _LATE if wait.ended_at == wait.started_at else _AFTER_END
        words = (
            f"wait in {wait.queue} over after {span(wait.waited_s)}: {_plain(wait.reason or '')}"
        )
        yield wait.ended_at, rank, words, "dim"


def _offer(offer: OfferRow) -> str:
    words = f"offered to {', '.join(offer.chosen) or 'nobody'} by {offer.strategy}: {offer.why}"
    if not offer.left_out:
        return words
    left_out = ", ".join(f"{one.agent} ({_plain(one.reason)})" for one in offer.left_out)
    return f"{words}; left out: {left_out}"


def _leg(leg: LegRow) -> Iterator[tuple[datetime, int, str, str]]:
    if leg.kind in (LegKind.INBOUND, LegKind.BRIDGE):
        return  # told by the call's and the device's own moments
    if leg.kind == LegKind.TRANSFER:
        yield leg.started_at, _STEP, f"is sent on to {leg.address}", _NO_STYLE
        return
    who = f"{leg.agent} ({leg.address})" if leg.agent else leg.address
    yield leg.started_at, _LEG, f"{who} is called", _NO_STYLE
    if leg.rang_at is not None:
        yield leg.rang_at, _LATE, f"{who} rings", "dim"
    if leg.joined_at is not None:
        yield leg.joined_at, _END, f"{who} answers: both talk", "green"
    if leg.ended_at is not None:
        rank = _LATE if leg.ended_at == leg.started_at else _END
        yield leg.ended_at, rank, _leg_end(leg, who), _NO_STYLE


def _leg_end(leg: LegRow, who: str) -> str:
    cause = f" ({leg.cause})" if leg.cause else ""
    talk = f", talked {span(leg.talk_s)}" if leg.talk_s else ""
    return f"{who} ends: {_plain(leg.disposition or '')}{cause}, rang {span(leg.ring_s)}{talk}"


def _end(story: CallStory) -> str:
    call = story.call
    words = f"the call ends: {_plain(call.outcome or '')}"
    if call.short:
        words += " (short)"
    if call.cause:
        words += f" ({call.cause})"
    return words


def _plain(word: str) -> str:
    return word.replace("_", " ")
