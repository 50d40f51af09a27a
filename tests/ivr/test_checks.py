"""The checks of a whole tree: for each rule one tree that breaks it and one that keeps it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import time
from zoneinfo import ZoneInfo

import pytest

from ivr import nodes
from ivr.checks import MissingTarget, Pace, Way, loops_without_input, missing_targets, ways
from ivr.checks import unreachable as nobody_reaches
from ivr.nodes import Node, NodeId, Prompt, PromptKind, Tree
from ivr.schedule import Schedule, Window
from routing.values import AgentId, QueueId, SkillNeed

SALES = QueueId("sales")
HELLO = (Prompt(PromptKind.TEXT, "hello", {"en": "hello"}),)
OFFICE = Schedule("office", ZoneInfo("Europe/Moscow"), {0: (Window(time(9), time(18)),)})


def tree(*given: Node) -> Tree:
    return {node.node_id: node for node in (*given, nodes.HangUp("end"))}


def menu(
    node_id: NodeId, *, key: NodeId = "end", silent: NodeId = "end", wrong: NodeId = "end"
) -> nodes.Menu:
    return nodes.Menu(node_id, HELLO, {"1": key}, 5.0, 2.0, 1, True, (), (), silent, wrong)


def collect(
    node_id: NodeId, *, onward: NodeId = "end", failed: NodeId = "end", least: int = 1
) -> nodes.CollectDigits:
    return nodes.CollectDigits(node_id, (), "pin", least, 4, 5.0, 2.0, 1, True, (), onward, failed)


def queue(node_id: NodeId, onward: NodeId = "end", **more: object) -> nodes.ToQueue:
    return nodes.ToQueue(node_id, SALES, 0, (), onward, **more)  # type: ignore[arg-type]


def dial(
    node_id: NodeId, busy: NodeId = "end", silent: NodeId = "end", unknown: NodeId = "end"
) -> nodes.DialAgent:
    return nodes.DialAgent(node_id, AgentId("anna"), None, {}, 20.0, busy, silent, unknown)


def loops(*given: Node, turning_away: Collection[QueueId] = ()) -> list[list[NodeId]]:
    return loops_without_input(tree(*given), turning_away=turning_away)


# Missing targets ---------------------------------------------------------------------------

ALL_WAYS: Iterable[tuple[Node, list[str]]] = [
    (menu("n", key="x", silent="x", wrong="x"), ["keys.1", "on_timeout", "on_invalid"]),
    (collect("n", onward="x", failed="x"), ["next", "on_failure"]),
    (nodes.Play("n", HELLO, "x"), ["next"]),
    (nodes.AskCallback("n", None, HELLO, "x"), ["next"]),
    (nodes.SetVariable("n", "a", "b", "x"), ["next"]),
    (nodes.NeedSkill("n", SkillNeed("tax"), "x"), ["next"]),
    (nodes.Voicemail("n", "box", HELLO, 60.0, 3.0, "x"), ["next"]),
    (dial("n", "x", "x", "x"), ["on_busy", "on_no_answer", "on_unknown"]),
    (
        queue("n", "x", overflow={"max_wait": "x"}, after_talk="x"),
        ["on_overflow", "overflow.max_wait", "after_talk"],
    ),
    (nodes.Hours("n", OFFICE, "x", "x", "x"), ["open", "closed", "on_holiday"]),
    (nodes.Branch("n", "kind", {"vip": "x"}, "x"), ["cases.vip", "default"]),
    (nodes.Goto("n", "x"), ["target"]),
    (nodes.CallOut("n", "+78005550100", "x", 20.0, "x"), ["on_failure"]),
    (nodes.HangUp("n"), []),
]


@pytest.mark.parametrize(("node", "fields"), ALL_WAYS, ids=lambda one: type(one).__name__)
def test_each_way_that_leads_nowhere_is_named(node: Node, fields: list[str]) -> None:
    torn = {"n": node}
    assert missing_targets(torn) == [MissingTarget("n", field, "x") for field in fields]

    whole = {"n": node, "x": nodes.HangUp("x")}
    assert missing_targets(whole) == []


def test_back_main_and_repeat_are_no_missing_nodes() -> None:
    keys = {"7": nodes.REPEAT, "8": nodes.BACK, "9": nodes.MAIN}
    main = nodes.Menu("main", HELLO, keys, 5.0, 2.0, 1, True, (), (), "end", "end")
    assert missing_targets(tree(main)) == []


# Unreachable nodes -------------------------------------------------------------------------


def test_a_node_that_no_way_leads_to_is_named_and_so_are_those_behind_it() -> None:
    torn = tree(nodes.Play("hello", HELLO, "end"), nodes.Goto("lost", "far"), queue("far"))
    assert nobody_reaches(torn, ["hello"]) == ["lost", "far"]


def test_every_entry_and_every_way_counts() -> None:
    whole = tree(menu("main", key="hello"), nodes.Play("hello", HELLO, "end"), queue("direct"))
    assert nobody_reaches(whole, ["main", "direct", "no-such-entry"]) == []


# Loops without input -----------------------------------------------------------------------


def test_a_node_that_leads_to_itself_is_a_loop() -> None:
    assert loops(nodes.Goto("a", "a")) == [["a"]]


def test_a_prompt_played_for_ever_is_a_loop() -> None:
    play = nodes.Play("hello", HELLO, "again")
    assert loops(play, nodes.Goto("again", "hello")) == [["hello", "again"]]
    assert loops(play, nodes.Goto("again", "end")) == []


def test_a_menu_breaks_a_loop_by_its_keys_but_not_by_silence() -> None:
    assert loops(menu("main", silent="main")) == [["main"]]
    assert loops(menu("main", key="main", wrong="main")) == []
    assert loops(menu("main", silent="hello"), nodes.Play("hello", HELLO, "main")) == [
        ["main", "hello"]
    ]


def test_digits_break_a_loop_where_at_least_one_is_needed() -> None:
    assert loops(collect("pin", onward="pin")) == []
    assert loops(collect("pin", onward="pin", least=0)) == [["pin"]]
    assert loops(collect("pin", failed="pin")) == [["pin"]]


def test_a_wait_in_a_queue_breaks_a_loop() -> None:
    assert loops(queue("q", "sorry"), nodes.Play("sorry", HELLO, "q")) == []
    assert loops(queue("q", after_talk="q")) == []


def test_a_queue_that_turns_away_at_once_breaks_it_only_where_something_takes_time() -> None:
    again = queue("q", "again")
    assert loops(again, nodes.Goto("again", "q"), turning_away=[SALES]) == [["q", "again"]]
    assert loops(again, nodes.Goto("again", "q")) == []
    assert loops(again, nodes.Play("again", HELLO, "q"), turning_away=[SALES]) == []
    # Nothing to hear takes no time.
    assert loops(again, nodes.Play("again", (), "q"), turning_away=[SALES]) == [["q", "again"]]


def test_only_the_reasons_without_a_wait_count_for_turning_away() -> None:
    after_a_wait = queue("q", overflow={"max_wait": "q"})
    assert loops(after_a_wait, turning_away=[SALES]) == []
    when_full = queue("q", overflow={"queue_full": "q"})
    assert loops(when_full, turning_away=[SALES]) == [["q"]]
    both_elsewhere = queue("q", "q", overflow={"queue_full": "end", "no_agents": "end"})
    assert loops(both_elsewhere, turning_away=[SALES]) == []


@pytest.mark.parametrize(
    "node",
    [
        dial("n", busy="n"),
        dial("n", silent="n"),
        dial("n", unknown="n"),
        nodes.CallOut("n", "+78005550100", "x", 20.0, "n"),
        nodes.Voicemail("n", "box", HELLO, 60.0, 3.0, "n"),
        nodes.AskCallback("n", None, HELLO, "n"),
        nodes.SetVariable("n", "a", "b", "n"),
        nodes.NeedSkill("n", SkillNeed("tax"), "n"),
        nodes.Hours("n", OFFICE, "end", "n", "end"),
        nodes.Branch("n", "kind", {"vip": "n"}, "end"),
    ],
    ids=lambda node: type(node).__name__,
)
def test_what_is_neither_a_key_nor_a_wait_breaks_no_loop(node: Node) -> None:
    assert loops(node) == [["n"]]


def test_of_loops_that_share_nodes_a_shortest_is_named_and_of_others_each() -> None:
    found = loops(
        nodes.Branch("a", "kind", {"1": "b", "2": "c"}, "end"),
        nodes.Goto("b", "c"),
        nodes.Goto("c", "a"),
        nodes.Goto("d", "d"),
    )
    assert found == [["a", "c"], ["d"]]


def test_a_tree_deeper_than_pythons_stack_is_checked() -> None:
    chain = [nodes.Goto(f"n{n}", f"n{n + 1}") for n in range(20_000)]
    assert loops(*chain, nodes.Goto("n20000", "end")) == []
    (found,) = loops(*chain, nodes.Goto("n20000", "n0"))
    assert len(found) == 20_001


def test_a_wait_in_a_queue_and_a_key_are_told_apart_from_mere_time() -> None:
    assert list(ways(queue("q", "x"))) == [Way("on_overflow", "x", Pace.WAIT)]
    assert {way.field: way.pace for way in ways(menu("m"))} == {
        "keys.1": Pace.INPUT,
        "on_timeout": Pace.TIME,
        "on_invalid": Pace.INPUT,
    }
