"""``pbx test`` and ``pbx try``: the shipped suite, failures that can be read, hostile files."""

from __future__ import annotations

import json
import re
from datetime import date, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from pbx.cli import main
from pbx.plan.faults import PlanError
from pbx.plan.load import load
from pbx.switch.script import CallerScript, PhoneAct, Reaction
from pbx.trial.asking import ask_through
from pbx.trial.cases import Case, moment, read_cases
from pbx.trial.play import Situation, play
from pbx.trial.story import lines
from routing.strategy import Registry
from routing.values import AgentId

CONFIG = Path(__file__).parent.parent.parent / "config"
PLAN = load(CONFIG)
PLAN_ZONE, DAY = ZoneInfo("Europe/Moscow"), date(2026, 6, 15)
FREE_LINE = (CONFIG / "tests" / "free-line.yaml").read_text(encoding="utf-8")


def asked(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, list(arguments))
    return result.exit_code, result.output


def plan_with(folder: Path, text: str) -> Path:
    """The shipped plan with other tests."""
    for file in CONFIG.glob("*.yaml"):
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "tests").mkdir()
    (folder / "tests" / "one.yaml").write_text(text, encoding="utf-8")
    return folder


def test_the_shipped_suite_passes_and_takes_every_way_of_the_plan() -> None:
    code, output = asked("test", str(CONFIG), "--coverage")

    assert "no test" not in output
    assert "0 failed" in output
    assert code == 0


def test_a_failure_tells_what_was_expected_what_was_and_the_call(tmp_path: Path) -> None:
    plan_with(
        tmp_path,
        "- test: Пётр\n"
        '  when: {to: "+78005553535", keys: [1]}\n'
        "  expect: {talked: sidorov, rang: [[ivanov, petrova], sidorov], outcome: voicemail,\n"
        "    heard: [service], rings_after: {ivanov: 40s}}\n",
    )
    junit = tmp_path / "junit.xml"

    code, output = asked("test", str(tmp_path), "--junit", str(junit))

    assert code == 1
    assert f"FAILED {tmp_path}/tests/one.yaml:1: Пётр" in output
    assert "rang: expected ivanov + petrova, sidorov\n" in output
    assert "was      ivanov + petrova + sidorov\n" in output
    for what in ("talked: expected sidorov", "outcome: expected voicemail", "heard: expected"):
        assert what in output
    assert "rings_after ivanov: expected 40 s" in output
    assert "ring-all rings Иван Иванов, Мария Петрова, Пётр Сидоров" in output
    failure = ElementTree.parse(junit).getroot().find("testcase/failure")
    assert failure is not None
    assert "talked" in failure.attrib["message"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- test: a\n  when: {to: '+78005553535'}\n  expekt: {}\n", r"one.yaml:3:3: .*\"expekt\""),
        ("- when: {to: '+78005553536'}\n  expect: {}\n", r"one.yaml:1:14: to: \"\+78005553536\""),
        ("- test: a\n  given: {busy: [ivanof]}\n", r"2:18: busy: unknown manager \"ivanof\""),
        ("- test: a\n  given: {at: fry 18:55}\n", r"2:15: at: \"fry\" is no day"),
        ("- test: a\n  given: {phones: {ivanov: sleeps}}\n", r"2:28: phones: \"sleeps\""),
        ("- test: a\n  given: {lookup: lte}\n", r"2:19: lookup: \"lte\""),
        ("- test: a\n  given: {lookup: {manager: x}}\n", r"2:29: manager: unknown manager"),
        ("- test: a\n  given: {lookup: {mangr: x}}\n", r"2:20: lookup has no key \"mangr\""),
        ("- test: a\n  given: {lookup: [late]}\n", r"2:19: lookup: expected keys and values"),
        ("- test: a\n  when: {keys: [ab]}\n", r"2:17: keys: \"ab\" can't be pressed"),
        ("- test: a\n  when: {from: hello}\n", r"2:16: from: \"hello\" is no number"),
        ("- test: a\n  given: {at: 9999-12-31 23:59}\n", r"\"9999-12-31\" is too far away"),
        ("- test: a\n  expect: {not_heard: [wellcome]}\n", r"did you mean \"welcome\""),
        ("- test: a\n  expect: {heard: [sevice]}\n", r"2:20: heard: unknown prompt \"sevice\""),
        ("test: a\n", r"1:1: expected a list of tests"),
    ],
)
def test_mistakes_have_their_place(tmp_path: Path, text: str, told: str) -> None:
    code, output = asked("test", str(plan_with(tmp_path, text)))

    assert code == 1
    assert re.search(told, output), output


def test_what_is_missing_is_told_once(tmp_path: Path) -> None:
    _, output = asked("test", str(plan_with(tmp_path, "- test: a\n- 5\n")))

    assert "defaults:" not in output
    assert output.count("when: nothing happens") == 1
    assert output.count("expected keys and values") == 1


