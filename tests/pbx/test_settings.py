"""Settings and secrets of a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from pbx.errors import SettingsError
from pbx.settings import read_settings, read_web_settings

SECRET = "a-secret-that-is-long"


def test_a_secret_comes_from_a_file_and_is_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")

    settings = read_settings({"VORONKA_AMI_SECRET_FILE": str(file)})

    assert settings.ami_secret == SECRET
    assert SECRET not in repr(settings)


def test_a_crm_that_is_asked_who_calls_has_a_limit_within_bounds(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("https://crm.example.org/who?token=t")
    env = {"VORONKA_AMI_SECRET": SECRET, "VORONKA_LOOKUP_FILE": str(file)}
    env["VORONKA_LOOKUP_SECRET"] = "k" * 24

    lookup = read_settings(env).lookup
    assert lookup is not None
    assert (lookup.url, lookup.secret) == ("https://crm.example.org/who?token=t", b"k" * 24)
    assert lookup.limit_s == 0.7
    assert "token" not in repr(lookup)
    asked = read_settings(env | {"VORONKA_LOOKUP_LIMIT_MS": "1500"}).lookup
    assert asked is not None
    assert asked.limit_s == 1.5
    assert read_settings({"VORONKA_AMI_SECRET": SECRET}).lookup is None


LOOKUP = {
    "VORONKA_AMI_SECRET": SECRET,
    "VORONKA_LOOKUP": "https://crm.example.org/",
    "VORONKA_LOOKUP_SECRET": "k" * 24,
}


@pytest.mark.parametrize(
    "env",
    [
        LOOKUP | {"VORONKA_LOOKUP_LIMIT_MS": "2001"},
        LOOKUP | {"VORONKA_LOOKUP_LIMIT_MS": "49"},
        LOOKUP | {"VORONKA_LOOKUP_LIMIT_MS": "soon"},
        LOOKUP | {"VORONKA_LOOKUP": "http://crm.example.org/"},
        LOOKUP | {"VORONKA_LOOKUP": "https://169.254.169.254/"},
        LOOKUP | {"VORONKA_LOOKUP_SECRET": "short"},
        LOOKUP | {"VORONKA_LOOKUP_SECRET": ""},
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


def test_the_page_is_told_its_metrics_port_and_what_a_token_has() -> None:
    settings = read_web_settings({})
    assert (settings.metrics_host, settings.metrics_port) == ("127.0.0.1", 9181)
    assert settings.api_per_minute == 1200
    env = {"VORONKA_WEB_METRICS_PORT": "0", "VORONKA_API_PER_MINUTE": "60"}
    settings = read_web_settings({**env, "VORONKA_HTTP_HOST": "10.0.0.1"})
    assert (settings.metrics_host, settings.metrics_port) == ("10.0.0.1", 0)
    assert settings.api_per_minute == 60


@pytest.mark.parametrize("value", ["0", "-1", "many", "1000001", "1.5", "١٢"])
def test_an_allowance_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match="VORONKA_API_PER_MINUTE"):
        read_web_settings({"VORONKA_API_PER_MINUTE": value})
