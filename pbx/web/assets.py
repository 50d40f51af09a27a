"""The files that pages are made of, under names that change with their content: a browser may keep
them for ever, and never shows an old one."""

from __future__ import annotations

import hashlib
import mimetypes
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).parent / "static"
_YEAR_S = 31_536_000


class Assets:
    """``url("css/app.css")`` is ``/static/<digest of all files>/css/app.css``: one digest, so that
    scripts can name each other."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder
        digest = hashlib.sha256()
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                digest.update(str(file.relative_to(folder)).encode())
                digest.update(file.read_bytes())
        self.root = f"/static/{digest.hexdigest()[:12]}"

    def url(self, name: str) -> str:
        """Where a browser finds the file.  A name that is not there is an error of ours."""
        assert (self.folder / name).is_file(), name
        return f"{self.root}/{name}"


class Forever(StaticFiles):
    """Serves them, and says that they never change."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        """As Starlette does, to be kept."""
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = f"public, max-age={_YEAR_S}, immutable"
        return response

    async def get_response(self, path: str, scope: Scope) -> Response:
        """What is not there is not to be kept."""
        response = await super().get_response(path, scope)
        response.headers.setdefault("Cache-Control", "no-store")
        return response


mimetypes.add_type("font/woff2", ".woff2")
mimetypes.add_type("text/javascript", ".js")
