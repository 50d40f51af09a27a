"""A real Chromium before a real server: the application in a thread, on a port of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = os.environ.get("VORONKA_CHROMIUM", "/usr/bin/chromium")
SIZES = ((390, 844), (1280, 800), (1920, 1080))
_START_S = 20.0


@contextlib.contextmanager
def served(build: Callable[[], FastAPI]) -> Iterator[str]:
    """The address of an application, made and run in a thread with a loop of its own."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        server: list[uvicorn.Server] = []

        def run() -> None:
            config = uvicorn.Config(build(), log_level="critical", lifespan="on", ws="none")
            server.append(uvicorn.Server(config))
            listener.listen(64)
            server[0].run(sockets=[listener])

        thread = threading.Thread(target=run, name="server")
        thread.start()
        deadline = time.monotonic() + _START_S
        while not (server and server[0].started):
            assert thread.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server[0].should_exit = True
            thread.join()


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def quiet_page(browser: Browser, *, width: int = 1280, height: int = 800) -> Iterator[Page]:
    """A page in Russian; whatever a script or the policy complains of fails the test."""
    context = browser.new_context(viewport={"width": width, "height": height}, locale="ru-RU")
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.set_default_timeout(15_000)
    yield page
    assert complaints == []
    context.close()


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than what shows it."""
    found = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert isinstance(found, int)
    return found
