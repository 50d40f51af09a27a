"""A call as lines that a person reads: seconds, what happened, and why."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator

from ivr.nodes import Prompt
from pbx.journal import port as journal
from pbx.journal.walks import ASIDE
from pbx.plan.model import Plan
from pbx.trial.play import Heard, Played
from routing import facts
from routing.values import AgentId, Seconds

SAME_MOMENT_S = 0.001
"""Nearer than this two things happen at once, seconds."""
_STEPS = {
    "toqueue": "to a queue",
    "dialagent": "to a manager",
    "collectdigits": "digits",
    "callout": "to an outside number",
    "askcallback": "callback",
    "setvariable": "variable",
    "needskill": "skill",
    "hangup": "hangs up",
}
"""Kinds of steps whose names in the log are no words."""


class Teller:
    """Tells entries one by one; ``plan`` has the names."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._legs: dict[str, AgentId] = {}

    def heard(self, heard: Heard) -> str:
        """What the caller is played."""
        said = " ".join(said_as(one, heard.language) for one in heard.prompts)
        if not said:
            return "a key is waited for" if heard.asks else ""
        return f"hears {said}"

    def entry(self, entry: journal.Entry) -> str:
        """One line; "" for what nobody needs to read."""
        match entry:
            case journal.CallStarted(did=did, number=number):
                return f"{number or 'a withheld number'} calls {did}"
            case journal.MenuStep(_, node_id, kind, digits, detail) if kind not in ASIDE:
                pressed = "" if digits is None else f", pressed {digits or 'nothing'}"
                more = f" ({detail})" if detail else ""
                return f"{_STEPS.get(kind, kind)} {node_id}{pressed}{more}"
            case journal.LookedUp(result=result, detail=detail):
                return f"the CRM {'says' if result == 'answered' else 'is silent'}: {detail}"
            case facts.WaitStarted(_, queue_id, position):
                return f"waits in {queue_id}, place {position}"
            case facts.OfferMade(strategy=strategy, chosen=chosen, left_out=left_out, why=why):
                names = ", ".join(self._name(one) for one in chosen) or "nobody"
                out = "; ".join(
                    f"{self._name(one.agent_id)}: {_words(one.reason)}" for one in left_out
                )
                return f"{strategy} rings {names}: {why}" + (f". Left out: {out}" if out else "")
            case facts.LegStarted(leg_id, agent_id=agent_id):
                self._legs[leg_id] = agent_id
            case facts.LegRang(leg_id):
                return f"{self._name(self._legs[leg_id])}'s phone rings"
            case facts.LegJoined(_, _, agent_id):
                return f"talks with {self._name(agent_id)}"
            case facts.LegFinished(agent_id=agent_id, disposition=disposition, talk_s=talk_s):
                talk = f" after {talk_s:.0f} s of talk" if talk_s else ""
                return f"{self._name(agent_id)}'s phone: {_words(disposition.value)}{talk}"
            case facts.WaitEnded(_, queue_id, waited_s, reason) if reason != "joined":
                return f"leaves {queue_id} after {waited_s:.0f} s: {_words(reason)}"
            case journal.CallbackAsked(_, number, queue_id):
                return f"is to be called back at {number or 'no number'} by {queue_id or 'nobody'}"
            case journal.MessageLeft(_, box, _, length_s):
                return f"leaves a message of {length_s:.0f} s for {box}"
            case journal.CallEnded(outcome=outcome, wait_s=wait_s, talk_s=talk_s):
                return f"the end: {outcome.value}, waited {wait_s:.0f} s, talked {talk_s:.0f} s"
            case _:
                pass
        return ""

    def _name(self, agent_id: AgentId) -> str:
        return self._plan.agent_titles.get(agent_id) or agent_id


def _words(name: str) -> str:
    return name.replace("_", " ")


def said_as(prompt: Prompt, language: str) -> str:
    """Its words in this language, else in any; else its name."""
    words = prompt.text.get(language) or next(iter(prompt.text.values()), "")
    return f"«{words}»" if words else f"[{prompt.name}]"


def lines(plan: Plan, played: Played) -> Iterator[str]:
    """The whole call, in order."""
    teller = Teller(plan)
    entries = deque(played.entries)
    for heard in (*played.heard, None):
        # What is played is the answer to what was noted at the same moment; the two clocks agree
        # to a microsecond only.
        until_s = math.inf if heard is None else heard.after_s + SAME_MOMENT_S
        while entries and (after_s := _after_s(played, entries[0])) <= until_s:
            yield from _line(after_s, teller.entry(entries.popleft().entry))
        if heard is not None:
            yield from _line(heard.after_s, teller.heard(heard))


def _after_s(played: Played, entry: journal.Stamped) -> Seconds:
    return (entry.at - played.began).total_seconds()


def _line(after_s: Seconds, words: str) -> Iterator[str]:
    if words:
        yield f"{after_s:6.1f} s  {words}"
