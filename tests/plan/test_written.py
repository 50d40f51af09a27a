"""Single values: what is understood, and what is refused."""

from __future__ import annotations

from datetime import time

import pytest

from ivr.schedule import Window
from pbx.plan import written
from pbx.plan.outside_numbers import e164, national, refuse_dear
from pbx.plan.written import Wrong


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("20s", 20),
        ("1m30s", 90),
        ("500ms", 0.5),
        ("2h", 7200),
        ("30d", 2592000),
        ("7", 7),
        ("1.5s", 1.5),
        ("0", 0),
        ("0.25", 0.25),
        ("1h1m1s1ms", 3661.001),
    ],
)
def test_durations_are_seconds(text: str, seconds: float) -> None:
    assert written.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "20 s", "-1s", "1m 30s", "1:30", "٣s", "1e3", "inf"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(Wrong):
        written.duration(text)


@pytest.mark.parametrize(
    ("text", "windows"),
    [
        ("09:00-18:00", [(9, 0, 18, 0)]),
        ("9:05-18:30", [(9, 5, 18, 30)]),
        ("22:00-06:00", [(22, 0, 6, 0)]),
        ("00:00-24:00", [(0, 0, 0, 0)]),
        ("18:00-24:00", [(18, 0, 0, 0)]),
        ("all day", [(0, 0, 0, 0)]),
        ("09:00-13:00, 14:00-18:00", [(9, 0, 13, 0), (14, 0, 18, 0)]),
        ("closed", []),
    ],
)
def test_hours_are_windows(text: str, windows: list[tuple[int, int, int, int]]) -> None:
    assert written.windows(text) == tuple(Window(time(a, b), time(c, d)) for a, b, c, d in windows)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "9-18",
        "09:00",
        "09:60-10:00",
        "24:00-01:00",
        "10:00-10:00",
        "25:00-26:00",
        "09:00-12:00, 11:00-13:00",
        "20:00-04:00, 22:00-23:00",
        "nine",
    ],
)
def test_what_are_no_hours_is_refused(text: str) -> None:
    with pytest.raises(Wrong):
        written.windows(text)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("mon", (0,)),
        ("mon-fri", (0, 1, 2, 3, 4)),
        ("fri-mon", (4, 5, 6, 0)),
        ("sat, sun", (5, 6)),
        ("Mon-Wed,fri", (0, 1, 2, 4)),
        ("daily", tuple(range(7))),
        ("weekends", (5, 6)),
    ],
)
def test_days_are_understood(text: str, days: tuple[int, ...]) -> None:
    assert written.days(text) == days


@pytest.mark.parametrize("text", ["", "monday", "mon-", "mon,mon", "mon-fri,wed", "1-5"])
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(Wrong):
        written.days(text)


@pytest.mark.parametrize(
    "text",
    [
        *("sip:ivan@example.org&PJSIP/other", "sip:ivan@example.org,30,tT", "tel:+7916"),
        *("sip:ivan@example.org\r\nAction: Originate", "sip:@example.org", "sip:ivan@"),
        *("sip:ivan:secret@example.org", "sip:ivan@example.org;maddr=1.2.3.4", "SIP/ivan"),
        *("sip:ivan@example.org/x", "sip:i van@example.org", "sip:${CHANNEL}@example.org"),
        *("sip:ivan@exa_mple", "sip:ivan@-x.org", "sip:ivan@example.org:123456", "sip:и@x.org"),
    ],
)
def test_a_sip_address_brings_nothing_else_along(text: str) -> None:
    with pytest.raises(Wrong):
        written.sip_address(text)


@pytest.mark.parametrize(
    "text", ["PJSIP/{number}", "PJSIP/x@trunk", "Local/{number}@x/n", "PJSIP/{number}@a&b"]
)
def test_a_trunk_is_one_dial_string_with_one_number(text: str) -> None:
    with pytest.raises(Wrong):
        written.trunk(text)


def test_numbers_are_e164_however_they_are_written() -> None:
    for text in ("+78005553535", "88005553535", "8 (800) 555-35-35", "+7 800 555 35 35"):
        assert e164(text, "RU") == "+78005553535"
    assert e164("030 12345678", "DE") == "+493012345678"


def test_usual_spellings_of_a_trunk_are_known() -> None:
    assert national("+78005553535") == ("78005553535", "88005553535")


@pytest.mark.parametrize(
    ("number", "prefixes"),
    [
        ("+79161234567", ()),
        ("+79161234567", ("+7495",)),
        ("+78091234567", ("+7",)),
        ("+19005551234", ("+1",)),
    ],
)
def test_a_number_that_may_cost_dear_is_refused(number: str, prefixes: tuple[str, ...]) -> None:
    with pytest.raises(Wrong):
        refuse_dear(number, prefixes)


def test_a_very_long_duration_is_refused_at_once() -> None:
    with pytest.raises(Wrong):
        written.duration("1s" * 2_000_000)
