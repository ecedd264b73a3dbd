"""Sessions know until when their newest access token is good.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Nobody could sign in before this revision: the table is empty.
    op.execute("ALTER TABLE session ADD COLUMN access_expires_at timestamptz NOT NULL")


def downgrade() -> None:
    op.execute("ALTER TABLE session DROP COLUMN access_expires_at")
