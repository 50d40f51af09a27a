"""docs/plan.md: every key of a plan, written from the models themselves.

``python -m pbx.plan.reference > docs/plan.md`` after a change of a model; a test compares.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic.fields import FieldInfo

from pbx.plan import schema, schema_callback, schema_funnel, schema_recording
from pbx.plan.schema_nodes import NODE_SHAPES, Steps
from pbx.plan.shape import Shape
from pbx.plan.shape_faults import SECTIONS
from pbx.plan.source import MAX_BYTES, MAX_DEPTH

_INTRODUCTION = f"""\
# The dial plan

_Written from the models by `python -m pbx.plan.reference`; don't edit._

A plan is YAML: one file, or a folder whose `*.yaml` files are read as one. [config/](../config) is
a whole example to start from. `pbx check` tells every mistake with its place; the engine loads
nothing that has one.

- Values are what they look like: `9:00`, `+78005553535`, `0123` and `no` are texts. Only `true`,
  `false` and nothing (`~`) are more.
- Names (of managers, queues, menus, prompts ...) are Latin letters, digits, `-` and `_`.
- Durations: `20s`, `1m30s`, `500ms`, `2h`, `30d`, or plain seconds.
- Where a list is expected, a single value does.
- Keys given twice, unknown keys, YAML tags, and files above {MAX_BYTES // 1_000_000} MB or nested
  deeper than {MAX_DEPTH} levels are refused. Anchors and aliases work within a file.
- Passwords and other secrets never stand in a plan.
"""
_STEPS = """\
## Steps

Menus are made of steps. A step's kind is one of its keys; the other keys belong to that kind:

```yaml
menus:
  welcome:
    menu: hello             # what is said: a prompt's name, a prompt, or a list
    keys:
      1: {queue: sales}     # a step in place
      2: service            # a menu by its name
      3: [play: wait, queue: support]   # several, one after another
      9: repeat
```

Steps nest up to thirty levels. A bare word is a menu's name or `hangup`; in a menu's keys also
`repeat`, `back` (the menu before) and `main` (the first menu the caller met), which therefore can't
be menus' names. Ways that are not given end the call. A loop that a caller can't leave without
pressing a key is refused. In logs a step is named by the way to it: `welcome/2`, `welcome.2` for
the second of a list.
"""
_PROMPTS = """\
A prompt in place takes the same keys, or is the name of one of this section. Texts by language can
stand alone: `{ru: Здравствуйте, en: Hello}`. A text is spoken by the speech engine once and kept; a
recording `<prompts_dir>/<language>/<name>.wav` (any PCM WAV) replaces it from the next caller on. A
prompt in place is recorded under the name of its step: `welcome.2.play.wav`.
"""
_PARTS: Mapping[str, tuple[tuple[str, type[Shape]], ...]] = {
    "settings": (
        ("speech", schema.SpeechShape),
        ("vip", schema.VipShape),
        ("funnel", schema_funnel.FunnelShape),
        ("rescue", schema.RescueShape),
    ),
    "numbers": (("record", schema_recording.RecordShape),),
    "managers": (("A device", schema.DeviceShape),),
    "queues": (
        ("A member", schema.MemberShape),
        ("strategy", schema.StrategyShape),
        ("announce", schema.AnnounceShape),
        ("messages", schema.MessagesShape),
        ("callback", schema_callback.CallbackRuleShape),
    ),
    "schedules": (("holidays", schema.HolidaysShape),),
}

_KINDS = {
    "PromptShape": "a prompt",
    "DeviceShape": "a device",
    "MemberShape": "a member",
    "StrategyShape": "a strategy",
}


def render() -> str:
    """The whole reference."""
    parts = [_INTRODUCTION]
    for section, (_, shape) in SECTIONS.items():
        if shape is None:  # the menus: below
            continue
        parts.append(f"## {section}\n\n{_sentence(shape)}\n\n{_table(shape)}")
        for title, part in _PARTS.get(section, ()):
            heading = f"`{title}`" if title.islower() else title
            parts.append(f"### {heading}\n\n{_sentence(part)}\n\n{_table(part)}")
    parts.append(_PROMPTS)
    parts.append(_STEPS)
    for kind, step in NODE_SHAPES.items():
        parts.append(f"### `{kind}`\n\n{_sentence(step)}\n\n{_table(step)}")
    return "\n".join(part if part.endswith("\n") else f"{part}\n" for part in parts)


def _sentence(shape: type[Shape]) -> str:
    return " ".join((shape.__doc__ or "").split())


def _table(shape: type[Shape]) -> str:
    rows = ["| key | value | default | |", "|---|---|---|---|"]
    for name, field in shape.model_fields.items():
        value = _words(field.annotation, field.metadata)
        meaning = " ".join((field.description or "").split()).replace("|", "\\|")
        rows.append(f"| `{name}` | {value} | {_default(field)} | {meaning} |")
    return "\n".join(rows)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True)
    if value is None or value == "" or isinstance(value, list | dict | Shape):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float):
        return f"`{value:g}s`"
    return f"`{value}`"


def _words(annotation: Any, metadata: Iterable[Any]) -> str:
    """A type in an admin's words."""
    for one in metadata:
        if hasattr(one, "words"):
            return str(one.words)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _words(arguments[0], arguments[1:])
    if isinstance(annotation, type) and issubclass(annotation, Steps):
        return "steps"
    if origin in (typing.Union, types.UnionType):
        if any(_holds_steps(one) for one in arguments):
            return "a step"
        return " or ".join(_words(one, ()) for one in arguments if one is not type(None))
    if origin is list:
        return _several(_words(arguments[0], ()))
    if origin is dict:
        return f"{_bare(_words(arguments[0], ()))}: {_bare(_words(arguments[1], ()))}"
    if isinstance(annotation, type) and issubclass(annotation, Shape):
        return _KINDS.get(annotation.__name__, "keys and values")
    return getattr(annotation, "__name__", str(annotation))


def _bare(words: str) -> str:
    return re.sub(r"^an? ", "", words)


def _several(one: str) -> str:
    if "prompt" in one:
        return "prompts"
    return f"{one}, or a list"


def _holds_steps(annotation: Any) -> bool:
    if typing.get_origin(annotation) is typing.Annotated:
        return _holds_steps(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return any(_holds_steps(one) for one in typing.get_args(annotation))
    return annotation is Steps


if __name__ == "__main__":
    print(render(), end="")
