"""Random trees and random events for the walker; shapes that a plan could hold, and worse."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from ivr import events, nodes
from ivr.nodes import Node, NodeId, Prompt, PromptKind
from ivr.schedule import Schedule, Window
from routing.values import AgentId, QueueId, ReturnReason, SkillNeed

NODE_IDS = ("main", "main/1", "main/2", "deep", "sales", "out", "end")
"""Few of them, so that random targets meet and loops are common."""
KEYS = ("0", "1", "2", "12", "105", "*", "#")
VARIABLES = ("language", "department", "pin")
MOMENTS = st.integers(0, 365 * 86400).map(
    lambda seconds: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)

_TARGETS = st.sampled_from(NODE_IDS)
_WORDS = st.sampled_from((nodes.REPEAT, nodes.BACK, nodes.MAIN))
_PROMPTS = st.lists(
    st.sampled_from(("hello", "wait", "bye")).map(
        lambda name: Prompt(PromptKind.TEXT, name, {"en": name})
    ),
    max_size=2,
).map(tuple)
_RETRIES = st.integers(0, 3)
_NEEDS = st.builds(SkillNeed, st.sampled_from(("german", "tax")), st.integers(1, 5))
_SCHEDULES = st.just(
    Schedule(
        "office",
        ZoneInfo("Europe/Berlin"),
        {day: (Window(time(9), time(18)),) for day in range(5)},
    )
)


def _menu(node_id: NodeId) -> st.SearchStrategy[Node]:
    return st.builds(
        nodes.Menu,
        st.just(node_id),
        prompts=_PROMPTS,
        keys=st.dictionaries(st.sampled_from(KEYS), _TARGETS | _WORDS, max_size=5),
        timeout_s=st.just(5.0),
        inter_digit_s=st.just(2.0),
        retries=_RETRIES,
        barge_in=st.booleans(),
        invalid_prompts=_PROMPTS,
        timeout_prompts=_PROMPTS,
        on_timeout=_TARGETS,
        on_invalid=_TARGETS,
    )


def _collect(node_id: NodeId) -> st.SearchStrategy[Node]:
    return st.builds(
        lambda low, more, variable, prompts, retries, onward, failed: nodes.CollectDigits(
            node_id, prompts, variable, low, low + more, 5.0, 3.0, retries, True, prompts,
            onward, failed,
        ),
        st.integers(0, 4), st.integers(1, 4), st.sampled_from(VARIABLES), _PROMPTS, _RETRIES,
        _TARGETS, _TARGETS,
    )  # fmt: skip


def _dial(node_id: NodeId) -> st.SearchStrategy[Node]:
    return st.builds(
        lambda agent, busy, silent, unknown: nodes.DialAgent(
            node_id, agent, None if agent else "pin", {"105": AgentId("anna")}, 20.0, busy,
            silent, unknown,
        ),
        st.sampled_from((None, AgentId("anna"))), _TARGETS, _TARGETS, _TARGETS,
    )  # fmt: skip


def _node(node_id: NodeId) -> st.SearchStrategy[Node]:
    this = st.just(node_id)
    reasons = st.sampled_from([reason.value for reason in ReturnReason])
    return st.one_of(
        _menu(node_id),
        _collect(node_id),
        _dial(node_id),
        st.builds(nodes.Play, this, _PROMPTS, _TARGETS),
        st.builds(
            nodes.ToQueue,
            this,
            st.just(QueueId("sales")),
            st.integers(0, 9),
            st.lists(_NEEDS, max_size=2).map(tuple),
            _TARGETS,
            st.dictionaries(reasons, _TARGETS, max_size=2),
            st.none() | _TARGETS,
            st.dictionaries(st.sampled_from("019*#"), _TARGETS, max_size=2),
        ),
        st.builds(nodes.Hours, this, _SCHEDULES, _TARGETS, _TARGETS, _TARGETS),
        st.builds(
            nodes.SetVariable,
            this,
            st.sampled_from(VARIABLES),
            st.sampled_from(("ru", "{pin}", "{department}{department}x", "{pin.__class__}", "")),
            _TARGETS,
        ),
        st.builds(nodes.NeedSkill, this, _NEEDS, _TARGETS),
        st.builds(
            nodes.Branch,
            this,
            st.sampled_from(VARIABLES),
            st.dictionaries(st.sampled_from(("1", "ru", "")), _TARGETS, max_size=2),
            _TARGETS,
        ),
        st.builds(nodes.Goto, this, _TARGETS),
        st.builds(
            nodes.CallOut, this, st.just("+78005550100"), st.just("x"), st.just(9.0), _TARGETS
        ),
        st.builds(
            nodes.Voicemail, this, st.just("box"), _PROMPTS, st.just(60.0), st.just(3.0), _TARGETS
        ),
        st.builds(nodes.AskCallback, this, st.none(), _PROMPTS, _TARGETS),
        st.builds(nodes.HangUp, this, _PROMPTS, st.booleans()),
    )


TREES: st.SearchStrategy[dict[NodeId, Node]] = st.fixed_dictionaries(
    {node_id: _node(node_id) for node_id in NODE_IDS}
)
"""Whole trees: each target is there."""

TORN_TREES = st.builds(
    lambda tree, kept: {node_id: node for node_id, node in tree.items() if node_id in kept},
    TREES,
    st.sets(st.sampled_from(NODE_IDS)),
)
"""Trees that lack some of their nodes, as no loader would let through."""

DIGITS = (
    st.sampled_from((*KEYS, "", "", "9", "1234"))
    | st.text("0123456789*#", max_size=30)
    | st.text(max_size=10)
)

_RETURNED = st.builds(
    events.CallerReturned, st.sampled_from(ReturnReason), st.sampled_from(("", "0", "1", "9", "*"))
)

EVENTS: st.SearchStrategy[events.Event] = st.one_of(
    st.builds(events.WalkStarted),
    st.builds(events.PlayFinished, st.booleans()),
    st.builds(events.DigitsPressed, DIGITS, st.booleans()),
    st.builds(events.MessageRecorded, st.just("m.wav"), st.floats(0, 60) | st.just(0.0)),
    _RETURNED,
    st.builds(events.SentTo, st.sampled_from(("main", "no such node"))),
    st.builds(events.CallerHungUp),
)


def awaited(kind: type[events.Event]) -> st.SearchStrategy[events.Event]:
    """Events of the kind that a walk waits for."""
    by_kind: dict[type[events.Event], st.SearchStrategy[events.Event]] = {
        events.WalkStarted: st.builds(events.WalkStarted),
        events.PlayFinished: st.builds(events.PlayFinished, st.booleans()),
        events.DigitsPressed: st.builds(events.DigitsPressed, DIGITS, st.booleans()),
        events.MessageRecorded: st.builds(
            events.MessageRecorded, st.just("m.wav"), st.sampled_from((0.0, 4.0))
        ),
        events.CallerReturned: _RETURNED
        | st.builds(events.SentTo, st.sampled_from(("main", "no such node"))),
    }
    return by_kind[kind]
