"""Strategies as the plan names them: the name known, the parameters right, the fallback too.

A parameter that counts seconds (``wait_s``) is written without its suffix: ``wait: 30s``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial

from pbx.plan import written
from pbx.plan.context import Context
from pbx.plan.faults import did_you_mean, known_names, quoted
from pbx.plan.schema import StrategyShape
from pbx.plan.shape import kind_of
from pbx.plan.shape_faults import about
from pbx.plan.written import Wrong
from routing.plan import StrategyChoice
from routing.strategy import Param, Registry, Strategy

_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")

Path = tuple[str | int, ...]


def written_name(name: str, param: Param) -> str:
    """A parameter's key in YAML."""
    return name.removesuffix("_s") if "seconds" in param.kind else name


class StrategyReader:
    """Reads strategies against a registry."""

    def __init__(self, context: Context, registry: Registry) -> None:
        self._context = context
        self._registry = registry

    def read(self, path: Path, shape: StrategyShape) -> StrategyChoice:
        """A strategy with its fallbacks; mistakes are kept in the context."""
        found = self._registry.get(shape.name)
        fallback = None
        if shape.fallback is not None:
            fallback = self.read((*path, "fallback"), shape.fallback)
        if found is None:
            known = self._registry.names()
            self._context.unknown((*path, "name"), "strategy", shape.name, known)
            return StrategyChoice(shape.name, {}, fallback)
        if shape.fallback is not None:
            self._check_fallback((*path, "fallback"), found, shape.fallback)
        given = dict(shape.model_extra or {})
        return StrategyChoice(shape.name, self._params(path, shape.name, found, given), fallback)

    def _check_fallback(self, path: Path, found: type[Strategy], fallback: StrategyShape) -> None:
        if not found.default_fallback:
            self._context.warn(path, "this strategy never falls back on another")
        elif fallback.name == found.name:
            self._context.wrong(path, "a strategy can't fall back on itself")

    def _params(
        self, path: Path, strategy: str, found: type[Strategy], given: Mapping[str, object]
    ) -> dict[str, object]:
        known = {written_name(name, param): name for name, param in found.params.items()}
        values: dict[str, object] = {}
        for key, value in given.items():
            here = (*path, key)
            if key not in known:
                message = f"strategy {quoted(strategy)} has no parameter {quoted(key)}"
                hint = did_you_mean(key, known) or ("" if known else "it takes none")
                mark = self._context.key_mark(here)
                notes = known_names(known)
                self._context.names.add(mark.fault(about(path, message), hint, notes))
                continue
            name = known[key]
            if found.params[name].kind == "list of seconds":
                items = value if isinstance(value, list) else [value]
                values[name] = tuple(
                    self._value((*here, index), _seconds, item) for index, item in enumerate(items)
                )
            else:
                values[name] = self._value(here, partial(_single, found.params[name]), value)
        return values

    def _value(self, path: Path, read: Callable[[object], object], value: object) -> object:
        try:
            return read(value)
        except Wrong as error:
            self._context.wrong_name(path, error)
            return None


def _single(param: Param, value: object) -> object:
    if param.kind == "seconds":
        return _seconds(value)
    if param.kind == "number":
        return _number(value)
    if not isinstance(value, str):  # a third party's kind of its own: texts only
        raise Wrong(f"expected a text, got {kind_of(value)}")
    return value


def _seconds(value: object) -> float:
    if not isinstance(value, str):
        raise Wrong(f"expected a duration, got {kind_of(value)}")
    return written.duration(value)


def _number(value: object) -> float:
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        raise Wrong(f"expected a number, got {kind_of(value)}")
    return float(value)
