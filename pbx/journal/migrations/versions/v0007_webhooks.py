"""Webhooks: an outbox for several targets, and the log of its deliveries.

Revision ID: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pbx.journal.tables import UtcTime

revision = "0007"
down_revision = "0005"
branch_labels = None
depends_on = None

_WAITS = sa.text("done_at IS NULL")


def upgrade() -> None:
    """Make the tables anew; messages that wait are those of the one target there was."""
    op.drop_index("ix_outbox_task_id", "outbox")
    op.rename_table("outbox", "outbox_before")
    op.create_table(
        "outbox",
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("ordinal", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("since", UtcTime, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", UtcTime, nullable=False),
        sa.Column("done_at", UtcTime),
        sa.Column("result", sa.Text),
    )
    op.execute(
        "INSERT INTO outbox (event_id, ordinal, target, kind, subject, at, since, body, attempts, "
        "next_at) SELECT event_id, substr(event_id, 5), 'missed', 'missed.opened', task_id, at, "
        "at, body, attempts, next_at FROM outbox_before"
    )
    op.drop_table("outbox_before")
    op.create_index(
        "ix_outbox_waiting",
        "outbox",
        ["target", "subject", "ordinal"],
        sqlite_where=_WAITS,
        postgresql_where=_WAITS,
    )
    op.create_index("ix_outbox_done_at", "outbox", ["done_at"])
    op.create_table(
        "webhook_attempts",
        sa.Column("attempt_id", sa.Text, primary_key=True),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("took_s", sa.Float, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("problem", sa.Text, nullable=False),
    )
    op.create_index("ix_webhook_attempts_event_id", "webhook_attempts", ["event_id"])
    op.create_index("ix_webhook_attempts_at", "webhook_attempts", ["at"])
