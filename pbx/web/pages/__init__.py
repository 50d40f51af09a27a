"""The pages, one router each."""

from __future__ import annotations

from fastapi import APIRouter

from pbx.web.pages import calls, preferences, wall

ROUTERS: tuple[APIRouter, ...] = (preferences.router, wall.router, calls.router)
