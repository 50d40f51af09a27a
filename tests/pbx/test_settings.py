"""Settings and secrets of a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from pbx.errors import SettingsError
from pbx.settings import read_settings

SECRET = "a-secret-that-is-long"


def test_a_secret_comes_from_a_file_and_is_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")

    settings = read_settings({"VORONKA_AMI_SECRET_FILE": str(file)})

    assert settings.ami_secret == SECRET
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"VORONKA_AMI_SECRET": "short"},
        {"VORONKA_AMI_SECRET": SECRET, "VORONKA_AMI_SECRET_FILE": "/x"},
        {"VORONKA_AMI_SECRET_FILE": "/no/such/file"},
        {"VORONKA_AMI_SECRET": SECRET, "VORONKA_AMI_PORT": "99999"},
        {"VORONKA_AMI_SECRET": SECRET, "VORONKA_LOG": "xml"},
        {"VORONKA_AMI_SECRET": SECRET, "VORONKA_AMI_HOST": "192.0.2.1"},
        {"VORONKA_AMI_SECRET": SECRET, "VORONKA_AMI_HOST": "asterisk.example"},
    ],
)
def test_what_is_missing_or_wrong_is_named(env: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="VORONKA_"):
        read_settings(env)
