"""The API's description (OpenAPI 3.1), as ``/api/v1/openapi.json`` has it.

``python -m pbx.web.openapi > docs/openapi.json`` writes the one of the docs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

VERSION = "1"
"""The API's; what is added leaves it as it is."""
_PROBLEM = "application/problem+json"
_A_PROBLEM = "#/components/schemas/Problem"
_WORDS = """Everything of the engine that a program needs: docs/api.md is the guide.

A token of the page `/tokens` (or `pbx tokens`) goes into `Authorization: Bearer ...`; its scopes
and its role say what it may do and see. Times are ISO 8601 with a zone, durations seconds, numbers
E.164. Lists come in pages: `next` of one is `after` of the following. Whatever goes wrong is a
problem of RFC 9457."""


def described(app: FastAPI) -> dict[str, Any]:
    """Made once, when it is first asked for."""
    if app.openapi_schema is None:
        found = get_openapi(title="Voronka", version=VERSION, description=_WORDS, routes=app.routes)
        for operation in operations(found):
            for status, answer in operation["responses"].items():
                if status >= "400":
                    answer["content"] = {_PROBLEM: {"schema": {"$ref": _A_PROBLEM}}}
        schemas = found["components"]["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):  # ours are problems
            schemas.pop(name, None)
        app.openapi_schema = found
    return app.openapi_schema


def name_of(route: APIRoute) -> str:
    """An operation's id, as clients that are made of the description call it."""
    tag = route.tags[0] if route.tags else "api"
    return f"{tag}_{route.name}"


def operations(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every operation of a description."""
    for path in schema["paths"].values():
        yield from (one for name, one in path.items() if name != "parameters")


def written(app: FastAPI) -> bytes:
    """As the docs have it."""
    return orjson.dumps(described(app), option=orjson.OPT_INDENT_2) + b"\n"


def main() -> None:
    """To standard output."""
    from pbx.web.app import add_api

    app = FastAPI()
    add_api(app)
    sys.stdout.buffer.write(written(app))


if __name__ == "__main__":
    main()