def test_a_key_that_says_it_again_or_leads_back_is_a_way_too(tmp_path: Path) -> None:
    plan_with(
        tmp_path,
        '- test: a\n  when: {to: "+78005553535", keys: [2, 3, "*"]}\n  expect: {queue: support}\n',
    )
    _, output = asked("test", str(tmp_path), "--coverage")

    assert "welcome to repeat (9)" in output
    assert "service/3 to main (#)" in output
    assert "service/3 to back" not in output


def test_one_file_of_tests_runs_alone() -> None:
    whole = json.loads(asked("test", str(CONFIG), "--json")[1])["tests"]
    file = CONFIG / "tests" / "free-line.yaml"
    code, output = asked("test", str(file), "--json")

    found = json.loads(output)["tests"]
    assert code == 0
    assert 0 < len(found) < len(whole)
    assert {one["place"].rpartition(":")[0] for one in found} == {str(file)}


def test_words_that_no_test_has_are_told() -> None:
    code, output = asked("test", str(CONFIG), "-k", "no such words")

    assert code == 1
    assert output == "no test has 'no such words' in its name\n"


def test_that_nobody_is_called_back_can_be_expected(tmp_path: Path) -> None:
    plan_with(
        tmp_path,
        '- test: a\n  when: {to: "+78005553535", keys: [1]}\n'
        "  expect: {callback: nobody, voicemail: nobody}\n",
    )
    code, output = asked("test", str(tmp_path))

    assert code == 0, output


def test_what_happened_stands_before_what_was_played_for_it() -> None:
    # The journal's times are whole microseconds, the call's are not: they differ by a little.
    at = datetime(2026, 6, 17, 11, 0, 0, 123457, tzinfo=PLAN_ZONE)
    busy = {AgentId("petrova"): PhoneAct(Reaction.BUSY)}
    for shift_us in range(0, 1000, 83):
        situation = Situation(at + timedelta(microseconds=shift_us), phones=busy)
        script = CallerScript("", 0.0, "+78005553535", "+79161234567", keys=("4", "102"))
        played = play(PLAN, situation, script, strategies=Registry.builtin())
        told = [line.partition("  ")[2].partition("  ")[2] for line in lines(PLAN, played)]

        was_busy = next(place for place, line in enumerate(told) if "(busy" in line)
        assert "hears «Менеджер сейчас не может ответить." in told[was_busy + 1], told


@given(st.data())
def test_any_text_is_cases_or_located_errors(data: st.DataObject) -> None:
    lines = FREE_LINE.splitlines(keepends=True)
    at = data.draw(st.integers(0, len(lines) - 1))
    new = data.draw(st.text(st.sampled_from("-: {}[]\"'a1\n\x00й,*&!"), max_size=12))
    column = data.draw(st.integers(0, len(lines[at])))
    lines[at] = lines[at][:column] + new + lines[at][column:]

    found = read_text_cases("".join(lines))

    if isinstance(found, PlanError):
        assert all(fault.line for fault in found.faults)
    else:
        assert all(isinstance(one, Case) for one in found)


def read_text_cases(text: str) -> list[Case] | PlanError:
    class Written(type(Path())):  # type: ignore[misc]
        """A file that holds ``text``."""

        def read_bytes(self) -> bytes:
            return text.encode()

    try:
        return read_cases(Written("drawn.yaml"), PLAN)
    except PlanError as error:
        return error


def test_a_call_is_told_with_every_why_and_as_json() -> None:
    words = ("try", "+78005553535", "--plan", str(CONFIG), "--at", "fri 18:55", "--keys", "2,1")
    code, output = asked(*words, "--busy", "kuznetsova", "--from", "8 916 123-45-67")

    assert code == 0
    assert "Left out: Ольга Кузнецова: busy; Елена Волкова: skill" in output
    assert "talks with Алексей Смирнов" in output
    assert "the end: answered" in output

    code, output = asked(*words, "--json", "--phone", "kuznetsova=rejects after 2s")
    told = json.loads(output)
    assert told["talked"] == ["smirnov"]
    assert [one["agent_id"] for one in told["rang"]] == ["kuznetsova", "smirnov"]


def test_keys_that_nothing_asks_for_are_told() -> None:
    words = ("try", "+78005553535", "--plan", str(CONFIG), "--at", "fri 18:55")

    _, output = asked(*words, "--keys", "2,1,5,,3")
    assert output.rstrip().endswith("never asked for: 5, 3 (--keys)")
    _, output = asked(*words, "--keys", "2,1,5", "--json")
    assert json.loads(output)["never_asked_for"] == ["5"]

    _, output = asked(*words, "--keys", "2,1")
    assert "never asked for" not in output


