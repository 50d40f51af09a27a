"""A call walked by a person at a terminal: they press the keys and are the phones."""

from __future__ import annotations

from functools import partial

import click

from ivr.commands import Collect
from ivr.events import DigitsPressed
from ivr.nodes import Prompt
from pbx.plan.model import Plan
from pbx.plan.written import Wrong
from pbx.switch import port
from pbx.switch.script import CallerScript, PhoneAct, Reaction
from pbx.trial.cases import act, keys
from pbx.trial.play import ListeningSwitch, Situation, play, script_of, start_of
from pbx.trial.story import Teller
from routing.strategy import Registry
from routing.values import AgentId, CallId, Seconds

HANG_UP = "h"
LOOK_AGAIN_S = 30.0
"""How often a caller for whom no phone rings is asked what they do, seconds."""
_FIRST_LOOK_S = 0.5
_INDENT = " " * 10


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
        digits = self._keys(f"up to {ask.max_digits} key(s); Enter: nothing", ask.max_digits)
        if digits is None:
            self._hangs_up()
            return 1.0, DigitsPressed("")
        return (1.0 if digits else ask.timeout_s), DigitsPressed(digits)

    def _keys(self, words: str, most: int) -> str | None:
        """What the person presses, "" for nothing; None: they hang up."""
        while True:
            text = click.prompt(
                f"{_INDENT}{words}; {HANG_UP}: hang up", default="", show_default=False
            ).strip()
            if text == HANG_UP:
                return None
            try:
                return keys(text)[:most]
            except Wrong as error:
                click.echo(f"{_INDENT}{error.message}: {error.hint}")

    def _hangs_up(self) -> None:
        for call_id in list(self.callers):
            self._soon(partial(self._caller_gone, call_id, "16 Normal Clearing"))

    def send(self, command: port.SwitchCommand) -> None:
        """As ever; who is left waiting is asked how long."""
        super().send(command)
        match command:
            case port.Hold(call_id, _) if call_id in self._callers:
                turn = self._callers[call_id].command
                self._after(_FIRST_LOOK_S, partial(self._waits, call_id, turn))
            case _:
                pass

    def _waits(self, call_id: CallId, turn: int) -> None:
        caller = self._callers.get(call_id)
        if caller is None or caller.command != turn or caller.joined is not None:
            return
        self._after(LOOK_AGAIN_S, partial(self._waits, call_id, turn))
        if caller.legs:
            return
        self.tell("waits, no phone rings")
        key = self._keys(f"a key; Enter: {LOOK_AGAIN_S:.0f} s more", 1)
        if key is None:
            self._hangs_up()
        elif key:
            self._on_event(port.KeyPressed(call_id, key))

    def _act(self, address: str) -> PhoneAct:
        agent_id = self._owners.get(address)
        if agent_id is None or agent_id in self._known:
            return super()._act(address)
        words = "answers, answers after 8s, rejects, busy, no answer, unreachable"
        words += f"; {HANG_UP}: the caller hangs up"
        while True:
            text = click.prompt(
                f"{_INDENT}{agent_id} ({address}) does what? {words}", default="answers"
            ).strip()
            if text == HANG_UP:
                self._hangs_up()
                return PhoneAct(Reaction.NO_ANSWER)
            try:
                return act(text)
            except Wrong as error:
                click.echo(f"{_INDENT}{error.message}")


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
