"""Numbers for those who call, and days of stages passed: what a funnel is counted from.

Revision ID: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_DAY = {
    # The day alone: of a time SQLite rounds what is below a millisecond.
    "sqlite": "CAST(strftime('%s', substr(at, 1, 10)) AS INTEGER) / 86400",
    "postgresql": "CAST(floor(extract(epoch FROM at) / 86400) AS INTEGER)",
}


def upgrade() -> None:
    """Make what is new, out of what there is."""
    op.create_table(
        "contacts",
        sa.Column("contact_id", sa.Integer, primary_key=True),
        sa.Column("subject", sa.Text, nullable=False, unique=True),
    )
    op.execute(
        "INSERT INTO contacts (subject) SELECT number FROM calls WHERE number <> ''"
        " UNION SELECT subject FROM stage_events"
    )
    day = _DAY[op.get_bind().dialect.name]
    op.execute(
        "INSERT INTO fact_days (kind, day, version)"
        f" SELECT DISTINCT 'stages', {day}, 1 FROM stage_events"
    )
