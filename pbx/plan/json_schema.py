"""The models as a JSON Schema, for editors: what completes and checks a plan while it is typed.

Made of the same declarations as the loader's own checks (shape.py, schema*.py).  It describes one
file, so no section is needed, and refuses nothing that the loader takes; what an editor can't know
(whether a name exists, a range of durations) is left to ``pbx check``.

``pbx schema > config/voronka.schema.json`` after a change of a model; a test compares.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable
from typing import Any

from annotated_types import MaxLen, MinLen
from pydantic.fields import FieldInfo

from pbx.plan.schema import PlanShape
from pbx.plan.schema_nodes import NODE_SHAPES, Steps
from pbx.plan.shape import Form, Shape, Short, Word, any_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_STEP: Form = {"$ref": "#/$defs/step"}
_LENGTHS = {"array": ("minItems", "maxItems"), "object": ("minProperties", "maxProperties")}


def schema() -> Form:
    """The whole schema."""
    writer = _Writer()
    sections = {}
    for name, field in PlanShape.model_fields.items():
        form = writer.form(field.annotation, field.metadata)
        about = {"description": _flat(field.description)}
        # A section without content is as if it weren't there.
        sections[name] = {**about, **any_of(form, {"type": "null"})}
    steps = [writer.shape(kind) for kind in NODE_SHAPES.values()]
    word = writer.form(Word, ())
    several = {"type": "array", "items": _STEP, "minItems": 1}
    return {
        "$schema": DIALECT,
        "title": "A dial plan of Voronka",
        "description": "One file of it. Reference: docs/plan.md.",
        "type": ["object", "null"],
        "properties": sections,
        "additionalProperties": False,
        "$defs": {
            "step": {
                "description": "A menu's name, a step (its kind is one of its keys), or a list.",
                **any_of(word, several, *steps),
            },
            **dict(sorted(writer.shapes.items())),
        },
    }


class _Writer:
    """Collects the models met on the way."""

    def __init__(self) -> None:
        self.shapes: dict[str, Form] = {}

    def form(self, annotation: Any, metadata: Iterable[Any]) -> Form:
        """A type's schema; what stands behind it in ``Annotated`` is ``metadata``."""
        inner = typing.get_origin(annotation)
        if inner is typing.Annotated:
            first, *own = typing.get_args(annotation)
            return self.form(first, (*own, *metadata))
        told = list(_flattened(metadata))
        form = next((one.form() for one in told if hasattr(one, "words")), None)
        if form is None:
            form = self._structure(annotation)
        for one in told:
            if isinstance(one, MinLen | MaxLen) and form.get("type") in _LENGTHS:
                least, most = _LENGTHS[form["type"]]
                bound = {least: one.min_length} if isinstance(one, MinLen) else {
                    most: one.max_length
                }  # fmt: skip
                form = {**form, **bound}
        for one in told:
            if isinstance(one, Short):
                form = one.form(form)
        return form

    def shape(self, model: type[Shape]) -> Form:
        """A reference to a model, which is described once."""
        name = model.__name__.removesuffix("Shape")
        reference = {"$ref": f"#/$defs/{name}"}
        if name in self.shapes:
            return reference
        self.shapes[name] = {}  # holds the place: models refer to themselves
        form: Form = {
            "type": "object",
            "properties": {key: self._key(one) for key, one in model.model_fields.items()},
            "additionalProperties": model.model_config.get("extra") == "allow",
        }
        needed = [key for key, one in model.model_fields.items() if one.is_required()]
        if needed:
            form["required"] = needed
        self.shapes[name] = {"description": _flat(model.__doc__), **model.spelled(form)}
        return reference

    def _key(self, field: FieldInfo) -> Form:
        return {
            "description": _flat(field.description),
            **self.form(field.annotation, field.metadata),
        }

    def _structure(self, annotation: Any) -> Form:
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if origin in (typing.Union, types.UnionType):
            if any(_is_steps(one) for one in arguments):
                return any_of(_STEP, {"type": "null"}) if type(None) in arguments else _STEP
            arms = [self.form(one, ()) for one in arguments]
            flat = [inner for arm in arms for inner in _arms(arm)]
            return any_of(*flat)
        if annotation is type(None):
            return {"type": "null"}
        if origin is list:
            return {"type": "array", "items": self.form(arguments[0], ())}
        if origin is dict:
            key = self.form(arguments[0], ())
            names = {"pattern": key["pattern"]} if "pattern" in key else {}
            return {
                "type": "object",
                "propertyNames": names,
                "additionalProperties": self.form(arguments[1], ()),
            }
        assert isinstance(annotation, type), annotation
        assert issubclass(annotation, Shape), annotation
        return self.shape(annotation)


def _arms(form: Form) -> list[Form]:
    return form["anyOf"] if form.keys() == {"anyOf"} else [form]


def _flattened(metadata: Iterable[Any]) -> Iterable[Any]:
    for one in metadata:
        yield from one.metadata if isinstance(one, FieldInfo) else (one,)


def _is_steps(annotation: Any) -> bool:
    if typing.get_origin(annotation) is typing.Annotated:
        return _is_steps(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return any(_is_steps(one) for one in typing.get_args(annotation))
    return annotation is Steps


def _flat(text: str | None) -> str:
    return " ".join((text or "").split())
