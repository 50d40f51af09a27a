"""systemd/voronka.service is locked up, and starts what there is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from pbx.settings import read_settings

UNIT = Path("systemd/voronka.service")
ENVIRONMENT = Path("systemd/voronka.env.example")


def settings_of(unit: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in unit.splitlines():
        if "=" in line and not line.startswith("#"):
            name, value = line.split("=", 1)
            found.setdefault(name, []).append(value)
    return found


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_finds_little_to_object_to() -> None:
    """Below 2 of 10, by ``systemd-analyze security``."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=19", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_systemd_is_told_when_it_is_ready_and_whether_it_lives() -> None:
    unit = settings_of(UNIT.read_text())

    assert unit["Type"] == ["notify"]
    assert int(unit["WatchdogSec"][0]) >= 10
    assert unit["Restart"] == ["on-failure"]


def test_its_settings_are_settings() -> None:
    """As systemd would pass them: a folder of credentials in place of %d."""
    env = dict(
        line.split("=", 1)
        for line in ENVIRONMENT.read_text().splitlines()
        if line and not line.startswith("#")
    )
    env |= {"VORONKA_AMI_SECRET": "a" * 32, "VORONKA_DB": env["VORONKA_DB"].strip('"')}
    for line in settings_of(UNIT.read_text())["Environment"]:
        name, value = line.split("=", 1)
        if "%d" not in value:
            env[name] = value
    settings = read_settings(env)

    assert settings.plan == Path("/etc/voronka/plan")
    assert settings.cdr_file == Path("/run/voronka-cdr/voronka.csv")
    assert settings.database.startswith("postgresql+psycopg:///voronka")
    assert settings.web


def test_no_secret_is_in_the_settings() -> None:
    text = ENVIRONMENT.read_text() + UNIT.read_text()

    assert "LoadCredential=ami_secret:/etc/voronka/secrets/ami_secret" in text
    assert "VORONKA_AMI_SECRET=" not in text
