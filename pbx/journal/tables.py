"""The log's tables.  What each column means stands in docs/log.md.

House rules: all times are UTC; durations are seconds; each row has an id of its own that is made
before it is written, so writing a row twice leaves it once.  There are no foreign keys: a row is
worth keeping even where the one before it was lost.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB


class LegKind(StrEnum):
    """Which part in a call a leg is."""

    INBOUND = "inbound"
    """The caller's own, from arrival to end."""
    DEVICE = "device"
    """A manager's device that was rung."""
    OUTSIDE = "outside"
    """An outside number that was called for the caller."""
    BRIDGE = "bridge"
    """A talk: from the moment both heard each other to its end."""
    TRANSFER = "transfer"
    """The caller was sent on; ``address`` says where to."""


class UtcTime(TypeDecorator[datetime]):
    """Aware datetimes, kept as UTC.  SQLite has no time type: there it is text that sorts."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """What the database gets.  A naive time is an error of ours."""
        if value is None:
            return None
        assert value.tzinfo is not None, "times in the log are aware"
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """What the program gets."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Json = JSON().with_variant(JSONB(), "postgresql")

metadata = MetaData()

calls = Table(
    "calls",
    metadata,
    Column("call_id", Text, primary_key=True),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("did", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("number_raw", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("outcome", Text),
    Column("short", Boolean, nullable=False),
    Column("wait_s", Float),
    Column("talk_s", Float),
    Column("cause", Text),
    Column("last_node", Text),
    Column("queue", Text),
    Column("strategy", Text),
    Column("agent", Text),
    Column("menu_path", Text, nullable=False),
    Column("reconstructed", Boolean, nullable=False),
    # Of a call that we made: the callback.
    Column("callback_of", Text),
    Index("ix_calls_started_at", "started_at"),
    Index("ix_calls_number_started_at", "number", "started_at"),
    Index("ix_calls_ended_at", "ended_at"),
    Index("ix_calls_outcome_started_at", "outcome", "started_at"),
    Index("ix_calls_queue_started_at", "queue", "started_at"),
    Index("ix_calls_did_started_at", "did", "started_at"),
)

legs = Table(
    "legs",
    metadata,
    Column("leg_id", Text, primary_key=True),
    Column("call_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("offer_id", Text),
    # For a talk and a transfer: the leg that it was with.
    Column("of_leg", Text),
    Column("agent", Text),
    Column("device", Text),
    Column("address", Text, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("rang_at", UtcTime),
    Column("joined_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("disposition", Text),
    Column("cause", Text),
    Column("ring_s", Float),
    Column("talk_s", Float),
    Index("ix_legs_call_id", "call_id"),
    Index("ix_legs_agent_started_at", "agent", "started_at"),
    # Not by kind: SQLite without statistics would look for a call's legs among all of a kind.
    Index("ix_legs_ended_at", "ended_at"),
)

steps = Table(
    "steps",
    metadata,
    Column("step_id", Text, primary_key=True),
    Column("call_id", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("node", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("digits", Text),
    Column("detail", Text, nullable=False),
    Index("ix_steps_call_id", "call_id"),
)

waits = Table(
    "waits",
    metadata,
    Column("wait_id", Text, primary_key=True),
    Column("call_id", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("waited_s", Float),
    Column("reason", Text),
    Index("ix_waits_call_id", "call_id"),
    Index("ix_waits_queue_started_at", "queue", "started_at"),
    Index("ix_waits_ended_at", "ended_at"),
)

offers = Table(
    "offers",
    metadata,
    # One offer_id may have several rows: in ring-all who gets free is rung too.
    Column("row_id", Text, primary_key=True),
    Column("offer_id", Text, nullable=False),
    Column("call_id", Text, nullable=False),
    Column("queue", Text),
    Column("strategy", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("chosen", Json, nullable=False),
    Column("left_out", Json, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("result", Text),
    Index("ix_offers_call_id", "call_id"),
    Index("ix_offers_offer_id", "offer_id"),
    Index("ix_offers_queue_at", "queue", "at"),
)

agent_states = Table(
    "agent_states",
    metadata,
    Column("interval_id", Text, primary_key=True),
    Column("agent", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("call_id", Text),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Index("ix_agent_states_agent_started_at", "agent", "started_at"),
    Index("ix_agent_states_ended_at", "ended_at"),
    Index("ix_agent_states_started_at", "started_at"),
    Index("ix_agent_states_call_id", "call_id"),
)

callbacks = Table(
    "callbacks",
    metadata,
    Column("callback_id", Text, primary_key=True),
    Column("call_id", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("number", Text, nullable=False),
    Column("queue", Text),
    Index("ix_callbacks_call_id", "call_id"),
    Index("ix_callbacks_at", "at"),
)

# Callbacks that the engine makes by itself.
callback_tasks = Table(
    "callback_tasks",
    metadata,
    Column("callback_id", Text, primary_key=True),
    Column("call_id", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("did", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("needs", Json, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("missed", Boolean, nullable=False),
    Column("opened_at", UtcTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    # Of the attempt under way: set before the client is called.
    Column("dialled_at", UtcTime),
    Column("dialled_call", Text),
    Column("next_at", UtcTime),
    Column("reason", Text),
    Column("closed_at", UtcTime),
    Column("result", Text),
    Index("ix_callback_tasks_closed_at", "closed_at"),
    Index("ix_callback_tasks_call_id", "call_id"),
    Index("ix_callback_tasks_number", "number"),
)

messages = Table(
    "messages",
    metadata,
    Column("message_id", Text, primary_key=True),
    Column("call_id", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("box", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("length_s", Float, nullable=False),
    Index("ix_messages_call_id", "call_id"),
    Index("ix_messages_at", "at"),
)

recordings = Table(
    "recordings",
    metadata,
    Column("leg_id", Text, primary_key=True),
    # Null: the engine that knew was gone when the talk began; the leg may still tell.
    Column("call_id", Text),
    Column("path", Text, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    # Null: not finished, or failed.
    Column("length_s", Float),
    Column("problem", Text),
    Column("keep_until", UtcTime, nullable=False),
    Column("removed_at", UtcTime),
    Index("ix_recordings_call_id", "call_id"),
    Index("ix_recordings_started_at", "started_at"),
    Index("ix_recordings_keep_until", "keep_until"),
    Index(
        "ix_recordings_kept",
        "started_at",
        sqlite_where=text("length_s IS NOT NULL AND removed_at IS NULL"),
        postgresql_where=text("length_s IS NOT NULL AND removed_at IS NULL"),
    ),
)

irregulars = Table(
    "irregulars",
    metadata,
    Column("irregular_id", Text, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("what", Text, nullable=False),
    Index("ix_irregulars_at", "at"),
)

own_talks = Table(
    "own_talks",
    metadata,
    Column("talk_id", Text, primary_key=True),
    Column("at", UtcTime, nullable=False),
    # Null: a phone that several managers share.
    Column("agent", Text),
    Column("number", Text, nullable=False),
    Index("ix_own_talks_number_at", "number", "at"),
)

# Managers' pauses, from the moment they were asked for; by "": the engine itself.
pauses = Table(
    "pauses",
    metadata,
    Column("pause_id", Text, primary_key=True),
    Column("agent", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("began_at", UtcTime, nullable=False),
    Column("began_by", Text, nullable=False),
    Column("ended_at", UtcTime),
    Column("ended_by", Text),
    Index("ix_pauses_agent_began_at", "agent", "began_at"),
    Index("ix_pauses_ended_at", "ended_at"),
)

# Follows from calls, legs and own_talks, but for what was closed or reopened by hand (pbx/missed).
missed = Table(
    "missed",
    metadata,
    Column("task_id", Text, primary_key=True),
    Column("number", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("did", Text, nullable=False),
    Column("queue", Text),
    Column("agent", Text),
    Column("opened_at", UtcTime, nullable=False),
    Column("first_at", UtcTime, nullable=False),
    Column("last_at", UtcTime, nullable=False),
    Column("calls", Integer, nullable=False),
    Column("last_call", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("closed_at", UtcTime),
    Column("closed_how", Text),
    Column("closed_by", Text),
    Column("reason", Text),
    Column("reopened_at", UtcTime),
    Column("reopened_by", Text),
    Index(
        "ix_missed_open_number",
        "number",
        unique=True,
        sqlite_where=text("closed_at IS NULL"),
        postgresql_where=text("closed_at IS NULL"),
    ),
    Index("ix_missed_number_opened_at", "number", "opened_at"),
    Index("ix_missed_opened_at", "opened_at"),
)

# What webhooks and mail have not been told yet, and for a while what they were (pbx/webhooks).
outbox = Table(
    "outbox",
    metadata,
    Column("event_id", Text, primary_key=True),
    # Sorts by the order of writing.
    Column("ordinal", Text, nullable=False),
    # "": whoever wants this kind.
    Column("target", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    # Written, or last asked for again.
    Column("since", UtcTime, nullable=False),
    Column("body", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", UtcTime, nullable=False),
    Column("done_at", UtcTime),
    Column("result", Text),
    Index(
        "ix_outbox_waiting",
        "target",
        "subject",
        "ordinal",
        sqlite_where=text("done_at IS NULL"),
        postgresql_where=text("done_at IS NULL"),
    ),
    Index("ix_outbox_done_at", "done_at"),
    Index("ix_outbox_subject", "subject"),
)

webhook_attempts = Table(
    "webhook_attempts",
    metadata,
    Column("attempt_id", Text, primary_key=True),
    Column("event_id", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("took_s", Float, nullable=False),
    # Of HTTP or SMTP; null: no answer.
    Column("status", Integer),
    Column("problem", Text, nullable=False),
    Index("ix_webhook_attempts_event_id", "event_id"),
    Index("ix_webhook_attempts_at", "at"),
)

# What reports need of a call that has ended, in one row: follows from the tables above, and is
# made anew whenever they change (pbx/reports).  Times: milliseconds since 1970.
call_facts = Table(
    "call_facts",
    metadata,
    Column("call_id", Text, primary_key=True),
    Column("began_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger, nullable=False),
    Column("did", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("menu", Text, nullable=False),
    Column("strategy", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("caller", Text, nullable=False),
    Column("short", Boolean, nullable=False),
    Column("reached", Boolean, nullable=False),
    # The same number's calls before and after this one; null: none, or too far away.
    Column("before_s", Integer),
    Column("after_s", Integer),
    Column("wait_ms", Integer, nullable=False),
    Column("talk_ms", Integer, nullable=False),
    Column("transfers", Integer, nullable=False),
    Column("missed", Text, nullable=False),
    Column("called_back_s", Integer),
    # JSON: the managers' parts, as pbx/reports/facts.py writes them.
    Column("parts", Text, nullable=False),
    Index("ix_call_facts_began_ms", "began_ms"),
)

# Changes with every change of a day's facts: what was made of them is of that version.
fact_days = Table(
    "fact_days",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("version", BigInteger, nullable=False),
)

# Who calls, or passes a stage: a number for each, so that files of columns (pbx/reports/columns.py)
# can tell them apart without knowing them.  Follows from the tables above and stage_events.
contacts = Table(
    "contacts",
    metadata,
    Column("contact_id", Integer, primary_key=True),
    # A caller's number, or what ``stage_events`` has as subject.
    Column("subject", Text, nullable=False, unique=True),
    # Of a deal: the contact it was first told with.  ``continues``: it is that contact's first
    # deal, so that their way through the plan's stages is one.
    Column("person_id", Integer),
    Column("continues", Boolean, nullable=False, server_default=false()),
    Index(
        "ix_contacts_continues",
        "person_id",
        unique=True,
        sqlite_where=text("continues"),
        postgresql_where=text("continues"),
    ),
)

# Calls whose facts are to be made anew: something changed that is no entry of the log.
stale_facts = Table(
    "stale_facts",
    metadata,
    Column("call_id", Text, primary_key=True),
)

# A contact or a deal passed a stage of the funnel.  Never changed, never deleted.
stage_events = Table(
    "stage_events",
    metadata,
    Column("event_id", Text, primary_key=True),
    # Who tells an event twice says so by the same key.
    Column("key", Text, nullable=False, unique=True),
    Column("stage", Text, nullable=False),
    # "+79161234567" for a contact, "deal:17" for a deal.
    Column("subject", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("noted_at", UtcTime, nullable=False),
    Column("agent", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("call_id", Text, nullable=False),
    Column("via", Text, nullable=False),
    Index("ix_stage_events_at", "at"),
    Index("ix_stage_events_subject_at", "subject", "at"),
    Index("ix_stage_events_number_at", "number", "at"),
    Index("ix_stage_events_call_id", "call_id"),
)

# --- The page's own (pbx/web/accounts) ------------------------------------------------------------

users = Table(
    "users",
    metadata,
    Column("name", Text, primary_key=True),
    # As argon2 writes it, with its parameters and salt.
    Column("password", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("departments", Json, nullable=False),
    Column("agent", Text),
    Column("created_at", UtcTime, nullable=False),
    Column("password_at", UtcTime, nullable=False),
    Column("disabled_at", UtcTime),
)

sessions = Table(
    "sessions",
    metadata,
    # SHA-256 of what the browser has.
    Column("session_id", Text, primary_key=True),
    Column("user_name", Text, nullable=False),
    Column("began_at", UtcTime, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("address", Text, nullable=False),
    Column("browser", Text, nullable=False),
    Index("ix_sessions_user_name", "user_name"),
    Index("ix_sessions_expires_at", "expires_at"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("token_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    # Its beginning, to tell it apart; and the SHA-256 of all of it.
    Column("prefix", Text, nullable=False),
    Column("digest", Text, nullable=False, unique=True),
    Column("scopes", Json, nullable=False),
    Column("departments", Json, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Column("used_at", UtcTime),
    Column("revoked_at", UtcTime),
)

# Who did what.  Never changed.
audit = Table(
    "audit",
    metadata,
    # Sorts by time.
    Column("audit_id", Text, primary_key=True),
    Column("at", UtcTime, nullable=False),
    Column("kind", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("details", Json, nullable=False),
    Index("ix_audit_who", "who", "audit_id"),
    Index("ix_audit_action", "action", "audit_id"),
)

# Reports that are mailed: one row for each time at which one was due, written before it is sent.
report_mails = Table(
    "report_mails",
    metadata,
    # Name and time: "sales-week 2026-11-23T06:00".
    Column("mail_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    # open, sent, refused, given-up, passed (before it was known).
    Column("state", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    # Not tried before; while somebody tries, when they are taken for dead.
    Column("next_at", UtcTime, nullable=False),
    # Whose server has taken it already, or never will.
    Column("settled", Json, nullable=False),
    Column("error", Text, nullable=False),
    Index("ix_report_mails_name_due_at", "name", "due_at"),
)

KEYS = {table.name: next(iter(table.primary_key)) for table in metadata.tables.values()}
"""The column that tells a table's rows apart."""
