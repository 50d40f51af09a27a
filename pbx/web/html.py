"""A page out of a template: its language, its look, its texts, and who looks at it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from pbx.version import version
from pbx.web.csrf import token_of
from pbx.web.navigation import entries_for
from pbx.web.principal import Principal
from pbx.web.state import WebState
from pbx.web.texts import LANGUAGES, NAMES, Texts, preferred, texts
from pbx.web.words import Words, browser, phone, span

LANGUAGE_COOKIE = "voronka_language"
THEME_COOKIE = "voronka_theme"
THEMES = ("auto", "light", "dark")

_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(default=True, default_for_string=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters["span"] = span
_environment.filters["phone"] = phone
_environment.filters["browser"] = browser


def language_of(request: Request) -> str:
    """The language that the page is shown in."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    return preferred(chosen, request.headers.get("accept-language", ""))


def texts_of(request: Request) -> Texts:
    """The texts that the page is shown with."""
    return texts(language_of(request))


def theme_of(request: Request) -> str:
    """light, dark, or auto: as the machine has it."""
    chosen = request.cookies.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else THEMES[0]


def page(
    request: Request,
    template: str,
    principal: Principal | None,
    *,
    status: int = 200,
    **values: Any,
) -> HTMLResponse:
    """The template, filled in.

    Besides ``values`` it knows ``t`` (texts), ``words`` (numbers and times), ``principal``,
    ``asset``, ``csrf``, ``path``, and ``here``: the path with all that was asked.
    """
    state: WebState = request.app.state.web
    t = texts_of(request)
    html = _environment.get_template(template).render(
        t=t,
        words=Words(t.language, state.zone),
        languages={one: NAMES[one] for one in LANGUAGES},
        theme=theme_of(request),
        themes=THEMES,
        principal=principal,
        entries=entries_for(principal),
        path=request.url.path,
        here=f"{request.url.path}?{request.url.query}".removesuffix("?"),
        asset=state.assets.url,
        csrf=token_of(getattr(request.state, "cookie", "")),
        version=version(),
        zone=str(state.zone),
        now=state.now(),
        **values,
    )
    return HTMLResponse(html, status_code=status)
