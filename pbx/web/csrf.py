"""Against requests that another site makes a browser send in its user's name.

Three things, each enough by itself: cookies are SameSite=Strict, a request that changes something
must come from our own origin by the browser's word, and it carries a token that only our own pages
know.  The token is made of the cookie, so nothing is kept.
"""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import urlsplit

from fastapi import Request

FIELD = "csrf"
"""The token in a form."""
HEADER = "x-csrf-token"
"""The token in a request of a script."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class CrossSite(Exception):
    """A request that changes something did not come from a page of ours."""


def token_of(cookie: str) -> str:
    """The token that belongs to a session's or a visit's cookie."""
    return hmac.new(cookie.encode(), b"voronka csrf", hashlib.sha256).hexdigest()[:32]


async def check(request: Request, cookie: str) -> None:
    """Raises CrossSite."""
    if request.method in SAFE:
        return
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise CrossSite
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host", ""):
        raise CrossSite
    given = request.headers.get(HEADER)
    if given is None:
        field = (await request.form()).get(FIELD)
        given = field if isinstance(field, str) else ""
    if not cookie or not hmac.compare_digest(given.encode(), token_of(cookie).encode()):
        raise CrossSite
