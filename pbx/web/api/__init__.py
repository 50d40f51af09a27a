"""The API under /api/v1, one router for each resource."""

from __future__ import annotations

from fastapi import APIRouter

from pbx.web.api import live

ROUTERS: tuple[APIRouter, ...] = (live.router,)
