"""The list of calls and a call's page, over the demo's morning."""

from __future__ import annotations

import itertools
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pbx.journal.queries import CallFilter, Sight, call_story, list_calls
from pbx.journal.story import CallStory
from pbx.settings import WebSettings
from pbx.web.access import Role
from pbx.web.api.paging import cursor_of
from pbx.web.call_query import CallQuery
from pbx.web.call_track import Bar, draw
from pbx.web.call_words import Teller
from pbx.web.names import Names
from pbx.web.sight import sight_of
from pbx.web.state import WebState
from pbx.web.texts import LANGUAGES, texts
from tests.web.morning import BEGAN, morning, principal, seen_by, write_morning

CALLERS = 18
MOSCOW = ZoneInfo("Europe/Moscow")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> WebSettings:
    from pbx.settings import read_web_settings

    folder = tmp_path_factory.mktemp("morning")
    settings = read_web_settings({"VORONKA_STATE_DIR": str(folder), "VORONKA_PLAN": "config"})
    write_morning(settings, folder)
    return settings


@pytest.fixture
async def shop(written: WebSettings) -> AsyncIterator[WebState]:
    async with morning(written) as state:
        yield state


def numbers(html: str) -> list[str]:
    """Callers in the list, as the page shows them."""
    found = re.findall(r'<td class="caller"><a href="[^"]+">([^<]+)</a>', html)
    return [one.replace("\xa0", " ") for one in found]


def all_stories(state: WebState) -> list[CallStory]:
    found = [call_story(state.read, one.call_id) for one in list_calls(state.read, CallFilter())]
    return [one for one in found if one is not None]


# The list ---------------------------------------------------------------------------------


async def test_calls_are_listed_newest_first_with_names_and_not_keys(shop: WebState) -> None:
    async with seen_by(shop, Role.ADMIN) as browser:
        html = (await browser.get("/calls")).text

    assert len(numbers(html)) == CALLERS
    assert numbers(html)[0] == "+7 903 111-22-16"
    assert numbers(html)[-1] == "+7 903 111-22-01"
    assert "Withheld number" in numbers(html)
    assert "Ольга Кузнецова" in html
    assert ">kuznetsova<" not in html
    assert "Today" in html


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("number=8 (903) 111-22-01", {"+7 903 111-22-01"}),
        ("number=2204", {"+7 903 111-22-04"}),
        ("outcome=abandoned_in_menu", {"+7 903 111-22-04"}),
        ("number=withheld", {"Withheld number"}),
        ("number=%00nobody", set()),
        ("period=yesterday", set()),
        ("from=2026-11-18", set()),
        ("to=2026-11-16", set()),
        ("agent=orlova&queue=accounting&number=2203", {"+7 903 111-22-03"}),
        ("queue=nowhere", set()),
        ("did=%2B74951234567&number=2210", {"+7 903 111-22-10"}),
        ("recorded=1", set()),
    ],
)
async def test_the_address_says_which(shop: WebState, asked: str, shown: set[str]) -> None:
    async with seen_by(shop, Role.ADMIN) as browser:
        html = (await browser.get(f"/calls?{asked}")).text

    assert set(numbers(html)) == shown


@pytest.mark.parametrize(
    "asked",
    [
        "period=never&outcome=x&from=0001-01-01&to=9999-12-31&before=abc&recorded=maybe",
        "before=////&number=" + "9" * 5000,
        "before=" + cursor_of(datetime(2026, 1, 1, tzinfo=UTC), "x\0"),
        "agent='; drop table calls; --&queue=%ff%fe",
    ],
)
async def test_an_address_that_makes_no_sense_is_no_fault(shop: WebState, asked: str) -> None:
    async with seen_by(shop, Role.ADMIN) as browser:
        assert (await browser.get(f"/calls?{asked}")).status_code == 200
        assert len(numbers((await browser.get("/calls")).text)) == CALLERS


def test_pages_follow_each_other_without_gap_or_double(shop: WebState) -> None:
    whole = list_calls(shop.read, CallFilter())
    seen: list[str] = []
    before = None
    while some := list_calls(shop.read, CallFilter(limit=5, before=before)):
        seen = [one.call_id for one in some] + seen
        before = (some[0].started_at, some[0].call_id)

    assert seen == [one.call_id for one in whole]


