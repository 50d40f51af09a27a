"""Reports and the funnel: facts of calls that have ended, and stages that contacts passed.

Revision ID: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pbx.journal.tables import UtcTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; facts of calls from before are made by ``pbx reports rebuild``."""
    op.create_index("ix_agent_states_started_at", "agent_states", ["started_at"])
    op.create_index("ix_agent_states_call_id", "agent_states", ["call_id"])
    op.create_table(
        "call_facts",
        sa.Column("call_id", sa.Text, primary_key=True),
        sa.Column("began_ms", sa.BigInteger, nullable=False),
        sa.Column("ended_ms", sa.BigInteger, nullable=False),
        *(
            sa.Column(name, sa.Text, nullable=False)
            for name in (
                *("did", "source", "queue", "agent", "outcome"),
                *("menu", "strategy", "region", "caller"),
            )
        ),
        sa.Column("short", sa.Boolean, nullable=False),
        sa.Column("reached", sa.Boolean, nullable=False),
        sa.Column("before_s", sa.Integer),
        sa.Column("after_s", sa.Integer),
        sa.Column("wait_ms", sa.Integer, nullable=False),
        sa.Column("talk_ms", sa.Integer, nullable=False),
        sa.Column("transfers", sa.Integer, nullable=False),
        sa.Column("missed", sa.Text, nullable=False),
        sa.Column("called_back_s", sa.Integer),
        sa.Column("parts", sa.Text, nullable=False),
    )
    op.create_index("ix_call_facts_began_ms", "call_facts", ["began_ms"])
    op.create_table(
        "fact_days",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    op.create_table("stale_facts", sa.Column("call_id", sa.Text, primary_key=True))
    op.create_table(
        "stage_events",
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("number", sa.Text, nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("noted_at", UtcTime, nullable=False),
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("via", sa.Text, nullable=False),
    )
    op.create_index("ix_stage_events_at", "stage_events", ["at"])
    op.create_index("ix_stage_events_subject_at", "stage_events", ["subject", "at"])
