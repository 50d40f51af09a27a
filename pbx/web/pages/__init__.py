"""The pages, one router each."""

from __future__ import annotations

from fastapi import APIRouter

from pbx.web.pages import calls, login, preferences, recordings, reports, wall

ROUTERS: tuple[APIRouter, ...] = (
    login.router,
    preferences.router,
    wall.router,
    calls.router,
    recordings.router,
    reports.router,
)
