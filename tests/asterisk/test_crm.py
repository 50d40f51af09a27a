"""The example CRM beside a real engine and a real Asterisk: docs/integration.md, played."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from lab.asterisk import AsteriskLab
from lab.service import PbxProcess
from lab.sipp import Answer, Caller, Dialling, Phone, TrunkPhones
from tests.healthz import up
from tests.web.beside import SECRET, Beside, free_port
from tests.world import DID

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(120)]

CLIENT = "+79161112233"
PLAN = f"""
settings:
  region: RU
  languages: [en]
  time_zone: UTC
  trunk: PJSIP/{{number}}@trunk
  outside: ["+7916"]
  outside_per_hour: 10
managers:
  anna: {{name: Анна}}
  boris: {{name: Борис}}
queues:
  sales: {{members: [anna, boris], strategy: round-robin, ring_time: 15s}}
numbers:
  "{DID}": {{entry: {{queue: sales}}, source: site}}
"""
DOC = Path(__file__).parents[2] / "docs" / "integration.md"


def hooks_of_the_docs(port: int) -> str:
    """The file of targets that the docs show, for another port."""
    (shown,) = re.findall(r"```yaml\n(.*?)```", DOC.read_text(encoding="utf-8"), re.DOTALL)
    assert ":8090/hook" in shown
    return str(shown).replace(":8090/", f":{port}/")


async def until(holds: Callable[[], Awaitable[bool]], deadline_s: float = 20.0) -> None:
    async with asyncio.timeout(deadline_s):
        while not await holds():  # noqa: ASYNC110 (other processes' state)
            await asyncio.sleep(0.1)


async def test_a_call_a_stage_another_call_and_a_call_back(tmp_path: Path) -> None:
    plan, hooks = tmp_path / "plan.yaml", tmp_path / "hooks.yaml"
    plan.write_text(PLAN)
    web_port, crm_port = free_port(), free_port()
    hooks.write_text(hooks_of_the_docs(crm_port))
    (tmp_path / "crm.secret").write_bytes(SECRET)
    settings = {
        "VORONKA_WEB": "on",
        "VORONKA_WEB_PORT": str(web_port),
        "VORONKA_WEBHOOKS_FILE": str(hooks),
        "VORONKA_LOOKUP": f"http://127.0.0.1:{crm_port}/lookup",
        "VORONKA_LOOKUP_ALLOW_HTTP": "yes",
        "VORONKA_LOOKUP_SECRET_FILE": str(tmp_path / "crm.secret"),
    }
    async with (
        AsteriskLab(phones=["anna", "boris"]) as lab,
        PbxProcess(lab, plan, tmp_path / "state", settings=settings) as pbx,
    ):
        scopes = ("--scope", "click:write", "--scope", "funnel:write", "--json")
        code, said = await pbx.command("tokens", "add", "crm", *scopes)
        assert code == 0, said
        token = json.loads(said)["token"]
        async with (
            Beside(tmp_path, web_port, token=token, port=crm_port) as crm,
            Phone(lab, "anna", Answer(200, talk_ms=1500)) as anna,
            Phone(lab, "boris", Answer(200, talk_ms=1500)) as boris,
            TrunkPhones(lab, {CLIENT: Answer(200, talk_ms=1000)}) as outside,
        ):
            await until(lambda: up(web_port))
            await Caller(lab, Dialling(DID[1:], from_number=CLIENT)).run(20)
            await lab.nothing_left()

            await until(lambda: shows(crm, "called: answered"))
            assert 'name=manager value="anna"' in await crm.page()
            for stage in ("qualified", "meeting"):
                await crm.post(f"/contacts/{CLIENT}/stage", stage=stage)
            await until(lambda: funnel(pbx, {"talked": 0, "qualified": 1, "meeting": 1}))

            # It would be the other's turn; the CRM says whose client this is.
            await Caller(lab, Dialling(DID[1:], from_number=CLIENT)).run(20)
            await lab.nothing_left()
            assert (len(anna.calls()), len(boris.calls())) == (2, 0)

            assert "ringing" in (await crm.post(f"/contacts/{CLIENT}/call"))[1]
            await anna.wait_for(lambda call: call is anna.calls()[-1] and len(anna.calls()) == 3)
            await until(lambda: talked(outside))
            await lab.nothing_left()
            assert (len(anna.calls()), len(outside.calls())) == (3, 1)
        assert lab.log_errors() == []


async def shows(crm: Beside, words: str) -> bool:
    return words in await crm.page()


async def talked(outside: TrunkPhones) -> bool:
    return bool(outside.calls()) and outside.calls()[0].ended


async def funnel(pbx: PbxProcess, wanted: dict[str, int]) -> bool:
    """The funnel of incoming calls says so."""
    _, said = await pbx.command("funnel", "--incoming", "--since", "today", "--json")
    found: dict[str, Any] = json.loads(said)
    counts = {one["stage"]: one["count"] for one in found["total"]["steps"]}
    return {name: counts[name] for name in wanted} == wanted
