"""What managers' phones may dial themselves, on a real Asterisk without an engine."""

from __future__ import annotations

import asyncio
import time

import pytest

from lab.asterisk import HOST, AsteriskLab
from lab.sipp import Answer, Caller, Dialling, TrunkPhones
from routing.events import LegEnded
from routing.values import Disposition
from tests.asterisk.adapter import adapter
from tests.asterisk.raw_sip import raw_sip, response

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(90)]

MOBILE = "+79161112233"
FORBIDDEN = 403


def _site(**values: str) -> str:
    lines = "".join(f"VORONKA_{name} = {value}\n" for name, value in values.items())
    return f"[globals](+)\nVORONKA_OUTSIDE =\n{lines}"


async def _dials(lab: AsteriskLab, number: str, phone: str = "anna") -> int:
    """What the phone gets for this number."""
    own = Dialling(number, from_number=phone, talk_ms=100)
    return (await Caller(lab, own, host=HOST).run(20)).status


async def _refused(lab: AsteriskLab) -> list[str]:
    log = (lab.folder.host / "log/messages.log").read_text()
    return [line.partition("may not call ")[2] for line in log.splitlines() if "may not" in line]


#: What is dialled, and the number called; "" is forbidden, None no such number.
DIALLED = {
    MOBILE: MOBILE,
    "89161112233": MOBILE,
    "8107916111223": "+7916111223",
    "+442071838750": "+442071838750",
    "810442071838750": "+442071838750",
    "+78091234567": "",
    "+19005551234": "",
    "9161112233": "",
    "8101900555123456": "",
    "+4420": None,
    "+79161112233*72": None,
    "79161112233&PJSIP": None,
    "%24%7BEXTEN%7D": None,
}


async def test_a_phone_dials_what_the_list_begins_and_nothing_else() -> None:
    called = {number: Answer(50) for number in DIALLED.values() if number}
    async with (
        AsteriskLab(phones=["anna"], dialplan=_site(OUTSIDE="+7916|4420|")) as lab,
        TrunkPhones(lab, called) as outside,
    ):
        for dialled, number in DIALLED.items():
            before = len(outside.calls())
            status = await _dials(lab, dialled)
            assert status in ([200] if number else [404, 484] if number is None else [FORBIDDEN])
            made = [call.to_user for call in outside.calls()[before:]]
            assert made == ([number] if number else []), dialled

        forbidden = [dialled for dialled, number in DIALLED.items() if number == ""]
        assert await _refused(lab) == [f"{dialled}: not allowed" for dialled in forbidden]
        await lab.nothing_left()


async def test_without_a_list_nothing_outside_is_dialled() -> None:
    async with AsteriskLab(phones=["anna"], dialplan=_site()) as lab:
        assert await _dials(lab, MOBILE) == FORBIDDEN


async def test_outside_its_hours_nothing_is_dialled() -> None:
    never = _site(OUTSIDE="79", OUTSIDE_HOURS="*,*,29,feb")
    wrong = _site(OUTSIDE="79", OUTSIDE_HOURS="office")
    always = _site(OUTSIDE="79", OUTSIDE_HOURS="*,*,*,*")
    for site, status in ((never, FORBIDDEN), (wrong, FORBIDDEN), (always, 200)):
        async with (
            AsteriskLab(phones=["anna"], dialplan=site) as lab,
            TrunkPhones(lab, {MOBILE: Answer(50)}),
        ):
            assert await _dials(lab, MOBILE) == status


async def test_the_hours_calls_of_a_phone_and_of_all_are_limited() -> None:
    site = _site(OUTSIDE="79", OUTSIDE_PER_HOUR="3", OUTSIDE_PER_HOUR_EACH="2")
    async with (
        AsteriskLab(phones=["anna", "boris", "vera"], dialplan=site) as lab,
        TrunkPhones(lab, {MOBILE: Answer(50)}) as outside,
    ):
        await _not_at_an_hours_edge()
        who = ["anna", "anna", "anna", "boris", "boris", "vera"]
        got = [await _dials(lab, MOBILE, phone) for phone in who]

        assert got == [200, 200, FORBIDDEN, 200, FORBIDDEN, FORBIDDEN]
        assert len(outside.calls()) == 3
        told = [line.rpartition(": ")[2] for line in await _refused(lab)]
        assert told == ["limit of the phone", "limit", "limit"]
        assert lab.log_errors() == []


async def test_a_phone_that_forwards_a_call_outside_by_302_rings_nobody() -> None:
    """Forwarding in a phone would be a way around the engine's limits."""
    site = _site(OUTSIDE="79", EXT_101="PJSIP/anna")
    rung: list[bytes] = []

    def away(data: bytes) -> bytes | None:
        if not data.startswith(b"INVITE"):
            return None
        rung.append(data)
        return response(data, "302 Moved Temporarily", f"Contact: <sip:{MOBILE}@127.0.0.1>")

    async with (
        AsteriskLab(phones=["anna", "boris"], dialplan=site) as lab,
        raw_sip(HOST, lab.phones["anna"].port, away),
        TrunkPhones(lab, {MOBILE: Answer(50)}) as outside,
        adapter(lab) as told,
        Caller(lab, Dialling("78005553535")) as caller,
    ):
        assert await _dials(lab, "101", "boris") >= 400
        told.ring(await told.held(), "anna")
        assert (await told.wait(LegEnded)).disposition is Disposition.FAILED

        assert len(rung) == 2
        assert outside.calls() == []
        caller.hang_up()
        await lab.nothing_left()


async def _not_at_an_hours_edge() -> None:
    """The counters are of hours of the clock."""
    left_s = 3600 - time.time() % 3600
    if left_s < 30:
        await asyncio.sleep(left_s)
