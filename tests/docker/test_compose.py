"""docker/compose.yaml as it is shipped, with a call through what it started.

``./run test docker`` builds the images first and runs this in namespaces of its own.  PostgreSQL
and Prometheus are Debian's, in place of the images of the same names; Grafana is not started here.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from lab.asterisk import CHECKOUT, HOST, AsteriskLab, LabError, LabPhone
from lab.containers import Compose, call, podman
from lab.ports import free_slot
from lab.sipp import Answer, Caller, Dialling, Phone
from tests.asterisk.running import DID, PLAN

pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(170),
    pytest.mark.asyncio(loop_scope="module"),
]

SERVICES = ("asterisk", "postgres", "engine", "prometheus")
ENGINE = f"http://{HOST}:9180"
PAGE = f"http://{HOST}:8180"
PROMETHEUS = f"http://{HOST}:9090"


class Composed(AsteriskLab):
    """The containers' Asterisk, as SIPp wants to know it."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.sip_port = 5060
        self.top = folder
        env = {
            "VORONKA_SITE_DIR": str(folder / "site"),
            "VORONKA_SECRETS_DIR": str(folder / "secrets"),
            "VORONKA_PLAN_DIR": str(folder / "plan"),
        }
        self.compose = Compose("voronkatest", env)

    async def start(self, deadline_s: float = 30.0) -> None:
        self._slot = await free_slot()
        self.trunk_port = self.port()
        self.phones = {"anna": LabPhone("anna", self.port())}
        await call(str(CHECKOUT / "docker/prepare"), str(self.top))
        plan = self.top / "plan/plan.yaml"
        plan.parent.mkdir()
        plan.write_text(PLAN)
        site = self.top / "site/asterisk"
        (site / "pjsip_site.conf").write_text(self._pjsip())
        (site / "rtp_site.conf").write_text(self._rtp())
        (site / "rtp_site.conf").chmod(0o644)
        await self.compose.down()  # of a run that was killed
        await self.compose.up(*SERVICES)
        for service in SERVICES:
            await self.compose.healthy(service)
        await until(ready)

    async def stop(self) -> None:
        try:
            await self.compose.down()
        finally:
            if self._slot is not None:
                self._slot.close()
        assert await left_behind() == ""

    async def database(self, command: str) -> str:
        """A command that PostgreSQL's container lets the owner do."""
        script = 'PGPASSWORD="$(cat /run/secrets/db_password)"; export PGPASSWORD; ' + command
        return (await self.compose.execute("postgres", "sh", "-c", script)).strip()

    async def sql(self, query: str) -> str:
        return await self.database(f"psql -U voronka -Atc '{query}'")

    async def cli(self, command: str) -> str:
        said = await self.compose.execute("asterisk", "asterisk", "-rx", command)
        # The test's network has no network card.
        return "\n".join(one for one in said.splitlines() if "No ethernet interface" not in one)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def composed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Composed]:
    async with Composed(tmp_path_factory.mktemp("docker")) as running:
        yield running


def processes() -> set[str]:
    """Of this namespace, by name."""
    return {one.read_text().strip() for one in Path("/proc").glob("[0-9]*/comm")}


async def left_behind() -> str:
    """What podman still has or runs."""
    names = {"conmon", "runc", "asterisk", "postgres", "prometheus", "pbx"} & processes()
    pods, volumes = await podman("pod", "ps", "-q"), await podman("volume", "ls", "-q")
    return await podman("ps", "-aq") + pods + volumes + " ".join(names)


async def page(url: str) -> tuple[int, str]:
    """Status and text; (0, "") while nobody listens there."""
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status, await answer.text()
    except aiohttp.ClientConnectionError:
        return 0, ""


async def until(holds: Callable[[], Awaitable[bool]], deadline_s: float = 40.0) -> None:
    async with asyncio.timeout(deadline_s):
        while not await holds():  # noqa: ASYNC110 (another process does it)
            await asyncio.sleep(0.3)


async def ready() -> bool:
    return await page(f"{ENGINE}/readyz") == (200, "ok\n")


async def sample(query: str) -> float | None:
    """The one value that Prometheus has for this now."""
    _, text = await page(f"{PROMETHEUS}/api/v1/query?query={query}")
    found = json.loads(text)["data"]["result"]
    return float(found[0]["value"][1]) if found else None


