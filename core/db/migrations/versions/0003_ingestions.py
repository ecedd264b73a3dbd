"""What was asked for at once is one ingestion, however many workers share it."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE ingestion (
            id BIGINT GENERATED ALWAYS AS IDENTITY,
            trigger TEXT NOT NULL,
            requested_by TEXT,
            request_id TEXT,
            accounts INTEGER DEFAULT 0 NOT NULL,
            started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
            cancelled_at TIMESTAMP WITH TIME ZONE,
            cancelled_by TEXT,
            CONSTRAINT ingestion_pkey PRIMARY KEY (id)
        )""")
    op.execute("CREATE INDEX ingestion_started_at_idx ON ingestion (started_at DESC)")
    op.execute(
        "COMMENT ON TABLE ingestion IS 'What was asked for at once: by the timetable, a person, the command line or an import'"
    )
    op.execute("""
        CREATE TABLE ingestion_job (
            ingestion_id BIGINT NOT NULL,
            job_id BIGINT NOT NULL,
            accounts INTEGER NOT NULL,
            CONSTRAINT ingestion_job_pkey PRIMARY KEY (ingestion_id, job_id),
            CONSTRAINT ingestion_job_ingestion_id_fkey FOREIGN KEY (ingestion_id) REFERENCES ingestion (id) ON DELETE CASCADE
        )""")
    op.execute("CREATE INDEX ingestion_job_job_id_idx ON ingestion_job (job_id)")
    op.execute("COMMENT ON TABLE ingestion_job IS 'A job of the queue that an ingestion was packed into'")
    op.execute("ALTER TABLE ingest_run ADD COLUMN ingestion_id BIGINT")
    op.execute("ALTER TABLE ingest_run ADD COLUMN last_item_at TIMESTAMP WITH TIME ZONE")
    # Until now each run stood for itself: its ingestion bears the same number.
    op.execute("""
        INSERT INTO ingestion (id, trigger, requested_by, request_id, accounts, started_at)
        OVERRIDING SYSTEM VALUE
        SELECT id, trigger, requested_by, request_id, accounts, started_at FROM ingest_run""")
    op.execute("SELECT setval(pg_get_serial_sequence('ingestion', 'id'), coalesce(max(id), 0) + 1, false) FROM ingestion")
    op.execute("UPDATE ingest_run SET ingestion_id = id")
    op.execute("ALTER TABLE ingest_run ALTER COLUMN ingestion_id SET NOT NULL")
    op.execute("""
        ALTER TABLE ingest_run ADD CONSTRAINT ingest_run_ingestion_id_fkey
        FOREIGN KEY (ingestion_id) REFERENCES ingestion (id) ON DELETE CASCADE""")
    op.execute("CREATE INDEX ingest_run_ingestion_id_idx ON ingest_run (ingestion_id)")
    op.execute("COMMENT ON TABLE ingest_run IS 'One worker''s part of an ingestion: one try of one job'")


def downgrade() -> None:
    op.execute("ALTER TABLE ingest_run DROP COLUMN ingestion_id, DROP COLUMN last_item_at")
    op.execute("DROP TABLE ingestion_job, ingestion")
