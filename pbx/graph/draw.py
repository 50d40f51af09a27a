"""Graphviz's ``dot`` as a program beside us: its language in, a picture out."""

from __future__ import annotations

import shutil
import subprocess

from pbx.errors import PbxError

_LIMIT_S = 120.0


class CannotDraw(PbxError):
    """There is no Graphviz, or it failed."""


def draw(dot: str, form: str) -> bytes:
    """The picture as ``svg`` or ``png``.  Raises CannotDraw."""
    program = shutil.which("dot")
    if program is None:
        raise CannotDraw(
            "pictures need Graphviz's dot, which is not installed (Debian: apt install graphviz); "
            "--format dot, mermaid and json do without"
        )
    try:
        done = subprocess.run(
            [program, f"-T{form}"], input=dot.encode(), capture_output=True, timeout=_LIMIT_S
        )
    except subprocess.TimeoutExpired as error:
        raise CannotDraw(f"Graphviz was not done after {_LIMIT_S:g} s") from error
    except OSError as error:
        raise CannotDraw(f"{program} can't be started: {error.strerror}") from error
    if done.returncode != 0 or not done.stdout:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise CannotDraw(f"Graphviz failed: {said[0] if said else 'it gave no picture'}")
    return done.stdout