async def test_the_next_page_begins_after_the_last_call(
    shop: WebState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pbx.web.pages.calls.PAGE", 10)
    async with seen_by(shop, Role.ADMIN) as browser:
        first = (await browser.get("/calls?did=78005553535")).text
        (older,) = re.findall(r'rel="next" href="([^"]+)"', first)
        second = (await browser.get(older.replace("&amp;", "&"))).text

    whole = list_calls(shop.read, CallFilter(did="78005553535"))
    assert len(numbers(first)) == 10
    assert len(numbers(first) + numbers(second)) == len(whole)
    assert "rel=" + '"next"' not in second


@pytest.mark.parametrize("cursor", ["", "x", "MjAyNg", "0" * 400, "%", "é", "bm90IGEgdGltZSB4"])
def test_a_place_that_is_none_is_the_beginning(cursor: str) -> None:
    at = datetime(2026, 11, 17, 9, 0, 0, 123456, tzinfo=UTC)

    assert CallQuery.of({"before": cursor_of(at, "a-1 ж")}).before == (at, "a-1 ж")
    assert CallQuery.of({"before": cursor}).before is None


def test_a_day_is_as_long_as_the_clocks_make_it() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    query = CallQuery.of({"from": "2026-10-25", "to": "2026-10-25"})
    wanted = query.wanted(datetime(2026, 10, 26, tzinfo=UTC), berlin, 10, None)

    assert wanted.since is not None
    assert wanted.until is not None
    assert wanted.until - wanted.since == timedelta(hours=25)
    assert query.address() == "?from=2026-10-25&to=2026-10-25"
    assert CallQuery.of({"period": "7d"}).address() == ""
    assert CallQuery.of({"from": "2026-10-25"}).since == date(2026, 10, 25)


# Who sees what ------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("role", "departments", "agent"),
    [
        (Role.MANAGER, (), "petrova"),
        (Role.MANAGER, (), None),
        (Role.SUPERVISOR, ("support",), None),
        (Role.SUPERVISOR, ("sales", "accounting"), "orlova"),
        (Role.SUPERVISOR, ("*",), None),
        (Role.ADMIN, (), None),
    ],
)
async def test_a_call_is_listed_for_whom_it_can_be_opened_and_for_nobody_else(
    shop: WebState, role: Role, departments: tuple[str, ...], agent: str | None
) -> None:
    async with seen_by(shop, role, departments=departments, agent=agent) as browser:
        html = (await browser.get("/calls")).text
        listed = set(re.findall(r'class="caller"><a href="/calls/([^"]+)"', html))
        for story in all_stories(shop):
            answer = await browser.get(f"/calls/{story.call.call_id}")
            assert (answer.status_code == 200) == (story.call.call_id in listed)

    sight = sight_of(principal(shop, role, departments=departments, agent=agent))
    shown = {one.call.call_id for one in all_stories(shop) if sight is None or sight.shows(one)}
    assert listed == shown
    if role is Role.MANAGER:
        own = {
            one.call.call_id
            for one in all_stories(shop)
            if agent is not None and any(leg.agent == agent for leg in one.legs)
        }
        assert listed == own
        assert len(listed) < CALLERS


async def test_a_manager_cannot_ask_for_a_colleagues_calls(shop: WebState) -> None:
    async with seen_by(shop, Role.MANAGER, agent="volkova") as browser:
        html = (await browser.get("/calls?agent=orlova")).text

    assert numbers(html) == []
    assert "Анна Орлова" not in re.sub(r"<a class=.filter-chip.*", "", html)


def test_sight_of_nobody_shows_nothing(shop: WebState) -> None:
    assert list_calls(shop.read, CallFilter(sight=Sight())) == []


# A call's page ------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_call_of_the_morning_has_a_page(shop: WebState, language: str) -> None:
    async with seen_by(shop, Role.ADMIN, language=language) as browser:
        for story in all_stories(shop):
            answer = await browser.get(f"/calls/{story.call.call_id}")
            assert answer.status_code == 200
            # A text that is not there would be shown as its key.
            assert not re.search(r"\bcalls\.[a-z_]+\.", answer.text)
            for offer in story.offers:
                for agent in offer.chosen:
                    assert Names(shop.plan).agent(agent) in answer.text


async def test_what_is_not_there_is_a_page_that_says_so(shop: WebState) -> None:
    async with seen_by(shop, Role.ADMIN) as browser:
        for name in ("nothing", "%00", "..%2f..%2fetc", "x" * 3000):
            assert (await browser.get(f"/calls/{name}")).status_code == 404


async def test_masked_digits_stay_masked(shop: WebState) -> None:
    story = next(one for one in all_stories(shop) if one.steps)
    step = replace(story.steps[0], kind="collectdigits", digits="************1111", detail="card")
    told = Teller(texts("en"), Names(shop.plan), str).moments(replace(story, steps=(step,)))

    (shown,) = [one for one in told if one.keys]
    assert shown.keys == "************1111"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("noted", "said"),
    [
        (
            'answered after 84 ms: manager ivanov; VIP; name "ООО → {x}"; language en',
            "ответ за 84 мс: Иван Иванов; VIP; имя: ООО → {x}; язык: en",
        ),
        ("answered after 3 ms: nothing known", "ответ за 3 мс: ничего не известно"),
        ("late after 700 ms: no answer within 700 ms", "без ответа: нет ответа за 700 мс"),
        ("broken after 9 ms: status 500", "сбой через 9 мс: status 500"),
        (
            "not asked: the CRM did not answer 5 times in a row",
            "не спрошено: CRM не ответила 5 раз подряд, ей дан отдых",
        ),
    ],
)
async def test_what_the_crm_said_is_told_in_the_pages_language(
    shop: WebState, noted: str, said: str
) -> None:
    story = next(one for one in all_stories(shop) if one.steps)
    step = replace(story.steps[0], node="", kind="lookup", digits=None, detail=noted)
    told = Teller(texts("ru"), Names(shop.plan), str).moments(replace(story, steps=(step,)))

    (shown,) = [one for one in told if one.icon == "circle-user"]
    assert shown.detail == said
    assert "CRM" in shown.text


