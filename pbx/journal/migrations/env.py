"""Run by alembic: the migrations go over the connection that ``database.migrate`` has opened."""

from __future__ import annotations

from alembic import context

from pbx.journal.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
