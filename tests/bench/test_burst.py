"""What ``python -m bench.burst`` reads out of the phones' traces."""

from __future__ import annotations

from bench.burst import CALLER, handoffs, most_waiting, out_of_turn, places, table
from bench.burst import Row as BurstRow
from lab.seen import CallSeen, ShortCall


def talk(manager: str, place: int, at: float, until: float) -> CallSeen:
    return CallSeen(
        f"{manager}-{place}",
        invite_at=at,
        answered_at=at + 0.05,
        ended_at=until,
        status=200,
        to_user=manager,
        from_user=f"{CALLER[1:]}{place}",
    )


TALKS = [
    talk("a0", 1, 10.0, 10.5),
    talk("a1", 3, 10.1, 10.4),
    talk("a1", 2, 10.403, 10.9),
    talk("a0", 4, 10.502, 11.0),
]


def test_a_handoff_is_from_a_managers_bye_to_the_same_managers_next_invite() -> None:
    assert [round(ms, 1) for ms in handoffs(TALKS)] == [2.0, 3.0]
    assert [round(ms, 1) for ms in handoffs(TALKS, since=10.45)] == [2.0]


def test_who_is_rung_for_after_a_later_caller_has_lost_places() -> None:
    assert places(TALKS) == [1, 3, 2, 4]
    assert out_of_turn(places(TALKS)) == [1]
    assert out_of_turn([1, 2, 3]) == []
    assert out_of_turn([5, 1, 4]) == [4, 1]


def test_who_waits_is_who_came_and_has_not_been_rung_for() -> None:
    came = [ShortCall(str(n), 10.0 + n / 100, 10.0, None, 200) for n in range(4)]
    assert most_waiting(came, TALKS) == 3


def test_the_table_has_a_line_for_each_and_says_what_there_is_not() -> None:
    memory = (60.0, 150.0, 140.0)
    row = BurstRow("app_queue", 500, 0, 0, 450, 54.6, 1, 2, [700.0], [], None, memory, 8.0, None)
    head, rule, line = table([row]).splitlines()
    assert head.count("|") == rule.count("|") == line.count("|")
    assert line == (
        "| app_queue | 500 | 0 | 0 | 450 | 54.6 | 1, 2 | 700.0 / 700.0 / 700.0 | "
        "nan / nan / nan | - | 60 / 150 / 140 | 8.0 / - |"
    )
