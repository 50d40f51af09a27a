"""``pbx run``: the engine, until SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import replace
from pathlib import Path

import click

from pbx.engine.tuning import without_collections
from pbx.errors import LogIsBack, PbxError
from pbx.settings import Settings, read_settings
from pbx.supervisor import Supervisor, supervisor


@click.command()
@click.argument("plan", required=False, type=click.Path(path_type=Path))
def run(plan: Path | None) -> None:
    """Run the engine with PLAN (a file or a folder; default: $VORONKA_PLAN, else config).

    The connection to Asterisk, the log's database and the folders come from VORONKA_*
    environment variables (docs/running.md). SIGTERM or Ctrl-C: no new calls are taken, talks go
    on without the engine, the log is written to its end. SIGHUP: as pbx reload, told in the log.

    Example: VORONKA_AMI_SECRET_FILE=/etc/voronka/ami-secret pbx run /etc/voronka/plan
    """
    try:
        settings = read_settings()
        if plan is not None:
            settings = replace(settings, plan=plan)
        asyncio.run(_run(settings))
    except PbxError as error:
        raise click.ClickException(str(error)) from error


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()

    def asked() -> None:
        if stop.is_set():
            os._exit(130)  # asked twice: somebody does not want to wait
        stop.set()

    loop = asyncio.get_running_loop()
    for sig in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sig, asked)
    systemd = supervisor()
    beating = asyncio.create_task(systemd.beat(), name="watchdog")
    try:
        while not stop.is_set():
            with contextlib.suppress(LogIsBack):
                await _serve(settings, systemd, stop)
                return
    finally:
        beating.cancel()


async def _serve(settings: Settings, systemd: Supervisor, stop: asyncio.Event) -> None:
    """One engine.  Raises LogIsBack when another is to follow."""
    with without_collections():
        from pbx.wiring import build  # here: the engine's libraries are slow to import

    loop = asyncio.get_running_loop()
    # Until all is built a SIGHUP means nothing: the plan is read again before it serves a call.
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    service = await build(settings, systemd)
    loop.add_signal_handler(signal.SIGHUP, service.reload_soon)
    again = False
    try:
        await service.run_until(stop)
    except LogIsBack:
        again = True
        raise
    finally:
        await service.stop(for_good=not again)
