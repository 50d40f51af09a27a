"""A deal that was told with a number goes on with that contact's way.

Revision ID: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_FIRST = """
    SELECT deal, person,
        row_number() OVER (PARTITION BY person ORDER BY noted_at, at, event_id) AS place
    FROM (
        SELECT e.subject AS deal, n.contact_id AS person, e.noted_at, e.at, e.event_id,
            row_number() OVER (PARTITION BY e.subject ORDER BY e.noted_at, e.at, e.event_id) AS told
        FROM stage_events e JOIN contacts n ON n.subject = e.number
        WHERE e.subject LIKE 'deal:%' AND e.number <> ''
    ) AS every
    WHERE told = 1
"""


def upgrade() -> None:
    """Make what is new, out of what there is."""
    op.add_column("contacts", sa.Column("person_id", sa.Integer))
    op.add_column(
        "contacts", sa.Column("continues", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.execute(
        "INSERT INTO contacts (subject)"
        " SELECT DISTINCT number FROM stage_events WHERE subject LIKE 'deal:%' AND number <> ''"
        " AND NOT EXISTS (SELECT 1 FROM contacts c WHERE c.subject = stage_events.number)"
    )
    op.execute(
        "UPDATE contacts SET person_id = given.person, continues = (given.place = 1)"
        f" FROM ({_FIRST}) AS given WHERE contacts.subject = given.deal"
    )
    op.create_index(
        "ix_contacts_continues",
        "contacts",
        ["person_id"],
        unique=True,
        sqlite_where=sa.text("continues"),
        postgresql_where=sa.text("continues"),
    )
    op.execute("UPDATE fact_days SET version = version + 1 WHERE kind = 'stages'")
