"""Missed calls: tasks, managers' own talks, and what a webhook is to be told.

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pbx.journal.tables import UtcTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_OPEN = sa.text("closed_at IS NULL")


def upgrade() -> None:
    """Make the tables; calls missed before stay as they are (``pbx missed rebuild``)."""
    op.create_table(
        "own_talks",
        sa.Column("talk_id", sa.Text, primary_key=True),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("agent", sa.Text),
        sa.Column("number", sa.Text, nullable=False),
    )
    op.create_index("ix_own_talks_number_at", "own_talks", ["number", "at"])
    op.create_table(
        "missed",
        sa.Column("task_id", sa.Text, primary_key=True),
        sa.Column("number", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("did", sa.Text, nullable=False),
        sa.Column("queue", sa.Text),
        sa.Column("agent", sa.Text),
        sa.Column("opened_at", UtcTime, nullable=False),
        sa.Column("first_at", UtcTime, nullable=False),
        sa.Column("last_at", UtcTime, nullable=False),
        sa.Column("calls", sa.Integer, nullable=False),
        sa.Column("last_call", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("closed_at", UtcTime),
        sa.Column("closed_how", sa.Text),
        sa.Column("closed_by", sa.Text),
        sa.Column("reason", sa.Text),
    )
    op.create_index(
        "ix_missed_open_number",
        "missed",
        ["number"],
        unique=True,
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )
    op.create_index("ix_missed_number_opened_at", "missed", ["number", "opened_at"])
    op.create_index("ix_missed_opened_at", "missed", ["opened_at"])
    op.create_table(
        "outbox",
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("task_id", sa.Text, nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", UtcTime, nullable=False),
    )
    op.create_index("ix_outbox_task_id", "outbox", ["task_id"])