async def test_a_call_through_the_containers_is_in_the_log_and_in_prometheus(
    composed: Composed,
) -> None:
    dialling = Dialling(DID, from_number="89161234567", cancel_ms=10_000)
    anna, one = Phone(composed, "anna", Answer(300, 1500)), Caller(composed, dialling)
    async with anna, one:
        await one.answered()
        await asyncio.sleep(0.5)
        await one.press("1")
        seen = await one.ended(30)
        assert [call.answered for call in anna.calls()] == [True]
    assert seen.answered
    await composed.nothing_left()

    async def logged() -> bool:
        told = await composed.compose.execute("engine", "pbx", "calls", "--json")
        return [one["outcome"] for one in json.loads(told)] == ["answered"]

    async def scraped() -> bool:
        return await sample('voronka_calls_total{outcome="answered"}') == 1

    await until(logged)
    assert await composed.sql("SELECT count(*) FROM calls") == "1"
    await until(scraped)


async def test_a_changed_plan_is_put_in_force_and_a_broken_one_is_not(composed: Composed) -> None:
    plan = composed.top / "plan/plan.yaml"
    plan.write_text(PLAN.replace("timeout: 60s", "timeout: 50s"))
    await composed.compose.execute("engine", "pbx", "reload")
    plan.write_text(PLAN + "nonsense: 1\n")
    with pytest.raises(LabError, match="nonsense"):
        await composed.compose.execute("engine", "pbx", "reload")
    plan.write_text(PLAN)
    await composed.compose.execute("engine", "pbx", "reload")


async def test_prometheus_has_the_rules(composed: Composed) -> None:
    _, text = await page(f"{PROMETHEUS}/api/v1/rules")
    groups = json.loads(text)["data"]["groups"]

    assert "VoronkaEngineDown" in {rule["name"] for group in groups for rule in group["rules"]}


async def test_the_page_is_there(composed: Composed) -> None:
    async def there() -> bool:
        return (await page(PAGE))[0] != 0

    async def scraped() -> bool:
        return await sample('up{job="voronka-page"}') == 1

    await until(there)
    assert (await page(PAGE))[0] < 500
    await until(scraped)


@pytest.mark.parametrize("service", SERVICES)
async def test_nothing_runs_as_root_or_may_write_to_its_image(
    composed: Composed, service: str
) -> None:
    compose = composed.compose
    told = await compose.execute(service, "cat", "/proc/1/status")
    lines = dict(line.split(":\t", 1) for line in told.splitlines() if ":\t" in line)

    assert "0" not in lines["Uid"].split()
    assert {int(lines[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapInh")} == {0}
    assert lines["NoNewPrivs"] == "1"
    assert await compose.inspect(service, "{{.HostConfig.ReadonlyRootfs}}") == "true"
    assert int(await compose.inspect(service, "{{.HostConfig.Memory}}")) > 0
    assert int(await compose.inspect(service, "{{.HostConfig.PidsLimit}}")) > 0


@pytest.mark.parametrize("service", SERVICES)
async def test_no_secret_is_in_an_image_a_variable_or_a_command(
    composed: Composed, service: str
) -> None:
    secrets = [one.read_text().strip() for one in (composed.top / "secrets").iterdir()]
    assert len(secrets) == 4
    told = await podman("inspect", f"voronkatest_{service}_1")
    image = await compose_image(composed, service)
    told += await podman("inspect", image) + await podman("history", "--no-trunc", image)

    assert [one for one in secrets if one in told] == []


async def compose_image(composed: Composed, service: str) -> str:
    return await composed.compose.inspect(service, "{{.ImageName}}")


async def test_asterisk_has_no_complaints(composed: Composed) -> None:
    log = await composed.compose.execute("asterisk", "cat", "/var/log/asterisk/messages.log")

    assert [line for line in log.splitlines() if " ERROR[" in line or " WARNING[" in line] == []


async def test_the_images_hold_no_developers_tools(composed: Composed) -> None:
    there = await composed.compose.execute("engine", "ls", "/opt/voronka/bin")

    assert "pbx" in there.split()
    assert not {"pytest", "mypy", "ruff", "playwright", "pip"} & set(there.split())


async def test_a_dump_brings_the_log_back(composed: Composed) -> None:
    """As docs/docker.md has it; the engine goes on with it."""
    calls = await composed.compose.execute("engine", "pbx", "calls", "--json")
    await composed.database("pg_dump -U voronka -Fc voronka >/tmp/voronka.dump")
    await composed.compose.stop("engine")
    await composed.sql("DROP TABLE legs CASCADE")
    await composed.database(
        "pg_restore -U voronka -d voronka --clean --if-exists </tmp/voronka.dump"
    )
    await composed.compose.up("engine")
    await until(ready)

    assert "answered" in calls
    assert await composed.compose.execute("engine", "pbx", "calls", "--json") == calls
