"""Ways to what belongs to one call or one client.

Revision ID: 0010
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make what is new."""
    op.create_index("ix_stage_events_number_at", "stage_events", ["number", "at"])
    op.create_index("ix_stage_events_call_id", "stage_events", ["call_id"])
    op.create_index("ix_outbox_subject", "outbox", ["subject"])
