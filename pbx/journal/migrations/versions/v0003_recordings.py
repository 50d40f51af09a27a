"""Recordings of talks.

Revision ID: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pbx.journal.tables import UtcTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "recordings",
        sa.Column("leg_id", sa.Text, primary_key=True),
        sa.Column("call_id", sa.Text),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("started_at", UtcTime, nullable=False),
        sa.Column("length_s", sa.Float),
        sa.Column("problem", sa.Text),
        sa.Column("keep_until", UtcTime, nullable=False),
        sa.Column("removed_at", UtcTime),
    )
    op.create_index("ix_recordings_call_id", "recordings", ["call_id"])
    op.create_index("ix_recordings_started_at", "recordings", ["started_at"])
    op.create_index("ix_recordings_keep_until", "recordings", ["keep_until"])
