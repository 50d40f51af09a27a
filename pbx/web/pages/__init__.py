"""The pages, one router each."""

from __future__ import annotations

from fastapi import APIRouter

from pbx.web.pages import preferences, reports, wall

ROUTERS: tuple[APIRouter, ...] = (preferences.router, wall.router, reports.router)
