"""Callbacks that the engine makes by itself.

Revision ID: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pbx.journal.tables import Json, UtcTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, and let calls say what they call back for."""
    op.add_column("calls", sa.Column("callback_of", sa.Text))
    op.create_table(
        "callback_tasks",
        sa.Column("callback_id", sa.Text, primary_key=True),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("number", sa.Text, nullable=False),
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("did", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("needs", Json, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("since", UtcTime, nullable=False),
        sa.Column("missed", sa.Boolean, nullable=False),
        sa.Column("opened_at", UtcTime, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("dialled_at", UtcTime),
        sa.Column("dialled_call", sa.Text),
        sa.Column("next_at", UtcTime),
        sa.Column("reason", sa.Text),
        sa.Column("closed_at", UtcTime),
        sa.Column("result", sa.Text),
    )
    op.create_index("ix_callback_tasks_closed_at", "callback_tasks", ["closed_at"])
    op.create_index("ix_callback_tasks_call_id", "callback_tasks", ["call_id"])
    op.create_index("ix_callback_tasks_number", "callback_tasks", ["number"])
