"""A plan's YAML in one style: indents, blank lines and line ends; comments, order and words stay.

ruamel.yaml reads and writes the file with all its comments.  What it wrote is read again by the
plan's own reader and must mean the very same; if not, nothing is written.
"""

from __future__ import annotations

import io
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.tag import Tag

from pbx.errors import PbxError
from pbx.plan.source import Faults, NodeBudget, Plain, plain, read_text

_NULL = Tag(suffix="tag:yaml.org,2002:null")
_WIDTH = 4096
"""Columns: lines are left as long as they are written."""
_MANY_BLANK = re.compile(r"\n(?:[ \t]*\n){2,}")


class CannotFormat(PbxError):
    """The file is right, but the formatter would change what it means, or can't read it."""


def formatted(path: Path, data: bytes) -> str:
    """The file's text in our style.  Raises PlanError for what is no YAML, and CannotFormat."""
    before = _meaning(path, data)
    text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    if before is None:
        return _tidy(text)  # comments alone
    try:
        written = _round_trip(text)
        # Its first writing may move a comment; the second must leave all as it is.
        once_more = _round_trip(written)
    except (YAMLError, ValueError, RecursionError) as error:
        raise CannotFormat(f"{path} can't be formatted: {str(error).splitlines()[0]}") from error
    if written != once_more or _meaning(path, written.encode()) != before:
        raise CannotFormat(f"{path} can't be formatted without changing what it means: left alone")
    return written


def _meaning(path: Path, data: bytes) -> Plain:
    faults = Faults()
    node = read_text(path, data, faults, NodeBudget())
    faults.stop()
    return None if node is None else _ordered(plain(node))


def _ordered(value: Plain) -> Plain:
    """The order of keys is a meaning too: of members, of steps tried."""
    if isinstance(value, dict):
        return [[key, _ordered(one)] for key, one in value.items()]
    return [_ordered(one) for one in value] if isinstance(value, list) else value


class _AsWritten(VersionedResolver):
    """Every plain value is the text it was written as, as in a plan, but nothing is nothing."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        """A value's tag."""
        if kind is ScalarNode and implicit[0]:
            return _NULL if value == "" else self.DEFAULT_SCALAR_TAG
        return super().resolve(kind, value, implicit)


def _round_trip(text: str) -> str:
    yaml = YAML(typ="rt", pure=True)
    yaml.Resolver = _AsWritten
    yaml.preserve_quotes = True
    yaml.width = _WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.allow_unicode = True
    out = io.StringIO()
    yaml.dump(yaml.load(text), out)
    return _tidy(out.getvalue())


def _tidy(text: str) -> str:
    """No blanks at the ends of lines, one blank line at most, one line end at the end."""
    lines = "\n".join(line.rstrip() for line in text.split("\n"))
    return _MANY_BLANK.sub("\n\n", lines).strip("\n") + "\n"


def replace(path: Path, text: str) -> None:
    """Write the file as a whole or not at all, with the rights that it had.  Raises OSError."""
    target = path.resolve()
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        mode = target.stat().st_mode & 0o7777
        Path(name).chmod(mode)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
