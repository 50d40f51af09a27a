"""The strategies there are: ours, and those of installed packages."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

from pbx.plan.faults import Fault, PlanError
from routing.strategy import Registry, Strategy

GROUP = "voronka.strategies"
"""The entry points' group: a strategy's name bound to its class (docs/strategies.md)."""


def installed_strategies() -> Registry:
    """Ours and those that installed packages add.

    Raises PlanError when a package's strategy can't be imported or is none: a plan that names it
    must not be taken for one with a misspelt name.
    """
    plugins: dict[str, type[Strategy]] = {}
    faults = []
    for entry in entry_points(group=GROUP):
        package = entry.dist.name if entry.dist is not None else "unknown"
        try:
            found = entry.load()
        except Exception as error:  # whatever a foreign module does when imported
            reason = f'strategy "{entry.name}" can\'t be imported: {error}'
            faults.append(Fault(Path(f"package {package}"), 0, 0, reason))
            continue
        if isinstance(found, type) and issubclass(found, Strategy):
            plugins[entry.name] = found
        else:
            reason = f'strategy "{entry.name}" is no subclass of routing.strategy.Strategy'
            faults.append(Fault(Path(f"package {package}"), 0, 0, reason))
    if faults:
        raise PlanError(faults)
    return Registry.builtin().with_plugins(plugins)
