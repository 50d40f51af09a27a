"""Where sales narrow: counted two ways, from events that never change."""

from __future__ import annotations

import random
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, select

from pbx.cli import main
from pbx.errors import FunnelError
from pbx.funnel.book import Noted, key_of, note
from pbx.funnel.count import Counted, Reading
from pbx.funnel.importing import ImportRefused, Rules, read_events
from pbx.funnel.report import FunnelQuery, funnel_report
from pbx.funnel.sag import Trial, Verdict, fell_p, judge
from pbx.funnel.stages import CALL_TITLES, Funnel, StageEvent, Way
from pbx.funnel.watch import Look, Watch, slices_of, watch
from pbx.journal.tables import calls
from pbx.plan.model import FunnelPlan
from pbx.reports.columns import ColumnStore
from pbx.reports.contacts import unknown
from pbx.reports.period import Period
from tests.reports.randomlog import RandomLog, keep, opened

SINCE = datetime(2026, 11, 1, tzinfo=UTC)
UNTIL = datetime(2026, 12, 1, tzinfo=UTC)
DAY = timedelta(days=1)
PLAN = FunnelPlan(
    {"cold-call": "cold call", "meeting": "meeting", "deal": "deal"}, 30.0, 86400 * 14
)
SALES = Funnel.of(PLAN, Way.SALES)


def event(stage: str, who: int, day: float, agent: str = "anna") -> StageEvent:
    at, subject = SINCE + timedelta(days=day), f"+7916{who:07}"
    return StageEvent(
        key_of(stage, subject, at, agent), stage, subject, at, number=subject, agent=agent
    )


def two_hundred() -> list[StageEvent]:
    """200 cold calls, 22 meetings, 18 deals."""
    return [
        *(event("cold-call", n, 1) for n in range(200)),
        *(event("meeting", n, 5) for n in range(22)),
        *(event("deal", n, 8) for n in range(18)),
    ]


def conversions(counted: Counted) -> list[tuple[int, float | None, float | None]]:
    def rounded(value: float | None) -> float | None:
        return None if value is None else round(value, 3)

    return [(one.count, rounded(one.to_previous), rounded(one.to_top)) for one in counted.steps]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Engine]:
    engine = opened(tmp_path)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("reading", list(Reading))
def test_200_cold_calls_22_meetings_18_deals(log: Engine, tmp_path: Path, reading: Reading) -> None:
    assert note(log, two_hundred(), UNTIL) == Noted(240, 0)

    query = FunnelQuery(SALES, Period(SINCE, UNTIL), reading)
    found = funnel_report(log, ColumnStore(tmp_path / "columns"), query, UNTIL)

    assert conversions(found.total) == [
        (200, None, None),
        (22, 0.11, 0.11),
        (18, 0.818, 0.09),
    ]
    assert found.total.weak == "meeting"
    assert [one.median_s for one in found.total.steps] == [None, 4 * 86400, 3 * 86400]


def counted(
    log: Engine, tmp_path: Path, reading: Reading, now: datetime = UNTIL + 5 * DAY, **more: Any
) -> Counted:
    query = FunnelQuery(SALES, Period(SINCE, UNTIL), reading, **more)
    return funnel_report(log, ColumnStore(tmp_path / "columns"), query, now).total


def test_the_two_readings_answer_different_questions(log: Engine, tmp_path: Path) -> None:
    events = [
        event("cold-call", 1, -20),  # the month before
        event("meeting", 1, 3),
        event("cold-call", 2, 2),
        event("cold-call", 3, 25),
        event("deal", 3, 33),  # the month after; a meeting was not noted
    ]
    note(log, events, UNTIL)

    told = counted(log, tmp_path, Reading.EVENTS)
    assert [one.count for one in told.steps] == [2, 1, 0]
    told = counted(log, tmp_path, Reading.COHORT)
    assert [one.count for one in told.steps] == [2, 1, 1]
    # Half a month is over for number 2.
    assert [one.open for one in told.steps] == [0, 0, 0]
    early = counted(log, tmp_path, Reading.COHORT, SINCE + 27 * DAY)
    assert [(one.count, one.open, one.decided) for one in early.steps] == [
        (2, 0, None),
        (0, 1, 0.0),
        (0, 0, None),
    ]


def test_slices_are_those_of_who_began(log: Engine, tmp_path: Path) -> None:
    events = [
        event("cold-call", 1, 1, "anna"),
        event("meeting", 1, 2, "boris"),
        event("cold-call", 2, 1, "boris"),
    ]
    note(log, events, UNTIL)
    told = counted(log, tmp_path, Reading.COHORT, where={"manager": ("anna",)})
    assert [one.count for one in told.steps] == [1, 1, 0]


def test_an_event_is_noted_once_and_never_changed(log: Engine) -> None:
    events = two_hundred()
    note(log, events[:100], UNTIL)

    assert note(log, events[50:150], UNTIL) == Noted(50, 50)
    with pytest.raises(FunnelError, match="never change"):
        note(log, [events[200], replace(events[0], agent="boris")], UNTIL)
    assert note(log, [events[200]], UNTIL) == Noted(1, 0)  # nothing of the refused was kept


