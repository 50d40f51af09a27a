"""A list of calls is the same, whichever way a database is asked for it."""

from __future__ import annotations

import random
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, make_url, select

from pbx.journal import queries
from pbx.journal.database import migrate, open_for_writing
from pbx.journal.queries import IN_PROGRESS, WITHHELD, CallFilter, Sight, conditions, list_calls
from pbx.journal.tables import calls, legs, recordings
from routing.values import Outcome
from tests.missed.day import BEGAN
from tests.reports.randomlog import AGENTS, DIDS, NUMBERS, RandomLog, keep


def written(url: str) -> Engine:
    engine = open_for_writing(url)
    migrate(engine)
    rng = random.Random(11)
    keep(engine, RandomLog(rng, BEGAN, timedelta(days=3), 90).entries, rng)
    with engine.begin() as connection:
        talks = connection.execute(select(legs.c.leg_id).where(legs.c.joined_at.is_not(None)))
        for n, leg_id in enumerate(talks.scalars().all()):
            row = {"leg_id": leg_id, "path": "", "started_at": BEGAN + timedelta(days=3)}
            more = {"keep_until": BEGAN, "length_s": 1.0 if n % 3 else None}
            connection.execute(insert(recordings), row | more)
        shown = calls.c.call_id.in_(("c00005", "c00010"))
        # No number of any country: kept as it came.
        connection.execute(calls.update().where(shown).values(number="", number_raw="0567"))
    return engine


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It takes longer than to ask it, and nobody here writes to it."""
    file = tmp_path_factory.mktemp("lists") / "log.db"
    written(f"sqlite:///{file}").dispose()
    return file


@pytest.fixture
def log(url: str, request: pytest.FixtureRequest) -> Engine:
    if not url.startswith("sqlite"):
        return written(url)
    file = make_url(url).database
    assert file
    shutil.copy(request.getfixturevalue("made_once"), file)
    return open_for_writing(url)


def wanted(rng: random.Random) -> CallFilter:
    given: dict[str, Any] = {}
    ways: dict[str, Any] = {
        "since": lambda: BEGAN + timedelta(days=3 * rng.random()),
        "number": lambda: rng.choice((*NUMBERS[:-1], "8 916 123-45-67", "567", WITHHELD, "7")),
        "did": lambda: rng.choice((DIDS[0][0], "4567", "+7999", "5")),
        "queue": lambda: rng.choice(("sales", "support", "none")),
        "agent": lambda: rng.choice((*AGENTS, "nobody")),
        "outcome": lambda: rng.choice((*(one.value for one in Outcome), IN_PROGRESS)),
        "recorded": lambda: True,
        "before": lambda: (BEGAN + timedelta(days=3 * rng.random()), "c00050"),
        "sight": lambda: Sight(
            frozenset(rng.sample(AGENTS, 1)), frozenset(rng.sample(("sales", "support"), 1)[:1])
        ),
    }
    for name in rng.sample(sorted(ways), rng.randrange(4)):
        given[name] = ways[name]()
    if "sight" in given and rng.random() < 0.5:
        given["sight"] = Sight(given["sight"].agents)
    return CallFilter(limit=rng.choice((5, None)), **given)


@pytest.mark.parametrize("rare", [0, 20, 5_000])
@pytest.mark.parametrize("few", [1, 300])
def test_the_quick_way_and_the_plain_one_find_the_same_calls(
    log: Engine, monkeypatch: pytest.MonkeyPatch, rare: int, few: int
) -> None:
    monkeypatch.setattr(queries, "_RARE", rare)
    monkeypatch.setattr(queries, "_FEW_NUMBERS", few)
    rng = random.Random(rare + few)
    found = 0
    for _ in range(60):
        asked = wanted(rng)
        plain = (
            select(calls.c.call_id)
            .where(*conditions(asked))
            .order_by(calls.c.started_at.desc(), calls.c.call_id.desc())
            .limit(asked.limit)
        )
        with log.connect() as connection:
            expected = connection.execute(plain).scalars().all()
        told = [one.call_id for one in list_calls(log, asked)]
        assert told == expected[::-1], asked
        found += len(told)
    assert found > 200
    log.dispose()