def test_whose_telephones_rang_and_why_is_told_with_names(shop: WebState) -> None:
    story = next(one for one in all_stories(shop) if one.call.agent and one.offers)
    teller = Teller(texts("ru"), Names(shop.plan), str)

    for wanted, said in (
        ("next after ivanov", "следующий по кругу после: Иван Иванов"),
        ("ivanov, who talked last, is not to be had; by chance", "Иван Иванов говорил"),
        ("named by the CRM", "назван в CRM"),
        ("ivanov, whom the CRM named, is not to be had; by chance", "Иван Иванов назван в CRM"),
        ("all who are free: 3", "все, кто свободен: 3"),
        ("least talk today: 75 s", "1:15"),
        ("a strategy of somebody else's", "a strategy of somebody else's"),
    ):
        assert said in teller.why(wanted)
    told = teller.moments(story)
    assert [one.at for one in told] == sorted(one.at for one in told)
    assert told[0].icon == "phone-incoming"
    assert told[-1].text.startswith("Звонок окончен")


def test_every_strategy_and_every_reason_has_words_in_both_languages() -> None:
    from routing.strategy import Registry
    from routing.values import Disposition, Outcome

    for language in LANGUAGES:
        known = texts(language).all
        for name in Registry.builtin().names():
            assert f"calls.strategy.{name}" in known
        for outcome in Outcome:
            assert f"calls.outcome.{outcome}" in known
        for disposition in Disposition:
            assert f"calls.disposition.{disposition}" in known
        for reason in [
            "busy",
            "wrap_up",
            "paused",
            "offline",
            "unreachable",
            "skill",
            "just_refused",
            "not_chosen",
        ]:
            assert f"calls.left_out.{reason}" in known


# The drawing --------------------------------------------------------------------------------


def test_bars_are_to_scale_and_leave_no_gap(shop: WebState) -> None:
    for story in all_stories(shop):
        ended = story.call.ended_at
        assert ended is not None
        track = draw(story, ended, lead=False)
        length_s = max((ended - story.call.started_at).total_seconds(), 0.1)
        assert track.to_s == length_s
        parts = track.rows[0].parts
        assert parts[0].from_s == 0
        for one, following in itertools.pairwise(parts):
            assert one.to_s == following.from_s
        talked = sum(one.to_s - one.from_s for one in parts if one.bar is Bar.TALK)
        assert talked == pytest.approx(story.call.talk_s or 0.0, abs=0.01)
        for row in track.rows:
            for one in row.parts:
                assert one.x == pytest.approx(one.from_s / length_s * 100, abs=0.5)
                assert 0 <= one.x <= 100
                assert one.x + one.width <= 100.001


def test_no_key_is_drawn_over_words(shop: WebState) -> None:
    keys = 0
    for story in all_stories(shop):
        for row in draw(story, story.call.ended_at or story.call.started_at, lead=False).rows:
            for part in row.parts:
                here = [
                    one.x
                    for one in row.marks
                    if one.what == "key" and -0.1 < one.x - part.x < part.width - 0.1
                ]
                keys += len(here)
                words = part.x + part.width * (part.keyed or 0) / 100
                assert all(x <= words + 0.1 for x in here)
                assert (part.keyed is None) == (not here)
                assert part.room <= part.width
    assert keys > 10


def test_a_call_that_goes_on_is_drawn_up_to_now(shop: WebState) -> None:
    story = next(one for one in all_stories(shop) if one.call.agent)
    talk = next(leg for leg in story.legs if leg.kind == "bridge")
    going = replace(
        story,
        call=replace(story.call, ended_at=None, outcome=None),
        legs=tuple(
            replace(leg, ended_at=None) if leg in (talk,) or leg.leg_id == talk.of_leg else leg
            for leg in story.legs
        ),
    )
    track = draw(going, talk.started_at + timedelta(seconds=100), lead=False)

    assert track.rows[0].parts[-1].bar is Bar.TALK
    assert track.rows[0].parts[-1].goes_on
    assert track.to_s == pytest.approx(
        (talk.started_at - story.call.started_at).total_seconds() + 100
    )
    lead = draw(going, talk.started_at + timedelta(seconds=1000), lead=True)
    assert lead.lead
    assert lead.to_s < 60


def test_a_clock_that_went_back_breaks_no_drawing(shop: WebState) -> None:
    story = next(one for one in all_stories(shop) if one.call.agent)
    early = story.call.started_at - timedelta(seconds=5)
    odd = replace(story, call=replace(story.call, ended_at=early))

    for row in draw(odd, BEGAN, lead=True).rows:
        for one in row.parts:
            assert 0 <= one.x <= 100
            assert one.width >= 0


def test_the_page_is_not_told_where_files_lie(tmp_path: Path) -> None:
    """No template of these pages shows a path of the log."""
    folder = Path("pbx/web/templates")
    for name in ("call.html", "calls.html", "calls_macros.html"):
        assert ".path" not in (folder / name).read_text(encoding="utf-8")
