"""The pages, one router each."""

from __future__ import annotations

from fastapi import APIRouter

from pbx.web.pages import login, preferences, wall

ROUTERS: tuple[APIRouter, ...] = (login.router, preferences.router, wall.router)
