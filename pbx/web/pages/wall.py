"""The wallboard."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from pbx.web.access import Principal, Scope, needs
from pbx.web.html import page

router = APIRouter()


@router.get("/", response_class=HTMLResponse)
async def wall(
    request: Request, principal: Annotated[Principal, Depends(needs(Scope.LIVE_READ))]
) -> HTMLResponse:
    """What goes on now."""
    return page(request, "wall.html", principal)
