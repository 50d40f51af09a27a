"""The API under /api/v1, one router for each resource."""

from __future__ import annotations

from fastapi import APIRouter

from pbx.web.api import funnel_events, hooks, live

ROUTERS: tuple[APIRouter, ...] = (funnel_events.router, hooks.router, live.router)
