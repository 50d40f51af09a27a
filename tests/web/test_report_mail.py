"""Reports by mail: at their time, once, whole, to a real mail server."""

from __future__ import annotations

import asyncio
import io
import random
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from email.message import EmailMessage
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from pbx.cli import main
from pbx.errors import SettingsError
from pbx.journal.tables import call_facts, report_mails
from pbx.reports.columns import ColumnStore
from pbx.web.report_mail import ledger, letter
from pbx.web.report_mail.due import Every, Schedule
from pbx.web.report_mail.file import ReportMails, read_report_mails
from pbx.web.report_mail.post import Desk, Post
from pbx.web.state import WebState
from pbx.webhooks.letter import Letter
from tests.web.people import quick
from tests.web.seeded import seed
from tests.webhooks.post_office import PostOffice, post_office

# matplotlib calls pyparsing by names that are going away.
pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated - use:DeprecationWarning")

MONDAY = datetime(2026, 11, 1, 21, tzinfo=UTC)
DUE = datetime(2026, 11, 9, 6, tzinfo=UTC)
"""Monday, 09:00 in Moscow."""
STAFF = {"petrova": "sales", "ivanov": "sales"}
FILE = """
server:
  smtp: 127.0.0.1:{port}
  tls: none
  from: pbx@example.org
mails:
  sales-week:
    every: monday
    at: "09:00"
    report: /reports?period=last-week&by=source&measures=offered,asa_s&compare=1
    to: [head@example.org, owner@example.org]
    language: ru
"""


def written(folder: Path, port: int, text: str = FILE) -> ReportMails:
    path = folder / "mails.yaml"
    path.write_text(text.format(port=port), encoding="utf-8")
    return read_report_mails(path)


@pytest.fixture
def calls(state: WebState) -> None:
    """Two weeks before the mail is due."""
    first = MONDAY - timedelta(days=7)
    seed(state.write, STAFF, ("sales",), first, 14, 25, random.Random(6))


class Clock:
    def __init__(self) -> None:
        self.at = DUE - timedelta(days=3)

    def __call__(self) -> datetime:
        return self.at


def count_of(state: WebState, result: str) -> float | None:
    name = "voronka_web_report_mails_total"
    return state.metrics.registry.get_sample_value(name, {"result": result})


def post(state: WebState, mails: ReportMails, clock: Clock) -> Post:
    async def slowly(work: Callable[[], Letter]) -> Letter:
        return await state.slowly(work)

    store = ColumnStore.beside(state.settings.state_dir, state.settings.database)
    url = "https://pbx.example.org"
    count = state.metrics.report_mail
    return Post(
        mails, Desk(state.read, state.write, store, lambda: state.plan, clock, slowly, url, count)
    )


def html_of(mail: EmailMessage) -> str:
    body = mail.get_body(("html",))
    assert body is not None
    return str(body.get_content())


@pytest.mark.usefixtures("calls")
async def test_a_mail_has_figures_plots_a_table_and_a_sheet(
    state: WebState, tmp_path: Path
) -> None:
    evil = "=cmd|' /C calc'!A0<script>"
    with state.write.begin() as connection:
        connection.execute(
            update(call_facts).where(call_facts.c.source == "radio").values(source=evil)
        )
    clock = Clock()
    async with post_office("250 OK") as office:
        mails = written(tmp_path, office.port)
        sender = post(state, mails, clock)
        await sender.look(mails.mails[0])
        clock.at = DUE + timedelta(seconds=20)
        await sender.look(mails.mails[0])

    mail = office.mail()
    assert mail["Subject"] == "Отчёты: 2 ноя. 2026 — 8 ноя. 2026"
    assert mail["Message-ID"] == "<report.sales-week.20261109T0600@example.org>"
    assert office.envelopes[0].rcpt_tos == ["head@example.org", "owner@example.org"]
    html = html_of(mail)
    with state.read.connect() as connection:
        began = [row.began_ms / 1000 for row in connection.execute(select(call_facts))]
    week = sum(MONDAY.timestamp() <= one < (DUE.timestamp() - 9 * 3600) for one in began)
    assert f">{week}</strong>" in html
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "https://pbx.example.org/reports?since=2026-11-02T00%3A00" in html
    kinds = [part.get_content_type() for part in mail.walk()]
    assert kinds.count("image/png") == 2
    assert "cid:plot0@voronka" in html
    (sheet,) = mail.iter_attachments()
    assert sheet.get_filename() == "sales-week_2026-11-02.xlsx"
    with zipfile.ZipFile(io.BytesIO(sheet.get_content())) as book:
        assert "<f>" not in book.read("xl/worksheets/sheet1.xml").decode()
    plain = mail.get_body(("plain",))
    assert plain is not None
    assert f"Звонки: {week}" in plain.get_content()