def test_what_a_crm_says_is_tried_in_a_test_and_at_the_terminal(tmp_path: Path) -> None:
    plan_with(
        tmp_path,
        "- test: named\n"
        "  given: {lookup: {manager: sidorov, name: Ромашка, vip: yes, after: 200ms}}\n"
        '  when: {to: "+78005553535", keys: [1]}\n'
        "  expect: {rang: [sidorov], talked: sidorov}\n"
        "- test: late\n"
        "  given: {lookup: late}\n"
        '  when: {to: "+78005553535", keys: [1]}\n'
        "  expect: {rang: [[ivanov, petrova, sidorov]]}\n",
    )
    code, output = asked("test", str(tmp_path))
    assert code == 0, output

    words = ["try", "+78005553535", "--plan", str(CONFIG), "--at", "fri 18:55", "--keys", "1"]
    words += ["--from", "+79161234567"]
    code, output = asked(*words, "--lookup", "manager=petrova,vip=yes,language=en")
    assert code == 0, output
    assert "0.1 s  the CRM says: manager petrova; VIP; language en" in output
    assert "ring-all rings Мария Петрова: named by the CRM" in output
    code, output = asked(*words, "--lookup", "broken")
    assert "the CRM is silent: status 500" in output
    code, output = asked(*words, "--lookup", "late")
    assert "0.7 s  the CRM is silent: no answer within 700 ms" in output


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ("manger=petrova", 'does not say "manger"'),
        ("manager=petrowa", 'unknown manager "petrowa"'),
        ("vip=maybe", '"maybe" is neither yes nor no'),
        ("after=soon", '"soon" is not a duration'),
        ("lte", '"lte" is nothing that a CRM says'),
    ],
)
def test_what_no_crm_says_is_refused(says: str, told: str) -> None:
    code, output = asked("try", "+78005553535", "--plan", str(CONFIG), "--lookup", says)

    assert code == 2
    assert told in " ".join(output.split())


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (("--busy", "ivanof"), 'unknown manager "ivanof" (did you mean "ivanov"?'),
        (("--away", "nobody"), 'unknown manager "nobody" (known: fedorov, ivanov'),
        (("--phone", "ivanov=sleeps"), "nothing that a phone does (known: answers, busy"),
        (("--from", "hello"), '"hello" is no number'),
        (("--spoke", "ivanov"), "--spoke: with whom? Say the caller's number"),
        (("--hang-up", "lunch"), 'unknown moment "lunch" (known: menu, ringing, talking, waiting'),
        (("--hang-up", "menu after soon"), '"soon" is not a duration'),
        (("--in-line", "x"), '"x" can\'t be pressed'),
        (("--at", "9999-12-31 23:59"), '"9999-12-31" is too far away (years 2000 to 2099)'),
    ],
)
def test_what_is_misspelt_is_told_with_what_would_be_right(
    option: tuple[str, str], told: str
) -> None:
    code, output = asked("try", "+78005553535", "--plan", str(CONFIG), *option)

    assert code == 2
    assert told in " ".join(output.split())


def test_a_caller_who_waits_presses_a_key_or_hangs_up() -> None:
    words = ["try", "+78005553535", "--plan", str(CONFIG), "--at", "mon 10:00", "--keys", "1"]
    words += ["--busy", "ivanov,petrova,sidorov"]

    code, output = asked(*words, "--hang-up", "waiting after 20s")
    assert code == 0
    assert "the end: abandoned_waiting, waited 20 s" in output

    code, output = asked(*words, "--from", "+79161234567", "--in-line", "1 after 30s")
    assert code == 0
    assert "is to be called back at +79161234567 by sales" in output


def test_a_person_who_waits_is_asked_how_long_and_may_hang_up_at_any_question() -> None:
    busy = frozenset(AgentId(one) for one in ("ivanov", "petrova", "sidorov"))
    situation = Situation(moment("2026-06-17 11:00", PLAN_ZONE, from_day=DAY), busy=busy)
    script = CallerScript("", 0.0, "+78005553535", "+79161234567")
    with CliRunner().isolation(input="abc\n1\n\n\nh\n") as streams:
        ask_through(PLAN, situation, script, strategies=Registry.builtin())
        output = streams[0].getvalue().decode()

    assert '"abc" can\'t be pressed: write digits, * or #' in output
    assert output.count("waits, no phone rings") == 3
    assert "the end: abandoned_waiting, waited 60 s" in output

    with CliRunner().isolation(input="1\n2\n") as streams:
        ask_through(PLAN, situation, script, strategies=Registry.builtin())
        assert "the end: voicemail" in streams[0].getvalue().decode()

    with CliRunner().isolation(input="1\nrejects\nh\n\n") as streams:
        free = Situation(situation.at)
        ask_through(PLAN, free, script, strategies=Registry.builtin())
        assert "the end: abandoned_waiting" in streams[0].getvalue().decode()


def test_a_person_presses_the_keys_and_is_the_phones() -> None:
    situation = Situation(moment("2026-06-17 11:00", PLAN_ZONE, from_day=DAY))
    script = CallerScript("", 0.0, "+78005553535", "+79161234567")
    with CliRunner().isolation(input="1\nbusy\nflies\nanswers after 4s\nrejects\n") as streams:
        ask_through(PLAN, situation, script, strategies=Registry.builtin())
        output = streams[0].getvalue().decode()

    assert '"flies" is nothing that a phone does' in output
    assert "Иван Иванов's phone: busy" in output
    assert "Пётр Сидоров's phone: rejected" in output
    assert "talks with Мария Петрова" in output

    with CliRunner().isolation(input="h\n") as streams:
        ask_through(PLAN, situation, script, strategies=Registry.builtin())
        assert "the end: abandoned_in_menu" in streams[0].getvalue().decode()
