"""Ways to lists of calls in a log of years, and none to all legs of one kind.

Revision ID: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make what is new."""
    # SQLite without statistics takes any index for a good one: it read millions of legs of a kind
    # to find those of a few calls.
    op.drop_index("ix_legs_kind_ended_at", "legs")
    op.create_index("ix_legs_ended_at", "legs", ["ended_at"])
    for name in ("outcome", "queue", "did"):
        op.create_index(f"ix_calls_{name}_started_at", "calls", [name, "started_at"])
    kept = sa.text("length_s IS NOT NULL AND removed_at IS NULL")
    op.create_index(
        "ix_recordings_kept",
        "recordings",
        ["started_at"],
        sqlite_where=kept,
        postgresql_where=kept,
    )
