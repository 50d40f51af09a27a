"""What each node type promises, one by one: an event in, a command and the way out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from ivr import commands, events, nodes
from ivr.nodes import Node, NodeId, Prompt, PromptKind
from ivr.schedule import Schedule, Window
from ivr.walk import MAX_PASSED, Walk
from routing.values import AgentId, Outcome, QueueId, ReturnReason, SkillNeed

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)  # a Wednesday
SALES = QueueId("sales")
ANNA = AgentId("anna")


def says(name: str) -> tuple[Prompt, ...]:
    return (Prompt(PromptKind.TEXT, name, {"en": name}),)


def menu(node_id: NodeId, keys: Mapping[str, NodeId], **more: object) -> nodes.Menu:
    given: dict[str, object] = {
        "timeout_s": 5.0,
        "inter_digit_s": 2.0,
        "retries": 1,
        "barge_in": True,
        "invalid_prompts": says("wrong key"),
        "timeout_prompts": says("nothing pressed"),
        "on_timeout": "silent",
        "on_invalid": "wrong",
    }
    return nodes.Menu(node_id, says(node_id), keys, **(given | more))  # type: ignore[arg-type]


def pin(**more: object) -> nodes.CollectDigits:
    given: dict[str, object] = {
        "prompts": says("pin, please"),
        "variable": "pin",
        "min_digits": 2,
        "max_digits": 4,
        "timeout_s": 6.0,
        "inter_digit_s": 3.0,
        "retries": 1,
        "barge_in": False,
        "invalid_prompts": says("wrong"),
        "next": "good",
        "on_failure": "bad",
    }
    return nodes.CollectDigits("pin", **(given | more))  # type: ignore[arg-type]


def to_sales(**more: object) -> nodes.ToQueue:
    given: dict[str, object] = {"priority": 0, "needs": (), "on_overflow": "elsewhere"}
    return nodes.ToQueue("queue", SALES, **(given | more))  # type: ignore[arg-type]


def dial(agent_id: AgentId | None = ANNA) -> nodes.DialAgent:
    return nodes.DialAgent(
        "dial", agent_id, "extension", {"105": ANNA}, 25.0, "busy", "silent", "unknown"
    )


class Caller:
    """A caller in a tree that begins with its first node; where a way ends, the call does."""

    def __init__(
        self, *given: Node, now: datetime = NOON, variables: Mapping[str, str] | None = None
    ) -> None:
        tree = {node.node_id: node for node in given}
        for name in ("silent", "wrong", "good", "bad", "busy", "unknown", "elsewhere", "next"):
            tree.setdefault(name, nodes.HangUp(name))
        self.now = now
        self.walk = Walk(tree, given[0].node_id, language="en", variables=variables)
        self.given: list[commands.Command] = []
        self.trace: list[commands.StepTaken] = []
        self.tell(events.WalkStarted())

    def tell(self, event: events.Event) -> None:
        step = self.walk.step(event, self.now)
        self.given += step.commands
        self.trace += step.trace

    def press(self, *inputs: str) -> None:
        for digits in inputs:
            self.tell(events.DigitsPressed(digits))

    @property
    def last(self) -> commands.Command:
        return self.given[-1]

    @property
    def heard(self) -> list[str]:
        """The prompts of the last command."""
        assert isinstance(self.last, commands.Collect | commands.PlayPrompts), self.last
        return [one.name for one in self.last.prompts]

    @property
    def at(self) -> NodeId | None:
        return self.walk.current

    @property
    def outcome(self) -> Outcome | None:
        assert isinstance(self.last, commands.HangUpCaller), self.last
        return self.last.outcome


# Menu --------------------------------------------------------------------------------------


def test_a_menu_asks_for_as_many_digits_as_its_longest_key_has() -> None:
    caller = Caller(menu("main", {"1": "next", "105": "good"}))
    expected = commands.Collect(says("main"), "en", 3, 5.0, 2.0, barge_in=True)
    assert caller.given == [expected]

    caller.press("105")
    assert caller.at == "good"
    assert caller.walk.path == "main › 105"


def test_silence_in_a_menu_is_told_asked_again_and_then_followed() -> None:
    caller = Caller(menu("main", {"1": "next"}, retries=2))
    caller.press("")
    assert caller.heard == ["nothing pressed", "main"]
    caller.press("")
    assert caller.heard == ["nothing pressed", "main"]
    caller.press("")
    assert caller.at == "silent"
    assert [one.digits for one in caller.trace[:3]] == ["", "", ""]


def test_a_wrong_key_is_told_apart_from_silence_and_the_last_one_says_where_it_goes() -> None:
    caller = Caller(menu("main", {"1": "next"}))
    caller.press("")
    caller.press("9")
    assert caller.at == "wrong"

    other = Caller(menu("main", {"1": "next"}))
    other.press("9")
    assert other.heard == ["wrong key", "main"]
    other.press("")
    assert other.at == "silent"


def test_tries_in_a_menu_are_counted_anew_when_one_comes_back_to_it() -> None:
    caller = Caller(menu("main", {"1": "deep"}), menu("deep", {"9": nodes.BACK}))
    caller.press("8", "1", "9", "8")
    assert caller.at == "main"
    assert caller.heard == ["wrong key", "main"]


@pytest.mark.parametrize("barge_in", [True, False])
def test_whether_a_key_ends_the_prompts_is_the_menus_word(barge_in: bool) -> None:
    caller = Caller(menu("main", {"1": "next"}, barge_in=barge_in))
    assert isinstance(caller.last, commands.Collect)
    assert caller.last.barge_in is barge_in


def test_repeat_asks_again_without_a_reproach_and_gives_all_tries_back() -> None:
    caller = Caller(menu("main", {"*": nodes.REPEAT}))
    caller.press("8", "*")
    assert caller.heard == ["main"]
    caller.press("8")
    assert caller.heard == ["wrong key", "main"]


def test_back_goes_to_the_menu_before_and_main_to_the_first() -> None:
    caller = Caller(
        menu("main", {"1": "second", "9": nodes.BACK}),
        menu("second", {"1": "third", "9": nodes.BACK}),
        menu("third", {"9": nodes.BACK, "0": nodes.MAIN}),
    )
    caller.press("1", "1", "9")
    assert caller.at == "second"
    caller.press("1", "0")
    assert caller.at == "main"
    caller.press("9")
    assert caller.at == "main", "there is no menu before the first"


def test_a_hash_alone_is_a_key() -> None:
    caller = Caller(menu("main", {"#": "good", "12": "next"}))
    caller.tell(events.DigitsPressed("", terminated=True))
    assert caller.at == "good"


# Play --------------------------------------------------------------------------------------


@pytest.mark.parametrize("ok", [True, False])
def test_play_goes_on_when_it_was_heard_and_when_it_can_not_be(ok: bool) -> None:
    caller = Caller(nodes.Play("hello", says("hello"), "next"))
    assert caller.given == [commands.PlayPrompts(says("hello"), "en")]
    assert caller.at == "hello"

    caller.tell(events.PlayFinished(ok))
    assert caller.at == "next"


def test_play_without_prompts_is_passed() -> None:
    assert Caller(nodes.Play("hello", (), "next")).at == "next"


# Collect digits ----------------------------------------------------------------------------


def test_digits_are_asked_for_with_the_nodes_times_and_kept() -> None:
    caller = Caller(pin())
    assert caller.given == [commands.Collect(says("pin, please"), "en", 4, 6.0, 3.0, False)]

    caller.press("0123")
    assert caller.at == "good"
    assert caller.walk.variables["pin"] == "0123"


@pytest.mark.parametrize(
    ("digits", "taken"), [("1", False), ("12", True), ("1234", True), ("12345", False)]
)
def test_the_number_of_digits_is_held_to_its_bounds(digits: str, taken: bool) -> None:
    caller = Caller(pin(retries=0))
    caller.tell(events.DigitsPressed(digits, terminated=True))
    assert caller.at == ("good" if taken else "bad")
    assert caller.walk.variables.get("pin") == (digits if taken else None)


def test_a_star_is_no_digit() -> None:
    caller = Caller(pin())
    caller.press("1*")
    assert caller.heard == ["wrong", "pin, please"]


def test_too_few_and_silent_use_up_the_tries() -> None:
    caller = Caller(pin())
    caller.press("1")
    assert caller.heard == ["wrong", "pin, please"]
    caller.press("")
    assert caller.at == "bad"


def test_hash_alone_is_an_empty_answer_where_one_may_be() -> None:
    needed = Caller(pin(retries=0))
    needed.tell(events.DigitsPressed("", terminated=True))
    assert needed.at == "bad"

    optional = Caller(pin(min_digits=0))
    optional.tell(events.DigitsPressed("", terminated=True))
    assert optional.at == "good"
    assert optional.walk.variables["pin"] == ""


def test_a_cards_digits_are_kept_for_the_tree_and_covered_in_the_trace() -> None:
    card = "4276123456789012"
    caller = Caller(pin(max_digits=16))
    caller.press(card)
    assert caller.walk.variables["pin"] == card
    assert card not in repr(caller.trace)


# A manager, an outside number --------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "where"),
    [
        (ReturnReason.BUSY, "busy"),
        (ReturnReason.UNAVAILABLE, "busy"),
        (ReturnReason.FAILED, "busy"),
        (ReturnReason.NO_ANSWER, "silent"),
    ],
)
def test_a_manager_who_can_not_and_one_who_does_not_answer_part_the_ways(
    reason: ReturnReason, where: NodeId
) -> None:
    caller = Caller(dial())
    assert caller.given == [commands.CallAgent(ANNA, 25.0)]

    caller.tell(events.CallerReturned(reason))
    assert caller.at == where


def test_an_extension_that_was_dialled_is_looked_up() -> None:
    known = Caller(dial(None), variables={"extension": "105"})
    assert known.given == [commands.CallAgent(ANNA, 25.0)]

    unknown = Caller(dial(None), variables={"extension": "106"})
    assert unknown.at == "unknown"
    assert not any(isinstance(one, commands.CallAgent) for one in unknown.given)


def test_after_a_talk_with_a_manager_the_call_is_over_as_the_engine_knows() -> None:
    caller = Caller(dial())
    caller.tell(events.CallerReturned(ReturnReason.TALK_ENDED))
    assert caller.outcome is None


def test_calling_out_rings_the_number_and_goes_on_when_it_fails() -> None:
    out = nodes.CallOut("out", "+78005550100", "PJSIP/x", 30.0, "bad")
    caller = Caller(out)
    assert caller.given == [commands.CallOutside("+78005550100", "PJSIP/x", 30.0)]
    caller.tell(events.CallerReturned(ReturnReason.FAILED))
    assert caller.at == "bad"

    talked = Caller(out)
    talked.tell(events.CallerReturned(ReturnReason.TALK_ENDED))
    assert talked.outcome is None


# Queues ------------------------------------------------------------------------------------

OVERFLOWS = [reason for reason in ReturnReason if reason is not ReturnReason.TALK_ENDED]


@pytest.mark.parametrize("reason", OVERFLOWS)
def test_each_reason_of_overflow_has_its_own_way_or_the_common_one(reason: ReturnReason) -> None:
    own = Caller(to_sales(overflow={reason.value: "next"}))
    own.tell(events.CallerReturned(reason))
    assert (own.at, own.outcome) == ("next", Outcome.OVERFLOW)

    other = next(one for one in OVERFLOWS if one is not reason)
    common = Caller(to_sales(overflow={other.value: "next"}))
    common.tell(events.CallerReturned(reason))
    assert (common.at, common.outcome) == ("elsewhere", Outcome.OVERFLOW)


def test_a_queue_is_given_priority_and_the_needs_of_the_way_and_its_own() -> None:
    german, tax = SkillNeed("german", 2), SkillNeed("tax", 1)
    caller = Caller(
        nodes.NeedSkill("need", german, "queue"),
        to_sales(priority=7, needs=(tax, SkillNeed("german", 1))),
    )
    assert caller.last == commands.QueueCaller(SALES, 7, (german, tax))
    assert caller.walk.needs == (german,), "the queue's own needs are its own"


def test_after_a_queues_talk_the_caller_goes_on_where_one_may() -> None:
    survey = Caller(to_sales(after_talk="next"))
    survey.tell(events.CallerReturned(ReturnReason.TALK_ENDED))
    assert (survey.at, survey.outcome) == ("next", None)

    plain = Caller(to_sales())
    plain.tell(events.CallerReturned(ReturnReason.TALK_ENDED))
    assert (plain.at, plain.outcome) == ("queue", None)


# Deciding nodes ----------------------------------------------------------------------------

OFFICE = Schedule(
    "office",
    ZoneInfo("Europe/Moscow"),
    dict.fromkeys(range(5), (Window(time(9), time(18)),)),
    holidays={date(2026, 11, 19): "Artillery Day"},
)


@pytest.mark.parametrize(
    ("now", "where"),
    [
        (datetime(2026, 11, 18, 6, 0, tzinfo=UTC), "good"),
        (datetime(2026, 11, 18, 15, 0, tzinfo=UTC), "bad"),
        (datetime(2026, 11, 19, 9, 0, tzinfo=UTC), "next"),
    ],
    ids=["open", "closed", "holiday"],
)
def test_hours_part_open_closed_and_holiday_in_the_schedules_zone(
    now: datetime, where: NodeId
) -> None:
    assert Caller(nodes.Hours("hours", OFFICE, "good", "bad", "next"), now=now).at == where


def test_a_variable_is_set_from_others_as_plain_text() -> None:
    caller = Caller(
        nodes.SetVariable("set", "greeting", "{name}, {pin.__class__}{missing}!", "next"),
        variables={"name": "{name}"},
    )
    assert caller.walk.variables["greeting"] == "{name}, !"


def test_the_language_of_the_prompts_after_it_is_changed() -> None:
    caller = Caller(
        nodes.SetVariable("set", "language", "ru", "hello"),
        nodes.Play("hello", says("hello"), "next"),
    )
    assert caller.last == commands.PlayPrompts(says("hello"), "ru")


def test_what_can_not_be_a_language_leaves_it_as_it_was() -> None:
    caller = Caller(
        nodes.SetVariable("set", "language", "../../etc", "hello"),
        nodes.Play("hello", says("hello"), "next"),
    )
    assert caller.last == commands.PlayPrompts(says("hello"), "en")


def test_of_two_needs_of_one_skill_the_higher_stays() -> None:
    caller = Caller(
        nodes.NeedSkill("a", SkillNeed("tax", 3), "b"),
        nodes.NeedSkill("b", SkillNeed("tax", 1), "c"),
        nodes.NeedSkill("c", SkillNeed("german", 1), "next"),
    )
    assert caller.walk.needs == (SkillNeed("tax", 3), SkillNeed("german", 1))


@pytest.mark.parametrize(
    ("value", "where"), [("vip", "good"), ("", "next"), ("other", "bad"), (None, "next")]
)
def test_a_branch_goes_by_the_value_one_never_set_counts_as_empty(
    value: str | None, where: NodeId
) -> None:
    branch = nodes.Branch("branch", "kind", {"vip": "good", "": "next"}, "bad")
    assert Caller(branch, variables={} if value is None else {"kind": value}).at == where


def test_goto_goes_there_and_to_nowhere_ends_the_call_as_failed() -> None:
    assert Caller(nodes.Goto("go", "good")).at == "good"

    lost = Caller(nodes.Goto("go", "nowhere"))
    assert lost.outcome is Outcome.FAILED


def test_a_round_of_gotos_ends_the_call_as_failed() -> None:
    caller = Caller(nodes.Goto("a", "b"), nodes.Goto("b", "a"))
    assert caller.outcome is Outcome.FAILED
    assert len(caller.trace) == MAX_PASSED + 1


# Voicemail, callback, the end --------------------------------------------------------------


def test_a_message_is_asked_for_recorded_and_makes_the_outcome() -> None:
    caller = Caller(nodes.Voicemail("mail", "sales", says("speak"), 60.0, 3.0, "next"))
    assert caller.heard == ["speak"]
    caller.tell(events.PlayFinished())
    assert caller.last == commands.RecordMessage("sales", 60.0, 3.0)
    caller.tell(events.MessageRecorded("m.wav", 4.0))
    assert (caller.at, caller.outcome) == ("next", Outcome.VOICEMAIL)


def test_an_empty_message_is_none() -> None:
    caller = Caller(nodes.Voicemail("mail", "sales", (), 60.0, 3.0, "next"))
    assert caller.last == commands.RecordMessage("sales", 60.0, 3.0)
    caller.tell(events.MessageRecorded("m.wav", 0.0))
    assert (caller.at, caller.outcome) == ("next", None)


def test_a_callback_is_kept_once_however_often_it_is_asked_for() -> None:
    caller = Caller(
        nodes.AskCallback("ask", SALES, says("we call back"), "main"),
        menu("main", {"1": "ask"}),
    )
    assert caller.given[0] == commands.KeepCallback(SALES)
    assert caller.heard == ["we call back"]
    caller.tell(events.PlayFinished())
    caller.press("1")

    assert caller.heard == ["we call back"]
    assert caller.given.count(commands.KeepCallback(SALES)) == 1


def test_hanging_up_says_good_bye_first() -> None:
    caller = Caller(nodes.HangUp("bye", says("bye")))
    assert caller.heard == ["bye"]
    assert not caller.walk.ended
    caller.tell(events.PlayFinished())
    assert caller.outcome is None
    assert caller.walk.ended


def test_a_rejected_call_is_told_nothing() -> None:
    caller = Caller(nodes.HangUp("no", says("never heard"), rejected=True))
    assert caller.given == [commands.HangUpCaller(Outcome.REJECTED)]


def test_a_caller_who_hangs_up_is_sent_no_more_commands() -> None:
    caller = Caller(menu("main", {"1": "next"}))
    caller.tell(events.CallerHungUp())
    caller.press("1")
    assert len(caller.given) == 1
    assert caller.walk.ended