@pytest.mark.usefixtures("calls")
async def test_once_for_each_time_over_starts_and_processes(
    state: WebState, tmp_path: Path
) -> None:
    clock = Clock()
    async with post_office("250 OK") as office:
        mails = written(tmp_path, office.port)
        (mail,) = mails.mails
        # What was due before anybody knew of it is passed over.
        await post(state, mails, clock).look(mail)
        assert office.envelopes == []
        clock.at = DUE + timedelta(hours=2)  # nobody was there in time
        await asyncio.gather(*(post(state, mails, clock).look(mail) for _ in range(4)))
        await post(state, mails, clock).look(mail)
        assert len(office.envelopes) == 1
        clock.at = DUE + timedelta(days=20)
        await post(state, mails, clock).look(mail)
        await post(state, mails, clock).look(mail)
    assert len(office.envelopes) == 2
    assert "16 ноя. 2026 — 22 ноя. 2026" in office.mail()["Subject"]


@pytest.mark.usefixtures("calls")
async def test_a_server_that_is_not_ready_is_tried_again_and_later(
    state: WebState, tmp_path: Path
) -> None:
    clock = Clock()
    async with post_office("451 later", "451 later", "250 OK") as office:
        mails = written(tmp_path, office.port)
        (mail,) = mails.mails
        await post(state, mails, clock).look(mail)
        clock.at = DUE
        for minute in range(8):
            clock.at = DUE + timedelta(minutes=minute)
            await post(state, mails, clock).look(mail)
    # At once, after one minute, five minutes later; then no more.
    assert len(office.envelopes) == 3
    ids = {office.mail(n)["Message-ID"] for n in range(3)}
    assert len(ids) == 1
    assert states(state)[-1] == ("sent", 3)
    assert (count_of(state, "sent"), count_of(state, "failed")) == (1, 2)


def states(state: WebState) -> list[tuple[str, int]]:
    with state.read.connect() as connection:
        rows = connection.execute(select(report_mails).order_by(report_mails.c.due_at))
        return [(row.state, row.tries) for row in rows]


@pytest.mark.usefixtures("calls")
async def test_who_has_it_does_not_get_it_again(state: WebState, tmp_path: Path) -> None:
    clock = Clock()
    recipients = {"owner@example.org": "450 busy"}
    async with post_office("250 OK", recipients=recipients) as office:
        mails = written(tmp_path, office.port)
        (mail,) = mails.mails
        await post(state, mails, clock).look(mail)
        clock.at = DUE
        await post(state, mails, clock).look(mail)
        recipients["owner@example.org"] = "250 OK"
        clock.at = DUE + timedelta(minutes=2)
        await post(state, mails, clock).look(mail)
    assert [one.rcpt_tos for one in office.envelopes] == [
        ["head@example.org"],
        ["owner@example.org"],
    ]


@pytest.mark.parametrize(("answer", "end"), [("554 no", "refused"), ("451 later", "given-up")])
async def test_what_can_not_be_sent_is_given_up(
    state: WebState, tmp_path: Path, answer: str, end: str
) -> None:
    clock = Clock()
    async with post_office(answer) as office:
        mails = written(tmp_path, office.port)
        (mail,) = mails.mails
        await post(state, mails, clock).look(mail)
        for hours in (0, 1, 5, 25, 30):
            clock.at = DUE + timedelta(hours=hours)
            await post(state, mails, clock).look(mail)
    assert states(state)[-1][0] == end
    assert len(office.envelopes) == (1 if end == "refused" else 4)
    assert count_of(state, end.replace("-", "_")) == 1
    assert count_of(state, "failed") == len(office.envelopes) - 1


async def test_who_died_while_sending_is_followed_by_another(state: WebState) -> None:
    ledger.take(state.write, "x", DUE - timedelta(days=7), DUE - timedelta(days=7))
    assert ledger.take(state.write, "x", DUE, DUE) is not None
    assert ledger.take(state.write, "x", DUE, DUE + timedelta(minutes=9)) is None
    again = ledger.take(state.write, "x", DUE, DUE + timedelta(minutes=11))
    assert again is not None
    assert again.tries == 2


