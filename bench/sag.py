"""How often the sag alert cries wolf, and how often it misses: ``python -m bench.sag``.

A look is at 60 pairs of slice and stage with the counts of small companies.
"""

from __future__ import annotations

import random

from pbx.funnel.sag import Trial, Verdict, judge

LOOKS = 2_000
PAIRS = 60


def main() -> None:
    """The command: lines of Markdown."""
    rng = random.Random(1)
    false = alarms = few = 0
    for _ in range(LOOKS):
        judged = judge([_pair(rng) for _ in range(PAIRS)])
        fell = sum(one.verdict is Verdict.FELL for one in judged)
        few += sum(one.verdict is Verdict.TOO_FEW for one in judged)
        alarms += fell
        false += fell > 0
    print(f"Nothing changed: {false} of {LOOKS} looks raised an alarm ({false / LOOKS:.2%}),")
    print(f"{alarms} alarms in all; {few / LOOKS / PAIRS:.0%} of the pairs had too few data.\n")
    print("| lately | from 30 % to 20 % | to 15 % | to 10 % |")
    print("|---|---|---|---|")
    for recent in (20, 50, 100, 200, 500):
        cells = [f"{_caught(rng, recent, share):.0%}" for share in (0.20, 0.15, 0.10)]
        print(f"| {recent} | {' | '.join(cells)} |")


def _pair(rng: random.Random) -> Trial:
    usual, before = rng.choice((0.02, 0.1, 0.3, 0.8)), rng.randrange(1, 400)
    return _trial(rng, before, usual, rng.randrange(1, 60), usual)


def _caught(rng: random.Random, recent: int, share: float) -> float:
    """Of looks in which one pair has fallen, those that said so."""
    looks = 200
    caught = 0
    for _ in range(looks):
        fallen = _trial(rng, 8 * recent, 0.3, recent, share)
        judged = judge([fallen, *(_pair(rng) for _ in range(PAIRS - 1))])
        caught += judged[0].verdict is Verdict.FELL
    return caught / looks


def _trial(rng: random.Random, before: int, usual: float, recent: int, lately: float) -> Trial:
    came = [
        sum(rng.random() < share for _ in range(had))
        for had, share in ((before, usual), (recent, lately))
    ]
    return Trial("", "meeting", before, came[0], recent, came[1])


if __name__ == "__main__":
    main()
