"""A call walked by a person at a terminal: they press the keys and are the phones."""

from __future__ import annotations

from functools import partial

import click

from ivr.commands import Collect
from ivr.events import DigitsPressed
from ivr.nodes import Prompt
from pbx.plan.model import Plan
from pbx.plan.written import Wrong
from pbx.switch.script import CallerScript, PhoneAct
from pbx.trial.cases import act
from pbx.trial.play import ListeningSwitch, Situation, play, script_of, start_of
from pbx.trial.story import Teller
from routing.strategy import Registry
from routing.values import AgentId, Seconds

HANG_UP = "h"


class AskingSwitch(ListeningSwitch):
    """What a script would say is asked."""

    def __init__(
        self, plan: Plan, situation: Situation, caller: CallerScript, teller: Teller
    ) -> None:
        super().__init__(script_of(plan, situation, caller), start=start_of(situation))
        self._teller = teller
        self._known = set(situation.phones)
        self._owners: dict[str, AgentId] = {
            device.address: agent.agent_id
            for agent in plan.routing.agents.values()
            for device in agent.devices
        }

    def _hears(self, prompts: tuple[Prompt, ...], language: str, *, asks: bool) -> None:
        super()._hears(prompts, language, asks=asks)
        self.tell(self._teller.heard(self.heard[-1]))

    def tell(self, line: str) -> None:
        """A line with the time of the call."""
        if line:
            click.echo(f"{self._now - self._start - self._came_s:6.1f} s  {line}")

    def _presses(self, caller: object, ask: Collect) -> tuple[Seconds, DigitsPressed]:
        text = click.prompt(
            f"          up to {ask.max_digits} key(s); Enter: nothing; {HANG_UP}: hang up",
            default="",
            show_default=False,
        ).strip()
        if text == HANG_UP:
            for call_id in list(self.callers):
                self._soon(partial(self._caller_gone, call_id, "16 Normal Clearing"))
            return 1.0, DigitsPressed("")
        digits = "".join(sign for sign in text if sign in "0123456789*#")[: ask.max_digits]
        return (1.0 if digits else ask.timeout_s), DigitsPressed(digits)

    def _act(self, address: str) -> PhoneAct:
        agent_id = self._owners.get(address)
        if agent_id is None or agent_id in self._known:
            return super()._act(address)
        words = "answers, answers after 8s, rejects, busy, no answer, unreachable"
        while True:
            text = click.prompt(
                f"          {agent_id} ({address}) does what? {words}", default="answers"
            )
            try:
                return act(text.strip())
            except Wrong as error:
                click.echo(f"          {error.message}")


def ask_through(
    plan: Plan, situation: Situation, caller: CallerScript, *, strategies: Registry
) -> None:
    """The call from its beginning to its end, printed while it goes on."""
    teller = Teller(plan)
    switch = AskingSwitch(plan, situation, caller, teller)
    play(
        plan,
        situation,
        caller,
        strategies=strategies,
        switch=switch,
        on_entry=lambda stamped: switch.tell(teller.entry(stamped.entry)),
    )
