"""The API under /api/v1, one router for each resource."""

from __future__ import annotations

from fastapi import APIRouter

from pbx.web.api import (
    calls,
    click,
    company,
    funnel,
    funnel_events,
    hooks,
    live,
    managers,
    missed,
    recordings,
    reports,
)

ROUTERS: tuple[APIRouter, ...] = (
    live.router,
    calls.router,
    recordings.router,
    managers.router,
    missed.router,
    click.router,
    reports.router,
    funnel.router,
    funnel_events.router,
    hooks.router,
    company.router,
)
