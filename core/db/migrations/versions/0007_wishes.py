"""Who asks for an account to be tracked, and what an admin said, where asking is not enough."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE tracking_request (
            id BIGINT GENERATED ALWAYS AS IDENTITY,
            login TEXT NOT NULL,
            person_id BIGINT,
            note TEXT,
            asked_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
            decided_at TIMESTAMP WITH TIME ZONE,
            decided_by TEXT,
            granted BOOLEAN,
            CONSTRAINT tracking_request_pkey PRIMARY KEY (id),
            CONSTRAINT tracking_request_person_id_fkey FOREIGN KEY (person_id) REFERENCES person (id) ON DELETE CASCADE
        )""")
    op.execute("CREATE UNIQUE INDEX tracking_request_pending_key ON tracking_request (lower(login)) WHERE decided_at IS NULL")
    op.execute("COMMENT ON TABLE tracking_request IS 'An account that somebody asked for and an admin decides about'")


def downgrade() -> None:
    op.execute("DROP TABLE tracking_request")
