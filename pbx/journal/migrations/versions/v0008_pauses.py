"""Managers' pauses; missed calls that were opened again.

Revision ID: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pbx.journal.tables import UtcTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make what is new."""
    op.create_table(
        "pauses",
        sa.Column("pause_id", sa.Text, primary_key=True),
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("began_at", UtcTime, nullable=False),
        sa.Column("began_by", sa.Text, nullable=False),
        sa.Column("ended_at", UtcTime),
        sa.Column("ended_by", sa.Text),
    )
    op.create_index("ix_pauses_agent_began_at", "pauses", ["agent", "began_at"])
    op.create_index("ix_pauses_ended_at", "pauses", ["ended_at"])
    op.add_column("missed", sa.Column("reopened_at", UtcTime))
    op.add_column("missed", sa.Column("reopened_by", sa.Text))
