"""The made-up log of the benches is one that the product would have written, and they run."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from bench import pages
from bench.ingest import day, ingest
from bench.synthetic import Sizes, fill
from pbx.journal import port as journal
from pbx.journal.database import migrate, open_for_reading, open_for_writing
from pbx.reports.book import check


def made(folder: Path, legs: int) -> Sizes:
    log = open_for_writing(f"sqlite:///{folder / 'log.db'}")
    migrate(log)
    log.dispose()
    return fill(folder / "log.db", legs)


def test_a_made_up_logs_facts_are_those_of_its_rows(tmp_path: Path) -> None:
    sizes = made(tmp_path, 600)

    asked = open_for_reading(f"sqlite:///{tmp_path / 'log.db'}")
    found = check(asked)
    asked.dispose()

    assert (found.calls, found.wrong) == (sizes.calls, 0)


@pytest.mark.slow
async def test_every_page_that_the_bench_asks_for_is_there(tmp_path: Path) -> None:
    path = pages.made(tmp_path, 3_000)
    assert pages.made(tmp_path, 3_000) == path
    assert not pages.copied(path).startswith("0 files")
    assert pages.copied(path).startswith("0 files")
    addresses = {**pages.REPORTS, **pages.FUNNELS, **pages.CALLS}
    async with pages.asked(path) as client:
        found = {name: await pages.took(client, one, 1) for name, one in addresses.items()}
        further = await pages.page_after(client, "/api/v1/calls?limit=100", 5)
        assert (await client.get(further)).json()["items"]
    assert [name for name, one in found.items() if math.isnan(one.wall)] == []
    *table, slowest = pages.lines("all", found)
    assert len(table) == 2 + len(addresses)
    assert max(found, key=lambda name: found[name].wall) in slowest


@pytest.mark.slow
def test_what_is_told_while_reports_are_open_is_written_and_its_facts_are_right(
    tmp_path: Path,
) -> None:
    sizes = made(tmp_path, 300)
    told = day(60)

    written, reports = ingest(tmp_path, told, 1000.0, 0.0)

    assert len(written.late_s) == len(told)
    assert reports
    asked = open_for_reading(f"sqlite:///{tmp_path / 'log.db'}")
    found = check(asked)
    asked.dispose()
    calls = sum(isinstance(one.entry, journal.CallStarted) for one in told)
    assert (found.calls, found.wrong) == (sizes.calls + calls, 0)