def test_calls_pass_the_first_stages_by_themselves(log: Engine, tmp_path: Path) -> None:
    rng = random.Random(5)
    keep(log, RandomLog(rng, SINCE, 20 * DAY, 60).entries, rng)
    incoming = Funnel.of(PLAN, Way.INCOMING)
    assert incoming.stages == (*CALL_TITLES, "meeting", "deal")

    query = FunnelQuery(incoming, Period(SINCE, UNTIL), by="source")
    found = funnel_report(log, ColumnStore(tmp_path / "columns"), query, UNTIL)

    counts = [one.count for one in found.total.steps]
    assert counts[0] > counts[1] > counts[2] > counts[3] > counts[4] == 0
    assert set(found.groups) == {"radio", "site"}
    for place, count in enumerate(counts):
        assert sum(one.steps[place].count for one in found.groups.values()) == count


def test_who_had_called_before_the_period_does_not_enter_in_it(log: Engine, tmp_path: Path) -> None:
    rng = random.Random(5)
    keep(log, RandomLog(rng, SINCE, 20 * DAY, 60).entries, rng)
    incoming = Funnel.of(PLAN, Way.INCOMING)
    store = ColumnStore(tmp_path / "columns")

    def entered_since(since: datetime) -> int:
        query = FunnelQuery(incoming, Period(since, UNTIL), Reading.COHORT)
        return funnel_report(log, store, query, UNTIL).total.steps[0].count

    # Four numbers call, all of them in the first days; who shows none is new each time.
    with log.connect() as connection:
        ended = connection.execute(select(calls).where(calls.c.ended_at.is_not(None))).all()
    later = SINCE + 10 * DAY
    withheld = sum(not row.number and row.started_at >= later for row in ended)
    assert withheld > 0
    assert entered_since(later) == withheld
    everybody = {row.number or row.call_id for row in ended}
    assert entered_since(SINCE - DAY) == len(everybody)


def test_a_deal_goes_on_with_the_way_of_whose_it_is(log: Engine, tmp_path: Path) -> None:
    number = "+79161234567"

    def told(key: str, stage: str, days: int, deal: str = "", of: str = number) -> StageEvent:
        at = SINCE + timedelta(days=days)
        return StageEvent(key, stage, f"deal:{deal}" if deal else of, at, number=of)

    note(
        log,
        [
            told("a", "cold-call", 1),
            told("b", "meeting", 2, "17", of=""),  # whose it is, nobody has said yet
            told("c", "cold-call", 3, "18", of=""),
        ],
        UNTIL,
    )
    store = ColumnStore(tmp_path / "columns")
    query = FunnelQuery(SALES, Period(SINCE, UNTIL), Reading.COHORT)

    def counts() -> list[int]:
        found = funnel_report(log, store, query, UNTIL).total
        return [step.count for step in found.steps][:3]

    assert counts() == [2, 0, 0]
    note(log, [told("d", "deal", 4, "17")], UNTIL)
    assert counts() == [2, 1, 1]
    note(log, [told("e", "meeting", 5, "18")], UNTIL)
    assert counts() == [2, 2, 1], "a second deal is another way"
    with log.connect() as connection:
        assert unknown(connection) == 0


def test_the_command_prints_tables_csv_and_sheets(log: Engine, tmp_path: Path) -> None:
    note(log, [replace(one, source="=1+1") for one in two_hundred()], UNTIL)
    sheet = tmp_path / "f.xlsx"
    options = ["--db", f"sqlite:///{tmp_path / 'log.db'}", "--by", "source"]
    options += ["--since", "2026-11-01", "--until", "2026-11-30"]
    env = {"VORONKA_STATE_DIR": str(tmp_path), "VORONKA_PLAN": "config"}

    def told(*more: str) -> str:
        result = CliRunner().invoke(main, ["funnel", *options, *more], env=env)
        assert result.exit_code == 0, result.output
        return result.output

    assert "cold call" in told()
    rows = told("--csv").splitlines()
    assert rows[0] == "source,stage,count,to_previous,to_top,open,decided,median_s"
    assert rows[1:3] == [
        "'=1+1,cold-call,200,,,0,,",
        "'=1+1,meeting,22,0.11,0.11,0,0.11,345600.000",
    ]
    assert told("--xlsx", str(sheet)) == ""
    assert b"<f>" not in zipfile.ZipFile(sheet).read("xl/worksheets/sheet1.xml")


def test_a_plans_own_stage_may_have_the_name_of_one_of_calls() -> None:
    plan = FunnelPlan({"lead": "lead", "qualified": "fits", "deal": "deal"}, 30.0, 86400.0)
    assert Funnel.of(plan, Way.INCOMING).stages == (*CALL_TITLES, "deal")
    assert Funnel.of(plan, Way.INCOMING).titles["qualified"] == "fits"


