"""docker/'s files agree with each other; what they start is tried by ``./run test docker``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.containers import IMAGES

DOCKER = Path("docker")


def services() -> dict[str, dict[str, Any]]:
    return dict(yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"])


def test_every_image_but_grafanas_is_built_or_stood_in_for_by_the_test() -> None:
    ours = {one.name.removeprefix("docker.io/").removeprefix("library/") for one in IMAGES}

    assert {one["image"] for one in services().values() if "grafana" not in one["image"]} == ours


@pytest.mark.parametrize("name", services())
def test_each_service_is_locked_up_and_bounded(name: str) -> None:
    service = services()[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "pids_limit", "restart", "logging"} <= service.keys()
    assert "ports" not in service
    assert "privileged" not in service


def test_secrets_reach_containers_as_files_only() -> None:
    for name, service in services().items():
        for variable, value in service.get("environment", {}).items():
            if any(word in variable for word in ("SECRET", "PASSWORD", "VORONKA_DB")):
                assert value.startswith("/run/secrets/"), (name, variable)


def test_what_is_not_part_of_an_image_stays_out_of_the_build() -> None:
    ignored = Path(".dockerignore").read_text().splitlines()

    assert ignored[1] == "*"
    assert "**/*_site.conf" in ignored
    assert {line for line in ignored if line.startswith("!")} == {
        "!pbx", "!routing", "!ivr", "!asterisk-conf", "!docker/asterisk",
        "!README.md", "!pyproject.toml", "!requirements.lock",
    }  # fmt: skip


def test_secrets_and_the_sites_files_are_never_committed() -> None:
    ignored = Path(".gitignore").read_text().splitlines()

    assert {"/docker/secrets/", "/docker/site/"} <= set(ignored)