async def test_without_matplotlib_the_mail_says_so(
    state: WebState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed(state.write, STAFF, ("sales",), MONDAY, 7, 20, random.Random(6))
    monkeypatch.setattr(letter, "there_is_matplotlib", lambda: False)
    (mail,) = written(tmp_path, 25).mails
    store = ColumnStore.beside(state.settings.state_dir, state.settings.database)
    made = letter.letter(state.read, store, mail, state.plan, DUE, DUE, sender="pbx@example.org")
    html = html_of(office_of(made))
    assert "на сервере нет matplotlib" in html
    assert "cid:" not in html


async def test_a_week_without_calls_is_told(state: WebState, tmp_path: Path) -> None:
    (mail,) = written(tmp_path, 25).mails
    store = ColumnStore.beside(state.settings.state_dir, state.settings.database)
    made = letter.letter(state.read, store, mail, state.plan, DUE, DUE, sender="pbx@example.org")
    assert "Звонков нет" in html_of(office_of(made))


def office_of(made: Letter) -> EmailMessage:
    """As a mail program reads it."""

    class Envelope:
        content = made.content

    office = PostOffice(["250 OK"], envelopes=[Envelope()])  # type: ignore[list-item]
    return office.mail()


# The file ---------------------------------------------------------------------------------


def test_each_mistake_in_the_file_is_told_at_its_place(tmp_path: Path) -> None:
    text = """
server:
  smtp: mail.example.org
  from: nobody
mails:
  "Bad Name":
    every: fortnight
    at: 9
    report: by=colour
    to: []
    langage: ru
  good:
    every: day
    at: "07:30"
    report: by=queue&measures=occupancy
    to: a@example.org
"""
    with pytest.raises(SettingsError) as caught:
        written(tmp_path, 0, text)
    told = str(caught.value)
    for place, words in (
        ("4:9", "expected an address"),
        ("6:3", "can't be a name"),
        ("7:12", "expected one of day, monday"),
        ("8:9", "a time of the day"),
        ("9:13", "no slice 'colour'"),
        ("10:9", "expected one at least"),
        ("11:5", 'did you mean "language"'),
        ("15:13", "occupancy can't be told by these slices"),
    ):
        assert f"mails.yaml:{place}" in told, (place, told)
        assert words in told
    assert "no report is mailed" in told


async def test_a_wrong_file_keeps_no_page_away(state: WebState, tmp_path: Path) -> None:
    from dataclasses import replace

    broken = tmp_path / "broken.yaml"
    broken.write_text("mails: 5", encoding="utf-8")
    other = WebState(replace(state.settings, reports_file=broken), passwords=quick())
    async with other.running():
        assert other.plan is not None
        name = "voronka_web_report_mails_readable"
        assert other.metrics.registry.get_sample_value(name) == 0
    assert state.metrics.registry.get_sample_value(name) == 1


ZONES = ("Europe/Moscow", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Tehran")


@given(
    st.builds(
        Schedule,
        st.sampled_from(Every),
        st.integers(0, 6),
        st.times().map(lambda at: time(at.hour, at.minute)),
    ),
    st.integers(1_735_689_600, 1_830_297_600).map(lambda s: datetime.fromtimestamp(s, UTC)),
    st.sampled_from(ZONES),
)
def test_what_is_due_is_the_last_of_its_kind(
    schedule: Schedule, now: datetime, zone_name: str
) -> None:
    zone = ZoneInfo(zone_name)
    due = schedule.last_due(now, zone)
    longest = {Every.DAY: 1, Every.WEEK: 7, Every.MONTH: 31}[schedule.every]

    assert due <= now < due + timedelta(days=longest, hours=2)
    assert schedule.last_due(due, zone) == due
    local = due.astimezone(zone)
    if local.replace(tzinfo=None).time() == schedule.at:
        assert schedule.every is not Every.WEEK or local.weekday() == schedule.weekday
        assert schedule.every is not Every.MONTH or local.day == 1


# By hand ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("calls")
async def test_the_command_checks_and_sends(state: WebState, tmp_path: Path) -> None:
    env = {
        "VORONKA_STATE_DIR": str(state.settings.state_dir),
        "VORONKA_PLAN": str(state.settings.plan),
        "VORONKA_REPORTS_FILE": str(tmp_path / "mails.yaml"),
    }
    async with post_office("250 OK") as office:
        written(tmp_path, office.port)

        def run(*arguments: str) -> str:
            result = CliRunner().invoke(main, ["report-mail", *arguments], env=env)
            assert result.exit_code == 0, result.output
            return result.output

        assert "1 mails, nothing wrong" in await asyncio.to_thread(run, "--check")
        assert "sales-week: every week at 09:00" in await asyncio.to_thread(run)
        said = await asyncio.to_thread(run, "--now", "sales-week")
    assert "sent to 2 of 2" in said
    assert len(office.envelopes) == 1
    (tmp_path / "mails.yaml").write_text("mails: 5", encoding="utf-8")
    result = CliRunner().invoke(main, ["report-mail", "--check"], env=env)
    assert result.exit_code == 1
    assert "mails.yaml:1:1" in result.output
