"""A real Chromium before the application, which is behind a real socket and in the test's own
loop: a test can tell it things while a browser looks."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from playwright.async_api import Browser, Page, async_playwright

CHROMIUM = os.environ.get("VORONKA_CHROMIUM", "/usr/bin/chromium")
SIZES = {"phone": (390, 844), "desk": (1280, 800), "wall": (1920, 1080)}


@asynccontextmanager
async def served(app: FastAPI, *, port: int = 0) -> AsyncIterator[str]:
    """Its address; the application's own start and end are the caller's (``lifespan`` is off)."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen()
        config = uvicorn.Config(app, log_level="warning", lifespan="off", ws="none")
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        app.state.web.end_streams()
        server.should_exit = True
        await task


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


@asynccontextmanager
async def looking(
    browser: Browser, url: str, *, size: str = "desk", locale: str = "ru-RU"
) -> AsyncIterator[Page]:
    """A page that has been opened; whatever a script or the policy complains of fails the test."""
    width, height = SIZES[size]
    context = await browser.new_context(viewport={"width": width, "height": height}, locale=locale)
    page = await context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda told: complaints.append(told.text))
    page.set_default_timeout(15_000)
    await page.goto(url)
    yield page
    await context.close()
    # What an answer's status is or that nobody answers is the test's own affair.
    assert [one for one in complaints if not one.startswith("Failed to load resource")] == []


async def overflow(page: Page) -> int:
    """By how many pixels the page is wider than what shows it."""
    found = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert isinstance(found, int)
    return found
