"""A whole run of the engine, and no secret in anything that it shows."""

from __future__ import annotations

import asyncio
import os
import random
import ssl
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from lab.asterisk import AsteriskLab
from lab.engine import Quiet
from lab.sipp import Caller, Dialling
from pbx.ami.connection import AmiConnection
from pbx.ami.lease import Lease
from pbx.ami.switch import AmiSettings
from pbx.errors import LoginRefused, SwitchLost
from pbx.settings import read_settings
from tests.asterisk.adapter import until

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(120)]

CHECKOUT = Path(__file__).parent.parent.parent
DB_PASSWORD = "a-password-of-the-database"
WRONG = "a-secret-that-is-wrong"
PLAN = """\
settings: {region: RU, time_zone: Europe/Moscow, languages: ru}
numbers:
  +78005553535: {entry: {hangup: {sound: beep}}}
"""


async def test_no_secret_in_log_process_list_metrics_or_error(tmp_path: Path) -> None:
    output = tmp_path / "output"
    (tmp_path / "plan.yaml").write_text(PLAN)
    async with AsteriskLab() as lab:
        secret = lab.ami_secret
        (tmp_path / "secret").write_text(f"{secret}\n")
        http_port = lab.port()
        env = {
            **{name: value for name, value in os.environ.items() if "VORONKA" not in name},
            "VORONKA_AMI_PORT": str(lab.ami_port),
            "VORONKA_STATE_DIR": str(tmp_path / "var"),
            "VORONKA_HTTP_PORT": str(http_port),
            "VORONKA_LOG_LEVEL": "debug",
        }
        with_file = {"VORONKA_AMI_SECRET_FILE": str(tmp_path / "secret")}

        engine = await _start(tmp_path, env | with_file)
        await until(lambda: b"engine_started" in output.read_bytes(), deadline_s=30)
        processes = (await _output("ps", "-eo", "pid,args")).decode()
        assert f"{engine.pid} " in processes
        status = (await Caller(lab, Dialling("78005553535")).run(20)).status
        assert status == 200
        await lab.restart()  # the engine tells of a line that broke, and of the next login
        shown = await _http(http_port, "metrics") + await _http(http_port, "readyz?verbose")
        engine.terminate()
        assert await engine.wait() == 0

        refused = await _start(tmp_path, env | {"VORONKA_AMI_SECRET": WRONG})
        assert await refused.wait() == 1
        url = f"postgresql+psycopg://voronka:{DB_PASSWORD}@127.0.0.1:1/log"
        no_log = await _start(tmp_path, env | with_file | {"VORONKA_DB": url})
        assert await no_log.wait() == 1

        told = output.read_text()
        assert "AMI login of voronka" in told
        assert "voronka:***@127.0.0.1:1/log" in told
        asterisk = (lab.folder.host / "log/messages.log").read_text()
        kept = "".join(
            path.read_bytes().decode(errors="replace")
            for path in (tmp_path / "var").rglob("*")
            if path.is_file()
        )
        everything = told + processes + shown + asterisk + kept
        for one in (secret, WRONG, DB_PASSWORD):
            assert one not in everything


async def test_no_secret_in_a_repr_or_an_exception() -> None:
    async with AsteriskLab() as lab:
        settings = AmiSettings(lab.ami_host, lab.ami_port, lab.ami_user, WRONG)
        connection = _connection(settings)
        with pytest.raises(LoginRefused) as refused:
            await connection.lead()
        env = {"VORONKA_AMI_SECRET": WRONG, "VORONKA_DB": f"postgresql://x:{DB_PASSWORD}@y/z"}
        shown = f"{settings!r} {connection!r} {connection.config} {refused.value!r} "
        shown += repr(read_settings(env))
        assert WRONG not in shown
        assert DB_PASSWORD not in shown


async def test_ami_over_tls_proves_who_asterisk_is(tmp_path: Path) -> None:
    """For an Asterisk on another machine."""
    async with AsteriskLab() as lab:
        tls_port = lab.port()
        etc = lab.folder.host / "etc"
        for name, host in (("right", "127.0.0.1"), ("other", "192.0.2.1")):
            await _output(
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"),
                *("ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=lab"),
                *("-addext", f"subjectAltName=IP:{host}"),
                *("-keyout", str(etc / f"{name}.key"), "-out", str(etc / f"{name}.pem")),
            )
            (etc / f"{name}.key").chmod(0o644)  # of the lab; Asterisk has a user of its own
        site = etc / "manager_site.conf"
        inside = f"{lab.folder.asterisk}/etc"
        site.write_text(
            f"{site.read_text()}\n[general](+)\ntlsenable = yes\n"
            f"tlsbindaddr = 127.0.0.1:{tls_port}\ntlscertfile = {inside}/right.pem\n"
            f"tlsprivatekey = {inside}/right.key\n"
        )
        await lab.restart()

        def settings(ca: str) -> AmiSettings:
            tls = ssl.create_default_context(cafile=etc / f"{ca}.pem")
            return AmiSettings(lab.ami_host, tls_port, lab.ami_user, lab.ami_secret, tls)

        connection = _connection(settings("right"))
        await connection.lead()
        await connection.open()
        assert await connection.ask("Ping")
        await connection.shut()
        with pytest.raises(SwitchLost, match="certificate"):
            await _connection(settings("other")).lead()


def _connection(settings: AmiSettings) -> AmiConnection:
    async def up() -> None:
        return None

    return AmiConnection(
        settings.host,
        settings.port,
        settings.user,
        settings.secret,
        tls=settings.tls,
        rng=random.Random(1),
        on_event=lambda headers: None,
        on_up=up,
        on_down=lambda reason: None,
        watcher=Quiet(),
        lease=Lease("me"),
    )


async def _start(folder: Path, env: dict[str, str]) -> asyncio.subprocess.Process:
    """``pbx run``; what it writes is added to ``output``."""
    command = "from pbx.cli import main; main()"
    with (folder / "output").open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", command, "run", str(folder / "plan.yaml")),
            cwd=CHECKOUT,
            env=env,
            stdout=output,
            stderr=output,
        )


async def _output(*command: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output


async def _http(port: int, page: str) -> str:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/{page}") as response,
    ):
        return await response.text()
