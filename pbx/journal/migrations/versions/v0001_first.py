"""The first tables.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pbx.journal.tables import Json, UtcTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "calls",
        sa.Column("call_id", sa.Text, primary_key=True),
        sa.Column("started_at", UtcTime, nullable=False),
        sa.Column("ended_at", UtcTime),
        sa.Column("did", sa.Text, nullable=False),
        sa.Column("number", sa.Text, nullable=False),
        sa.Column("number_raw", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text),
        sa.Column("short", sa.Boolean, nullable=False),
        sa.Column("wait_s", sa.Float),
        sa.Column("talk_s", sa.Float),
        sa.Column("cause", sa.Text),
        sa.Column("last_node", sa.Text),
        sa.Column("queue", sa.Text),
        sa.Column("strategy", sa.Text),
        sa.Column("agent", sa.Text),
        sa.Column("menu_path", sa.Text, nullable=False),
        sa.Column("reconstructed", sa.Boolean, nullable=False),
    )
    op.create_index("ix_calls_started_at", "calls", ["started_at"])
    op.create_index("ix_calls_number_started_at", "calls", ["number", "started_at"])
    op.create_index("ix_calls_ended_at", "calls", ["ended_at"])
    op.create_table(
        "legs",
        sa.Column("leg_id", sa.Text, primary_key=True),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("offer_id", sa.Text),
        sa.Column("of_leg", sa.Text),
        sa.Column("agent", sa.Text),
        sa.Column("device", sa.Text),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("started_at", UtcTime, nullable=False),
        sa.Column("rang_at", UtcTime),
        sa.Column("joined_at", UtcTime),
        sa.Column("ended_at", UtcTime),
        sa.Column("disposition", sa.Text),
        sa.Column("cause", sa.Text),
        sa.Column("ring_s", sa.Float),
        sa.Column("talk_s", sa.Float),
    )
    op.create_index("ix_legs_call_id", "legs", ["call_id"])
    op.create_index("ix_legs_agent_started_at", "legs", ["agent", "started_at"])
    op.create_index("ix_legs_kind_ended_at", "legs", ["kind", "ended_at"])
    op.create_table(
        "steps",
        sa.Column("step_id", sa.Text, primary_key=True),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("digits", sa.Text),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_index("ix_steps_call_id", "steps", ["call_id"])
    op.create_table(
        "waits",
        sa.Column("wait_id", sa.Text, primary_key=True),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("started_at", UtcTime, nullable=False),
        sa.Column("ended_at", UtcTime),
        sa.Column("waited_s", sa.Float),
        sa.Column("reason", sa.Text),
    )
    op.create_index("ix_waits_call_id", "waits", ["call_id"])
    op.create_index("ix_waits_queue_started_at", "waits", ["queue", "started_at"])
    op.create_index("ix_waits_ended_at", "waits", ["ended_at"])
    op.create_table(
        "offers",
        sa.Column("row_id", sa.Text, primary_key=True),
        sa.Column("offer_id", sa.Text, nullable=False),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("queue", sa.Text),
        sa.Column("strategy", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("chosen", Json, nullable=False),
        sa.Column("left_out", Json, nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("ended_at", UtcTime),
        sa.Column("result", sa.Text),
    )
    op.create_index("ix_offers_call_id", "offers", ["call_id"])
    op.create_index("ix_offers_offer_id", "offers", ["offer_id"])
    op.create_index("ix_offers_queue_at", "offers", ["queue", "at"])
    op.create_table(
        "agent_states",
        sa.Column("interval_id", sa.Text, primary_key=True),
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("call_id", sa.Text),
        sa.Column("started_at", UtcTime, nullable=False),
        sa.Column("ended_at", UtcTime),
    )
    op.create_index("ix_agent_states_agent_started_at", "agent_states", ["agent", "started_at"])
    op.create_index("ix_agent_states_ended_at", "agent_states", ["ended_at"])
    op.create_table(
        "callbacks",
        sa.Column("callback_id", sa.Text, primary_key=True),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("number", sa.Text, nullable=False),
        sa.Column("queue", sa.Text),
    )
    op.create_index("ix_callbacks_call_id", "callbacks", ["call_id"])
    op.create_index("ix_callbacks_at", "callbacks", ["at"])
    op.create_table(
        "messages",
        sa.Column("message_id", sa.Text, primary_key=True),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("box", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("length_s", sa.Float, nullable=False),
    )
    op.create_index("ix_messages_call_id", "messages", ["call_id"])
    op.create_index("ix_messages_at", "messages", ["at"])
    op.create_table(
        "irregulars",
        sa.Column("irregular_id", sa.Text, primary_key=True),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
    )
    op.create_index("ix_irregulars_at", "irregulars", ["at"])
