"""The page as a process: where it listens, and what it says when it can't."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from pbx.settings import WebSettings, read_settings

PAGE = (sys.executable, "-m", "pbx.web")


def env_of(settings: WebSettings, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "VORONKA_STATE_DIR": str(settings.state_dir),
        "VORONKA_PLAN": str(settings.plan),
        "VORONKA_LOG": "json",
        "VORONKA_WEB_METRICS_PORT": "0",
        **more,
    }


@pytest.mark.slow
def test_a_port_that_is_taken_is_told_in_one_line(settings: WebSettings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        env = env_of(settings, VORONKA_WEB_PORT=str(port))
        done = subprocess.run(
            PAGE, env=env, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
        )

    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    told = json.loads(line)
    assert told["event"] == "web_not_served"
    assert f"127.0.0.1:{port}" in told["reason"]
    assert "VORONKA_WEB_PORT" in told["reason"]


@pytest.mark.slow
def test_it_serves_beside_the_engine_and_ends_with_it(settings: WebSettings) -> None:

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = env_of(settings, VORONKA_WEB_PORT=str(port))
    with subprocess.Popen(
        PAGE, env=env, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as page:
        assert page.stderr is not None
        assert page.stdin is not None
        started = json.loads(page.stderr.readline())
        assert (started["event"], started["port"]) == ("web_started", port)
        # It listens already: the connection waits until it answers.
        answer = httpx.get(f"http://127.0.0.1:{port}/login", timeout=60)
        assert "pbx users add" in answer.text
        page.stdin.close()
        assert page.wait(60) == 0


def test_the_engine_starts_the_page_unless_it_is_told_not_to(tmp_path: Path) -> None:
    env = {"VORONKA_AMI_SECRET": "long enough!", "VORONKA_STATE_DIR": str(tmp_path)}

    assert read_settings(env).web
    assert not read_settings({**env, "VORONKA_WEB": "off"}).web
