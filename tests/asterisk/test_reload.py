"""Another plan in the middle of the day, on a real Asterisk: nobody is dropped."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from lab.asterisk import HOST, AsteriskLab, LabPhone
from lab.service import PbxProcess
from lab.sipp import Answer, Caller, Dialling, Load, Phone
from pbx.journal.story import CallRow
from tests.asterisk.running import PLAN, logged

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(150)]

TALKING, RINGING, WAITING, CHOOSING, FRESH = (f"7800555000{n}" for n in range(1, 6))
PHONES = {"fast": 32, "slow": 10, "later": 12}
"""Managers of each department."""


def _plan(changed: bool) -> str:
    """Before: nobody serves the queue ``hope``, and ``old`` is there.  After: the other way."""
    managers = "".join(
        f"  {name}{n}: {{name: {name}, department: {name}}}\n"
        for name, count in PHONES.items()
        for n in range(count)
        if changed or name != "later"
    )
    hope = "later" if changed else "nobody"
    old = "" if changed else "  old: {members: {department: fast}, strategy: round-robin}\n"
    entry = "{hangup: }" if changed else "choose"
    choose = "" if changed else "menus:\n  choose: {menu: hello, keys: {1: {queue: old}}}\n"
    fresh = f'  "+{FRESH}": {{entry: {{queue: hope}}}}\n' if changed else ""
    return f"""
settings: {{region: RU, time_zone: Europe/Moscow, languages: [en], ring_time: 30s}}
managers:
  ghost: {{name: Ghost, department: nobody}}
{managers}queues:
  sales: {{members: {{department: fast}}, strategy: round-robin}}
  slow: {{members: {{department: slow}}, strategy: round-robin}}
  hope: {{members: {{department: {hope}}}, strategy: longest-idle}}
{old}prompts:
  hello: {{sound: beep}}
{choose}numbers:
  "+{TALKING}": {{entry: {{queue: sales}}}}
  "+{RINGING}": {{entry: {{queue: slow}}}}
  "+{WAITING}": {{entry: {{queue: hope}}}}
  "+{CHOOSING}": {{entry: {entry}}}
{fresh}"""


def _write(plan: Path, text: str) -> None:
    """A word's length, in the admin's editor."""
    plan.write_text(text, encoding="utf-8")


def _lab_phones() -> list[LabPhone]:
    phones = [LabPhone("ghost", password="never-used")]
    for name, count in PHONES.items():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((HOST, 0))
            port = probe.getsockname()[1]
        phones += [LabPhone(f"{name}{n}", port) for n in range(count)]
    return phones


async def test_reload_during_fifty_calls_drops_none(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    _write(plan, _plan(changed=False))
    async with (
        AsteriskLab(phones=_lab_phones()) as lab,
        Phone(lab, "fast0", Answer(100), load=True, audio=False),
        Phone(lab, "slow0", Answer(9000), load=True, audio=False),
        Phone(lab, "later0", Answer(100), load=True, audio=False),
        PbxProcess(lab, plan, tmp_path / "state") as pbx,
    ):
        calls = [
            asyncio.create_task(Load(lab, dialling, rate=10, calls=count).run(60))
            for dialling, count in (
                (Dialling(TALKING, talk_ms=18_000), 20),
                (Dialling(RINGING, talk_ms=18_000), 10),
                (Dialling(WAITING, talk_ms=18_000), 10),
                (Dialling(CHOOSING, talk_ms=18_000, digits=[(8000, "1")]), 10),
            )
        ]
        await asyncio.sleep(4)
        _write(plan, _plan(changed=True))
        code, said = await pbx.command("reload")
        assert code == 0, said
        assert "+ manager later0\n" in said
        assert "- queue old\n" in said
        assert "    members: {department: nobody} -> {department: later}\n" in said
        assert said.endswith(f"in force: version 2, {_digest(said)}\n")

        # A new call has the new plan: the number is there, the menu is not.
        await Caller(lab, Dialling(FRESH, talk_ms=500)).run(20)
        refused = await Caller(lab, Dialling(CHOOSING, talk_ms=5000)).run(20)
        assert refused.ended is not None

        for result in await asyncio.gather(*calls):
            assert result.failed == 0
        await lab.nothing_left(10)
        rows = await logged(pbx, lambda rows: len(rows) == 52 and all(one.outcome for one in rows))
        began_before = [one for one in rows if one.did != f"+{FRESH}"][:50]
        assert [one.outcome for one in began_before] == ["answered"] * 50
        assert all((one.talk_s or 0) > 5 for one in began_before)
        served_by = {
            number: {_team(one) for one in rows if one.did == f"+{number}"}
            for number in (TALKING, RINGING, WAITING, FRESH)
        }
        assert served_by == {
            TALKING: {"fast"},
            RINGING: {"slow"},
            WAITING: {"later"},
            FRESH: {"later"},
        }
        # Who was choosing by the old menu came into a queue that only the old plan has.
        old = [one for one in rows if one.queue == "old"]
        assert {_team(one) for one in old} == {"fast"}
        assert len(old) == 10


def _team(call: CallRow) -> str:
    return (call.agent or "").rstrip("0123456789")


def _digest(said: str) -> str:
    return said.rsplit(" ", 1)[1].strip()


async def test_broken_plan_rollback_and_hangup_signal(plan: Path, tmp_path: Path) -> None:
    good = PLAN
    async with (
        AsteriskLab(phones=["anna", "boris"]) as lab,
        Phone(lab, "anna", Answer(50)),
        Phone(lab, "boris", Answer(50)),
        PbxProcess(lab, plan, tmp_path / "state") as pbx,
        Caller(lab, Dialling("78005553536")) as caller,
    ):
        await caller.answered()
        _write(plan, good.replace("round-robin", "raund-robin"))
        code, said = await pbx.command("reload")
        assert code == 1
        assert f"{plan}:" in said
        assert 'did you mean "round-robin"?' in said
        assert "1 error, nothing was loaded; the plan of " in said
        assert said.endswith(" stays active.\n")
        metrics = await pbx.metrics()
        assert "voronka_plan_last_load_successful 0.0" in metrics
        assert "voronka_plan_failed_loads_total 1.0" in metrics

        # A new plan by SIGHUP: calls go to the other one now.
        other = good.replace("members: {department: sales}", "members: {department: rescue}")
        _write(plan, other)
        pbx.hang_up()
        async with asyncio.timeout(10):
            while "voronka_plan_last_load_successful 1.0" not in await pbx.metrics():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await Caller(lab, Dialling("78005553536", talk_ms=500)).run(20)

        code, said = await pbx.command("rollback")
        assert code == 0, said
        assert "    members: {department: rescue} -> {department: sales}\n" in said
        caller.hang_up()  # anna is free again
        await caller.ended()
        await Caller(lab, Dialling("78005553536", talk_ms=500)).run(20)

        # It holds over a restart, until the files change.
        await pbx.kill()
        await pbx.start()
        await Caller(lab, Dialling("78005553536", talk_ms=500)).run(20)
        rows = await logged(pbx, lambda rows: len(rows) == 4 and all(one.outcome for one in rows))
        assert [one.agent for one in sorted(rows, key=lambda one: one.started_at)] == [
            "anna",
            "boris",
            "anna",
            "anna",
        ]
        code, said = await pbx.command("versions", "--json")
        assert code == 0
        assert [how in said for how in ('"start"', '"reload"', '"rollback"')] == [True] * 3
        code, said = await pbx.command("diff")
        assert "~ queue sales\n" in said, "the files are as the admin left them"