RULES = Rules(("cold-call", "meeting"), {"anna"}, "RU", UTC)


def test_a_file_is_taken_whole() -> None:
    text = (
        "stage;number;at;manager;source\r\n"
        'cold-call;8 (916) 123-45-67;2026-11-02 10:00;anna;"сайт; главная"\r\n'
        "\r\n"
        "meeting;+79161234567;2026-11-03T12:00:00+03:00;;\r\n"
    )
    first, second = read_events("f.csv", text.encode("utf-8-sig"), RULES, UNTIL)
    assert (first.subject, first.agent, first.source) == ("+79161234567", "anna", "сайт; главная")
    assert (second.stage, second.at) == ("meeting", datetime(2026, 11, 3, 9, tzinfo=UTC))


def test_each_mistake_in_a_file_is_told_with_its_line_and_column() -> None:
    text = (
        "stage,number,at,manager\n"
        'cold-call,+79161234567,2026-11-02,"anna"\n'
        "meting,+79161234567,2026-11-02,anna\n"
        "meeting,hello,yesterday,ivan\n"
        "meeting,+79161234567\n"
        "cold-call,89161234567,2026-11-02,anna\n"
        "meeting,+79161234567,2030-01-01,anna\n"
    )
    with pytest.raises(ImportRefused) as caught:
        read_events("f.csv", text.encode(), RULES, UNTIL)
    assert str(caught.value).splitlines() == [
        "f.csv:3:stage: no stage 'meting' (stages are cold-call, meeting)",
        "f.csv:4:manager: the plan has no manager 'ivan'",
        "f.csv:4:number: 'hello' is no telephone number",
        "f.csv:4:at: 'yesterday' is no time (2026-11-23 14:05, or with a zone: "
        "2026-11-23T14:05:00+03:00)",
        "f.csv:5:-: 2 cells, the header has 4",
        "f.csv:6:key: this event is in the file twice (first in line 2)",
        "f.csv:7:at: '2030-01-01' is in the future",
        "nothing was taken",
    ]


def test_the_exact_test_is_fishers() -> None:
    # Fisher's lady tasting tea: 8 cups, 4 of each, none right of 4: 1/70; at most 1: 17/70.
    assert fell_p(Trial("", "s", 4, 4, 4, 0)) == pytest.approx(1 / 70)
    assert fell_p(Trial("", "s", 4, 3, 4, 1)) == pytest.approx(17 / 70)


def look(rng: random.Random, fallen: bool) -> list[Trial]:
    """40 slices; where one has fallen it is the first, from 30 % to 10 %."""
    found = []
    for n in range(40):
        usual = 0.3 if n == 0 else rng.choice((0.05, 0.3, 0.8))
        before, recent = (700, 90) if n == 0 else (rng.randrange(5, 400), rng.randrange(1, 60))
        lately = 0.1 if fallen and n == 0 else usual
        came = [
            sum(rng.random() < p for _ in range(had))
            for had, p in ((before, usual), (recent, lately))
        ]
        found.append(Trial(f"s{n}", "meeting", before, came[0], recent, came[1]))
    return found


def test_false_alarms_are_as_rare_as_is_said_and_true_ones_are_not_missed() -> None:
    rng = random.Random(1)
    false = sum(
        any(one.verdict is Verdict.FELL for one in judge(look(rng, fallen=False)))
        for _ in range(80)
    )
    assert false <= 4  # 5 % of 80
    caught = sum(judge(look(rng, fallen=True))[0].verdict is Verdict.FELL for _ in range(20))
    assert caught >= 14


def test_too_few_data_is_an_answer() -> None:
    (judged,) = judge([Trial("", "meeting", 30, 10, 3, 0)])
    assert (judged.verdict, judged.p) == (Verdict.TOO_FEW, None)


def test_a_look_compares_the_last_settled_week_with_those_before(
    log: Engine, tmp_path: Path
) -> None:
    wanted = Watch(SALES, Look(before=2), slices_of(["manager"], {}))
    until = SINCE + 21 * DAY
    events = [
        *(event("cold-call", n, n % 14) for n in range(40)),
        *(event("meeting", n, n % 14 + 1) for n in range(0, 40, 2)),
        *(event("cold-call", n, 15) for n in range(100, 120)),
        event("meeting", 100, 30),  # later than the time to settle
        event("cold-call", 200, 21),  # after the window
    ]
    note(log, events, UNTIL)
    assert wanted.look.due(until + 9 * DAY, SINCE) == until
    found = watch(log, ColumnStore(tmp_path / "columns"), wanted, SINCE, until + 9 * DAY)
    assert found[0].trial == Trial("", "meeting", 40, 20, 20, 0)
    assert [one.trial.label for one in found] == ["", "", "manager=anna", "manager=anna"]
    assert [one.verdict for one in found[::2]] == [Verdict.FELL, Verdict.FELL]
