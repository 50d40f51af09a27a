"""Reports that are mailed.

Revision ID: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pbx.journal.tables import Json, UtcTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make what is new."""
    op.create_table(
        "report_mails",
        sa.Column("mail_id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("due_at", UtcTime, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_at", UtcTime, nullable=False),
        sa.Column("settled", Json, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
    )
    op.create_index("ix_report_mails_name_due_at", "report_mails", ["name", "due_at"])
