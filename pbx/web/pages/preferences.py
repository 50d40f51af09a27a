"""Language and look, remembered by the browser."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse

from pbx.web.html import LANGUAGE_COOKIE, THEME_COOKIE, THEMES
from pbx.web.state import State
from pbx.web.texts import LANGUAGES

router = APIRouter()
YEAR_S = 365 * 86_400


@router.post("/preferences")
async def prefer(
    request: Request,
    state: State,
    language: Annotated[str, Form()] = "",
    theme: Annotated[str, Form()] = "",
    back: Annotated[str, Form()] = "/",
) -> RedirectResponse:
    """Keep what was chosen, and go back.  It changes nothing but how pages look: no token asked."""
    response = RedirectResponse(inside(back), 303)
    for name, value, known in (
        (LANGUAGE_COOKIE, language, LANGUAGES),
        (THEME_COOKIE, theme, THEMES),
    ):
        if value in known:
            response.set_cookie(
                name,
                value,
                max_age=YEAR_S,
                secure=state.settings.secure,
                httponly=True,
                samesite="strict",
            )
    return response


def inside(path: str) -> str:
    """A page of ours to go to: never another site's address."""
    # A browser takes a backslash for a slash, and drops tabs and line ends.
    plain = path.startswith("/") and path.isprintable() and "\\" not in path
    return path if plain and not path.startswith("//") else "/"
