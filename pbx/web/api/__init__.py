"""The API under /api/v1, one router for each resource."""

from __future__ import annotations

from fastapi import APIRouter

from pbx.web.api import click, company, funnel_events, hooks, live, managers, missed

ROUTERS: tuple[APIRouter, ...] = (
    live.router,
    managers.router,
    missed.router,
    click.router,
    funnel_events.router,
    hooks.router,
    company.router,
)
