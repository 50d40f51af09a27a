"""The migrations: each leads from the one before it to the tables that this program knows."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, select, text

from pbx.errors import JournalError
from pbx.journal import migrations
from pbx.journal.database import HEAD, migrate, open_for_reading, open_for_writing
from pbx.journal.tables import calls, contacts, fact_days, metadata, stage_events


def scripts() -> ScriptDirectory:
    (folder,) = migrations.__path__
    return ScriptDirectory(folder)


def step(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", scripts().dir)
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def climb(engine: Engine, revision: str = HEAD) -> None:
    """One migration at a time, each in a transaction of its own."""
    for one in reversed(list(scripts().walk_revisions(head=revision))):
        with engine.begin() as connection:
            step(connection, one.revision)


def shape(engine: Engine) -> dict[str, object]:
    """All tables: their columns, indexes and keys."""
    with engine.connect() as connection:
        seen = inspect(connection)
        return {
            name: (
                [
                    (col["name"], str(col["type"]), col["nullable"])
                    for col in seen.get_columns(name)
                ],
                sorted((str(ix["name"]), ix["column_names"]) for ix in seen.get_indexes(name)),
                seen.get_pk_constraint(name)["constrained_columns"],
            )
            for name in seen.get_table_names()
        }


def test_they_stand_in_one_line_and_the_program_knows_the_newest() -> None:
    found = scripts()
    assert found.get_heads() == [HEAD]
    assert all(not one.is_branch_point for one in found.walk_revisions())


def test_they_lead_to_the_tables_that_the_program_uses(url: str) -> None:
    engine = open_for_writing(url)
    climb(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_an_empty_log_is_as_after_all_of_them(tmp_path: Path) -> None:
    made = []
    for name, make in (("climbed", climb), ("first", migrate), ("second", migrate)):
        engine = open_for_writing(f"sqlite:///{tmp_path / name}.db")
        make(engine)
        made.append(shape(engine))
        engine.dispose()
    assert made[0] == made[1] == made[2]  # the second is the tests' copy (conftest.py)


def test_a_log_of_an_older_version_is_not_read_until_it_is_brought_up_to_date(url: str) -> None:
    engine = open_for_writing(url)
    older = [one.revision for one in scripts().walk_revisions()][1]
    climb(engine, older)
    told = re.escape(f"the log is of an older version ({older}; this program reads {HEAD})")
    with pytest.raises(JournalError, match=told):
        open_for_reading(url)
    migrate(engine)
    open_for_reading(url).dispose()
    migrate(engine)  # a second time changes nothing
    engine.dispose()


def test_callers_and_days_of_an_older_log_are_known_after_it(url: str) -> None:
    engine = open_for_writing(url)
    climb(engine, "0011")
    blank = {
        **dict.fromkeys(("did", "number_raw", "name", "source", "language", "menu_path"), ""),
        "started_at": datetime(2026, 11, 23, tzinfo=UTC),
    }
    passed = {
        **dict.fromkeys(("number", "agent", "source", "call_id", "via"), ""),
        "noted_at": datetime(2026, 11, 23, tzinfo=UTC),
        "stage": "meeting",
    }
    with engine.begin() as connection:
        for n, number in enumerate(("+79161234567", "", "+79161234567", "+74951112233")):
            values = blank | {"call_id": f"c{n}", "number": number}
            connection.execute(calls.insert(), values | {"short": False, "reconstructed": False})
        for n, (subject, at) in enumerate(
            (
                ("deal:1", datetime(2026, 11, 22, 23, 59, 59, 999_999, tzinfo=UTC)),
                ("+74951112233", datetime(2026, 11, 23, tzinfo=UTC)),
            )
        ):
            key = {"event_id": f"e{n}", "key": f"k{n}"}
            connection.execute(stage_events.insert(), passed | key | {"subject": subject, "at": at})

    migrate(engine)

    with engine.connect() as connection:
        known = sorted(connection.execute(select(contacts.c.subject)).scalars())
        days = connection.execute(select(fact_days.c.kind, fact_days.c.day)).all()
    assert known == ["+74951112233", "+79161234567", "deal:1"]
    assert sorted(map(tuple, days)) == [("stages", 20779), ("stages", 20780)]
    engine.dispose()


def test_a_log_of_a_newer_version_is_left_alone(url: str) -> None:
    engine = open_for_writing(url)
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for use in (open_for_reading, lambda _: migrate(engine)):
        with pytest.raises(JournalError, match=r"of a newer version \(9999\)"):
            use(url)
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    assert kept == "9999"
    engine.dispose()
