"""A CRM is asked who calls, by ``pbx run`` on a real Asterisk."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lab.asterisk import AsteriskLab
from lab.seen import CallSeen
from lab.service import PbxProcess
from lab.sipp import Answer, Caller, Dialling, Phone
from tests.asterisk.running import logged, story_of
from tests.lookup.crm import FakeCrm, Serve, crm, says

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(90)]

IVAN = "+79161234567"
QUEUE, MENU = "78005553536", "78005553535"
LIMIT_S = 0.7
# So long a caller stays with Asterisk until the next engine is there, on however slow a machine.
PATIENT = {"extensions_site.conf": "[globals](+)\nVORONKA_LIMIT = 60\n"}
PLAN = """
settings: {region: RU, time_zone: Europe/Moscow, languages: [en]}
managers:
  anna: {name: Anna}
  boris: {name: Boris}
queues:
  sales: {members: [anna, boris], strategy: linear}
prompts:
  hello: {sound: beep}
menus:
  welcome: {menu: hello, timeout: 60s, keys: {1: {queue: sales}}}
numbers:
  "+78005553535": {entry: welcome}
  "+78005553536": {entry: {queue: sales}}
"""


async def _hangs(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


def run(lab: AsteriskLab, folder: Path, fake: FakeCrm) -> PbxProcess:
    plan = folder / "plan.yaml"
    plan.write_text(PLAN, encoding="utf-8")
    settings = {
        "VORONKA_LOOKUP": fake.url,
        "VORONKA_LOOKUP_ALLOW_HTTP": "yes",
        "VORONKA_LOOKUP_SECRET": "k" * 24,
        "VORONKA_LOOKUP_LIMIT_MS": f"{LIMIT_S * 1000:.0f}",
    }
    return PbxProcess(lab, plan, folder / "state", settings=settings)


def waited_s(seen: CallSeen) -> float:
    """From the INVITE to the answer: before that nothing is done for a caller."""
    assert seen.invite_at is not None
    assert seen.answered_at is not None
    return seen.answered_at - seen.invite_at


async def test_the_named_manager_rings_and_the_phone_shows_the_crms_name(tmp_path: Path) -> None:
    async with (
        AsteriskLab(phones=["anna", "boris"]) as lab,
        Phone(lab, "anna", Answer(200, talk_ms=500)) as anna,
        Phone(lab, "boris", Answer(200, talk_ms=500)) as boris,
        crm(says({"manager": "boris", "vip": True, "name": "Romashka"})) as fake,
        run(lab, tmp_path, fake) as pbx,
    ):
        seen = await Caller(lab, Dialling(QUEUE, from_number=IVAN)).run(20)
        (call,) = await logged(pbx, lambda calls: any(one.ended_at for one in calls))

        assert not anna.calls()
        assert [one.from_name for one in boris.calls()] == ["Romashka"]
        assert waited_s(seen) < LIMIT_S, "nobody waits for the limit"
        assert fake.numbers == [IVAN]
        assert (call.agent, call.name) == ("boris", "Romashka")
        story = story_of(pbx, call.call_id)
        assert story.steps[0].kind == "lookup"
        assert story.steps[0].detail.startswith("answered after ")
        assert story.steps[0].detail.endswith('ms: manager boris; VIP; name "Romashka"')
        assert story.offers[0].why == "named by the CRM"
        assert story.waits[0].priority == 10
        _, told = await pbx.command("call", call.call_id)
        assert "lookup: answered after" in told
        assert 'voronka_lookups_total{result="answered"} 1.0' in await pbx.metrics()


@pytest.mark.parametrize(
    ("serve", "result", "least_s", "most_s"),
    [(_hangs, "late", LIMIT_S, LIMIT_S + 1.0), (says({}, status="500 Oh"), "broken", 0.0, LIMIT_S)],
)
async def test_late_or_broken_the_strategy_chooses_and_the_caller_is_not_kept(
    tmp_path: Path, serve: Serve, result: str, least_s: float, most_s: float
) -> None:
    async with (
        AsteriskLab(phones=["anna", "boris"]) as lab,
        Phone(lab, "anna", Answer(200, talk_ms=500)) as anna,
        Phone(lab, "boris", Answer(200, talk_ms=500)) as boris,
        crm(serve) as fake,
        run(lab, tmp_path, fake) as pbx,
    ):
        seen = await Caller(lab, Dialling(QUEUE, from_number=IVAN)).run(20)
        (call,) = await logged(pbx, lambda calls: any(one.ended_at for one in calls))

        assert least_s <= waited_s(seen) < most_s
        assert len(anna.calls()) == 1
        assert not boris.calls()
        assert call.outcome == "answered"
        assert story_of(pbx, call.call_id).steps[0].detail.startswith(f"{result} after ")
        assert f'voronka_lookups_total{{result="{result}"}} 1.0' in await pbx.metrics()


async def test_who_hangs_up_meanwhile_rings_nobody(tmp_path: Path) -> None:
    async with (
        AsteriskLab(phones=["anna", "boris"]) as lab,
        Phone(lab, "anna", Answer(200)) as anna,
        crm(_hangs) as fake,
        run(lab, tmp_path, fake) as pbx,
    ):
        await Caller(lab, Dialling(QUEUE, from_number=IVAN, cancel_ms=200)).run(20)
        (call,) = await logged(pbx, lambda calls: any(one.ended_at for one in calls))

        assert call.outcome == "abandoned_in_menu"
        assert not anna.calls()
        await lab.nothing_left()


async def test_an_engine_killed_meanwhile_is_followed_by_one_that_begins_the_menu(
    tmp_path: Path,
) -> None:
    async with (
        AsteriskLab(phones=["anna", "boris"], extra=PATIENT) as lab,
        Phone(lab, "anna", Answer(200, talk_ms=500)) as anna,
        crm(_hangs) as fake,
        run(lab, tmp_path, fake) as pbx,
        Caller(lab, Dialling(MENU, from_number=IVAN)) as caller,
    ):
        async with asyncio.timeout(10):
            while not fake.asked:  # noqa: ASYNC110 (a fake tells nobody)
                await asyncio.sleep(0.005)
        await pbx.kill()
        await pbx.start()
        await caller.wait_for(lambda call: call.answered)
        await caller.press("1")
        await anna.wait_for(lambda call: call.answered)
        calls = await logged(pbx, lambda calls: any(one.outcome == "answered" for one in calls))

        assert len(fake.asked) == 1, "of who is found nobody is asked"
        (call,) = calls
        assert "lookup" not in {one.kind for one in story_of(pbx, call.call_id).steps}
