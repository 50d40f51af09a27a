"""Steps in the few words that fit into a box."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ivr import nodes
from ivr.nodes import BACK, MAIN, REPEAT, Node, NodeId, Prompt
from pbx.graph.model import Kind
from routing.values import AgentId

WORD_OF_KEY = {REPEAT: "repeat", BACK: "back", MAIN: "main"}
_WIDTH = 34
"""Characters of a line in a box."""
_KINDS: dict[type, Kind] = {
    nodes.Menu: Kind.MENU,
    nodes.CollectDigits: Kind.DIGITS,
    nodes.DialAgent: Kind.MANAGER,
    nodes.Hours: Kind.HOURS,
    nodes.Branch: Kind.BRANCH,
    nodes.CallOut: Kind.OUTSIDE,
    nodes.Voicemail: Kind.VOICEMAIL,
    nodes.AskCallback: Kind.CALLBACK,
    nodes.HangUp: Kind.END,
}
_ROOT_END = re.compile(r"[/.]|(?<=.)\+")


def kind_of_step(node: Node) -> Kind:
    """What a step's box stands for."""
    return _KINDS.get(type(node), Kind.STEP)


def group_of(node_id: NodeId) -> str:
    """The menu (or number, or queue) that a step is written in: ``welcome`` of ``welcome/3/1``."""
    return _ROOT_END.split(node_id, maxsplit=1)[0]


def title_of_step(node: Node, agent_titles: Mapping[AgentId, str]) -> str:
    """The bold line of a step's box."""
    match node:
        case nodes.Menu() | nodes.CollectDigits():
            return node.node_id
        case nodes.DialAgent(agent_id=agent_id) if agent_id is not None:
            return agent_titles.get(agent_id, agent_id)
        case nodes.DialAgent():
            return "manager by extension"
        case nodes.Hours():
            return f"hours: {node.schedule.name}"
        case nodes.Branch():
            return f"by {node.variable}"
        case nodes.CallOut():
            return node.number
        case nodes.Voicemail():
            return f"voicemail {node.box}"
        case nodes.AskCallback():
            return f"callback {node.queue_id or ''}".rstrip()
        case nodes.SetVariable():
            return f"{node.variable} = {node.value}"
        case nodes.NeedSkill():
            return f"needs {node.need.skill} {node.need.min_level}"
        case nodes.Play():
            return "play"
        case nodes.HangUp():
            return "refuse" if node.rejected else "hang up"
        case _:
            return node.node_id


def box_lines(node: Node) -> tuple[str, ...]:
    """What stands under it: what is said, in the first language."""
    match node:
        case nodes.CollectDigits():
            count = f"{node.min_digits}-{node.max_digits}"
            if node.min_digits == node.max_digits:
                count = f"{node.max_digits}"
            return (*_said(node.prompts), f"{count} digits")
        case nodes.Menu() | nodes.Play() | nodes.Voicemail() | nodes.AskCallback():
            return _said(node.prompts)
        case nodes.HangUp():
            return _said(node.prompts)
        case _:
            return ()


def _said(prompts: tuple[Prompt, ...]) -> tuple[str, ...]:
    if not prompts:
        return ()
    words = " ".join(next(iter(one.text.values()), one.name) for one in prompts)
    return (f"«{cut(words, _WIDTH)}»",)


def cut(text: str, width: int) -> str:
    """The text in so many characters, with an ellipsis where it is longer."""
    return text if len(text) <= width else f"{text[: width - 1].rstrip()}…"


def ways_out(node: Node) -> Iterator[tuple[str, str | None, NodeId]]:
    """(label, key, target) of every way out of a step that has a box of its own."""
    match node:
        case nodes.Menu():
            for key, target in node.keys.items():
                yield key, key, target
            if node.on_timeout == node.on_invalid:
                yield "no key", None, node.on_timeout
            else:
                yield "silence", None, node.on_timeout
                yield "wrong key", None, node.on_invalid
        case nodes.CollectDigits():
            yield "digits", None, node.next
            yield "no digits", None, node.on_failure
        case nodes.DialAgent():
            yield "busy", None, node.on_busy
            yield "no answer", None, node.on_no_answer
            if node.agent_id is None:
                yield "unknown", None, node.on_unknown
        case nodes.Hours():
            yield "open", None, node.open
            yield "closed", None, node.closed
            if node.on_holiday != node.closed:
                yield "holiday", None, node.on_holiday
        case nodes.Branch():
            for value, target in node.cases.items():
                yield f"= {value}", None, target
            yield "else", None, node.default
        case nodes.CallOut():
            yield "no answer", None, node.on_failure
        case (
            nodes.Play()
            | nodes.SetVariable()
            | nodes.NeedSkill()
            | nodes.Voicemail()
            | nodes.AskCallback()
        ):
            yield "", None, node.next
        case _:
            return


def duration(seconds: float) -> str:
    """``3m``, ``90s``: as a plan writes it."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"
