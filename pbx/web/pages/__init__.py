"""The pages, one router each."""

from __future__ import annotations

from fastapi import APIRouter

from pbx.web.pages import (
    account,
    audit,
    calls,
    funnel,
    login,
    missed,
    my,
    preferences,
    recordings,
    reports,
    tokens,
    users,
    wall,
)

ROUTERS: tuple[APIRouter, ...] = (
    account.router,
    audit.router,
    calls.router,
    login.router,
    missed.router,
    my.router,
    preferences.router,
    recordings.router,
    reports.router,
    funnel.router,
    tokens.router,
    users.router,
    wall.router,
)
