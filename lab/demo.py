"""``./run demo``: a minute of a shop's morning, on a real Asterisk or on the simulated switch."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import signal
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from lab.asterisk import HOST, AsteriskLab, LabError, LabPhone
from lab.morning import LENGTH_S, MORNING
from lab.seen import CallSeen
from lab.service import PbxProcess
from lab.stage import phone_names, stage
from pbx.switch.script import CallerScript

CONFIG = Path("config")
SOFTPHONE = "softphone"
ADMIN = "admin"
KEEP_DIALPLAN = """
[voronka-phones](+)
exten => 88005553535,1,Goto(voronka-trunk,78005553535,1)
exten => 84951234567,1,Goto(voronka-trunk,74951234567,1)
exten => 88121234567,1,Goto(voronka-trunk,78121234567,1)
"""


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="./run demo", description=__doc__)
    parser.add_argument("--simulated", action="store_true", help="without Asterisk")
    parser.add_argument("--keep", action="store_true", help="leave Asterisk and engine running")
    parser.add_argument("--speed", type=float, default=10.0, help="of the simulated morning")
    options = parser.parse_args()
    console = Console()
    folder = Path("var") / f"demo-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    folder.mkdir(parents=True, exist_ok=True)
    database = f"sqlite:///{folder / 'voronka.db'}"
    try:
        if options.simulated:
            from lab.demo_simulated import play_simulated

            play_simulated(CONFIG, database, folder, options.speed, console)
        else:
            asyncio.run(_real(database, folder, options.keep, console))
    except LabError as error:
        console.print(f"[red]{error}[/red]")
        return 1
    except KeyboardInterrupt:
        console.print("stopped")
        return 130
    return 0


async def _real(database: str, folder: Path, keep: bool, console: Console) -> None:
    began = time.monotonic()
    phones: list[LabPhone | str] = [*phone_names(MORNING)]
    password = secrets.token_urlsafe(9)
    if keep:
        phones.append(LabPhone(SOFTPHONE, password=password))
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with AsteriskLab(phones=phones, dialplan=KEEP_DIALPLAN) as lab:
        console.print(f"Asterisk is up (SIP {lab.sip_host}:{lab.sip_port}, AMI {lab.ami_port})")
        page = {"VORONKA_WEB": "on", "VORONKA_WEB_PORT": str(lab.port())}
        async with PbxProcess(lab, CONFIG, folder, database=database, settings=page) as pbx:
            console.print(
                f"engine is up, plan {CONFIG}/, metrics {pbx.url}/metrics "
                f"({time.monotonic() - began:.0f} s)"
            )
            await _let_in(pbx, folder, password)
            console.print(
                f"the page: http://{HOST}:{page['VORONKA_WEB_PORT']}/  user {ADMIN}, password "
                f"{password}",
                soft_wrap=True,
                highlight=False,
            )
            async with stage(lab, MORNING.phones) as ready:
                await ready.perform(MORNING.callers, _progress(console, len(MORNING.callers)))
            if keep:
                await show(database, console)
                assert pbx.process is not None
                console.print(
                    f"\nStill running. Register a softphone: user {SOFTPHONE}, password "
                    f"{password}, server {lab.sip_host}:{lab.sip_port} (UDP), and call "
                    f"88005553535.\nManagers' phones have gone; Asterisk {lab.pid}, engine "
                    f"{pbx.process.pid}. The page is as above. Ctrl-C ends all."
                )
                await pbx.process.wait()
    await show(database, console)
    console.print(f"\n./run pbx calls --db {database}    shows this again")
    console.print(f"./run pbx call ID --db {database}  shows one call's whole story")
    console.print(
        f"VORONKA_DB={database} VORONKA_STATE_DIR={folder} ./run pbx web    shows the page again",
        soft_wrap=True,
    )


async def _let_in(pbx: PbxProcess, folder: Path, password: str) -> None:
    """A user for the page."""
    file = folder / "password"
    file.touch(0o600)
    file.write_text(password)
    try:
        words = ("users", "add", ADMIN, "--role", "admin", "--password-file", str(file))
        code, said = await pbx.command(*words)
    finally:
        file.unlink()
    if code:
        raise LabError(f"no user for the page:\n{said}")


def _progress(console: Console, total: int) -> Callable[[CallerScript, CallSeen | None], None]:
    """One line for each call that begins and ends."""
    began = time.monotonic()
    over = 0

    def told(caller: CallerScript, seen: CallSeen | None) -> None:
        nonlocal over
        at = f"{time.monotonic() - began:5.1f} s"
        who = f"{caller.name or 'withheld'} {caller.number}"
        if seen is None:
            console.print(f"{at}  {who} calls {caller.dialled}", highlight=False)
        else:
            over += 1
            talk_s = (seen.talk_ms or 0) / 1000
            console.print(
                f"{at}  {who} is done after {talk_s:.0f} s  [{over}/{total}]", highlight=False
            )

    console.print(f"{total} callers within about {LENGTH_S:.0f} s:")
    return told


async def show(database: str, console: Console) -> None:
    """The table, by the product's own command."""
    console.print()
    command: Sequence[str] = ("calls", "--db", database, "--limit", "200")
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("pbx")), *command
    )
    await process.wait()


if __name__ == "__main__":
    sys.exit(main())
