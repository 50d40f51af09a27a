"""Dial-plan tests a second on one core: the suite of the shipped plan, again and again.

``python -m bench.trial [SECONDS]``; default 5.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from pbx.plan.load import load
from pbx.plan.strategies import installed_strategies
from pbx.trial import suite

CONFIG = Path(__file__).parents[1] / "config"


def table(seconds: float = 5.0) -> str:
    """Markdown."""
    strategies = installed_strategies()
    plan = load(CONFIG)
    cases = suite.cases_of(plan, suite.files_of(CONFIG))
    took, played, virtual_s = 0.0, 0, 0.0
    while took < seconds:
        began = time.process_time()
        results = list(suite.run(plan, cases, strategies))
        took += time.process_time() - began
        played += len(results)
        virtual_s += sum(
            (one.played.entries[-1].at - one.played.began).total_seconds() for one in results
        )
    lines = (
        "| tests of the suite | a second | seconds of calls played in one |",
        "|---|---|---|",
        f"| {len(cases)} | {played / took:.0f} | {virtual_s / took:.0f} |",
    )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(*map(float, sys.argv[1:2])))
