"""``pbx try``: walk a call through the plan in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from pbx.engine.virtual import Reply
    from pbx.plan.model import Plan
    from pbx.switch.script import PhoneAct
    from pbx.trial.play import Played, Situation
    from routing.values import AgentId

T = TypeVar("T")


@click.command("try")
@click.argument("number", metavar="NUMBER")
@click.option(
    "--from", "caller", default="", metavar="NUMBER", help="Who calls. Default: withheld."
)
@click.option(
    "--at", metavar="TIME", help="'fri 18:55' (the next) or '2026-12-31 18:55'. Default: now."
)
@click.option("--keys", metavar="KEYS,...", help="Pressed at one question each; none is asked for.")
@click.option("--busy", metavar="MANAGER,...", default="", help="In calls of their own.")
@click.option("--away", metavar="MANAGER,...", default="", help="Not at work.")
@click.option("--spoke", metavar="MANAGER", help="Who talked with this caller yesterday.")
@click.option(
    "--phone",
    "phones",
    multiple=True,
    metavar="MANAGER=DOES",
    help="ivanov=busy, 'ivanov=answers after 8s', rejects, 'no answer', unreachable.",
)
@click.option(
    "--lookup",
    metavar="SAYS",
    help="What a CRM says: manager=ivanov,vip=yes,name=...,language=en,after=1s; late; broken.",
)
@click.option(
    "--hang-up",
    metavar="WHEN",
    help="Where the caller hangs up: menu, waiting, ringing or talking; 'waiting after 20s'.",
)
@click.option("--in-line", metavar="KEY", help="A key pressed while waiting: 1, or '1 after 30s'.")
@click.option("--plan", "path", type=click.Path(path_type=Path), help="Default: $VORONKA_PLAN.")
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON object; asks nothing.")
def try_call(
    number: str,
    caller: str,
    at: str | None,
    keys: str | None,
    busy: str,
    away: str,
    spoke: str | None,
    phones: tuple[str, ...],
    lookup: str | None,
    hang_up: str | None,
    in_line: str | None,
    path: Path | None,
    json_wanted: bool,
) -> None:
    """Walk a call to NUMBER through the plan: what the caller hears, who rings, and why.

    At a terminal you press the keys, hang up, and say what each phone does. With --keys, or where
    nobody is at a terminal, nothing is asked: a phone of which nothing is said answers after 3 s.

    Example: pbx try +78005553535 --from +79161234567 --at 'fri 18:55' --keys 2,1 --busy kuznetsova
    """
    from pbx.numbers import normalise
    from pbx.plan.load import load
    from pbx.plan.strategies import installed_strategies
    from pbx.settings import plan_path
    from pbx.switch.script import CallerScript
    from pbx.trial import asking
    from pbx.trial.cases import caller_number, hangs_up, key_in_line
    from pbx.trial.cases import keys as read_keys
    from pbx.trial.play import play

    plan = load(path or plan_path())
    did = normalise(number, plan.region).e164 or number
    if did not in plan.numbers:
        known = ", ".join(plan.numbers)
        raise click.BadParameter(
            f"{number!r} is no number of the plan: {known}", param_hint="NUMBER"
        )
    caller = _read("--from", partial(caller_number, region=plan.region), caller)
    situation = _situation(plan, caller, at, busy, away, spoke, phones, lookup)
    pressed = [_read("--keys", read_keys, one) for one in _several(keys)]
    script = CallerScript(
        "",
        0.0,
        did,
        caller,
        tuple(pressed),
        hang_up=None if hang_up is None else _read("--hang-up", hangs_up, hang_up),
        in_line=None if in_line is None else _read("--in-line", key_in_line, in_line),
    )
    asks = keys is None and not json_wanted and sys.stdin.isatty()
    strategies = installed_strategies()
    if asks:
        asking.ask_through(plan, situation, script, strategies=strategies)
        return
    played = play(plan, situation, script, strategies=strategies)
    never_asked = [one for one in pressed[sum(one.asks for one in played.heard) :] if one]
    if json_wanted:
        _print_json(played, never_asked)
        return
    from pbx.cli.output import shown
    from pbx.trial.story import lines

    for line in lines(plan, played):
        click.echo(shown(line))
    if never_asked:
        click.echo(f"never asked for: {', '.join(never_asked)} (--keys)")


def _situation(
    plan: Plan,
    caller: str,
    at: str | None,
    busy: str,
    away: str,
    spoke: str | None,
    phones: tuple[str, ...],
    lookup: str | None,
) -> Situation:
    from pbx.cli.options import now_utc
    from pbx.numbers import normalise
    from pbx.plan import written
    from pbx.simulate.read import one_of
    from pbx.trial.cases import act, moment
    from pbx.trial.lookups import in_words
    from pbx.trial.play import Situation
    from routing.values import AgentId

    zone = written.time_zone(plan.time_zone)
    known = one_of("manager", plan.routing.agents)

    def agents(option: str, text: str) -> frozenset[AgentId]:
        return frozenset(AgentId(_read(option, known, one)) for one in _several(text))

    def when(text: str) -> datetime:
        return moment(text, zone, from_day=today)

    def says(text: str) -> Reply:
        return in_words(text, plan.routing.agents)

    caller_known = normalise(caller, plan.region).e164
    if spoke and not caller_known:
        raise click.UsageError("--spoke: with whom? Say the caller's number: --from +79161234567")
    now = now_utc().astimezone(zone)
    today: date = now.date()
    does: dict[AgentId, PhoneAct] = {}
    for one in phones:
        name, _, what = one.partition("=")
        does[AgentId(_read("--phone", known, name))] = _read("--phone", act, what)
    return Situation(
        at=now if at is None else _read("--at", when, at),
        busy=agents("--busy", busy),
        away=agents("--away", away),
        spoke={caller_known: AgentId(_read("--spoke", known, spoke))} if spoke else {},
        phones=does,
        lookup=None if lookup is None else _read("--lookup", says, lookup),
    )


def _several(text: str | None) -> list[str]:
    return [one.strip() for one in (text or "").split(",")] if text else []


def _read(option: str, read: Callable[[str], T], text: str) -> T:
    from pbx.plan.written import Wrong

    try:
        return read(text)
    except Wrong as error:
        hints = "; ".join(filter(None, (error.hint, *error.notes)))
        more = f" ({hints})" if hints else ""
        raise click.BadParameter(f"{error.message}{more}", param_hint=option) from error


def _print_json(played: Played, never_asked: list[str]) -> None:
    from pbx.cli.output import as_json
    from pbx.trial.expected import heard_names

    content = {
        "began": played.began,
        "heard": heard_names(played),
        "steps": [{"node": node, "pressed": digits} for node, digits in played.steps],
        "never_asked_for": never_asked,
        "queues": played.queues,
        "rang": played.rang,
        "talked": played.talked,
        "outcome": played.outcome,
        "voicemail": played.voicemail,
        "callback": played.callback,
    }
    click.echo(as_json(content))
