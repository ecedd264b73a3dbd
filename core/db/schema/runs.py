"""Ingestions, their jobs and runs, and the outcome of each account."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from core.db.schema.columns import foreign_key, id_column, metadata, timestamp_column

ingestion = Table(
    "ingestion",
    metadata,
    id_column(),
    Column("trigger", Text, nullable=False),
    Column("requested_by", Text),
    Column("request_id", Text),
    Column("accounts", Integer, nullable=False, server_default=text("0")),
    timestamp_column("started_at", now=True),
    timestamp_column("cancelled_at"),
    Column("cancelled_by", Text),
    Column("stored", Integer, comment="accounts, once their outcomes were deleted; null: they are in ingest_item"),
    Column("failed", Integer, comment="likewise"),
    Index("ingestion_started_at_idx", text("started_at DESC")),
    comment="Accounts requested to be refreshed at once by the scheduler, a person, the command line or an import",
)


ingestion_job = Table(
    "ingestion_job",
    metadata,
    foreign_key("ingestion_id", "ingestion", cascade=True),
    Column("job_id", BigInteger, nullable=False),
    Column("accounts", Integer, nullable=False),
    PrimaryKeyConstraint("ingestion_id", "job_id"),
    Index("ingestion_job_job_id_idx", "job_id"),
    comment="A queue job that refreshes a batch of an ingestion's accounts",
)


ingest_run = Table(
    "ingest_run",
    metadata,
    id_column(),
    foreign_key("ingestion_id", "ingestion", cascade=True),
    Column("trigger", Text, nullable=False, comment="schedule, person, command line, import"),
    Column("requested_by", Text),
    Column("request_id", Text),
    Column("job_id", BigInteger),
    Column("state", Text, nullable=False, server_default="running"),
    timestamp_column("started_at", now=True),
    timestamp_column("finished_at"),
    timestamp_column("last_item_at"),
    Column("accounts", Integer, nullable=False, server_default=text("0")),
    Column("stored", Integer, nullable=False, server_default=text("0")),
    Column("failed", Integer, nullable=False, server_default=text("0")),
    Column("requests", Integer, nullable=False, server_default=text("0")),
    Column("points", Integer, nullable=False, server_default=text("0")),
    Column("not_modified", Integer, nullable=False, server_default=text("0")),
    Column("rows_written", BigInteger, nullable=False, server_default=text("0")),
    Column("details", JSONB),
    Column(
        "alerts_pending",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="whether alert rules have yet to evaluate what it stored",
    ),
    CheckConstraint("state IN ('running', 'done', 'partial', 'failed', 'stopped')", name="state"),
    Index("ingest_run_started_at_idx", text("started_at DESC")),
    Index("ingest_run_ingestion_id_idx", "ingestion_id"),
    Index("ingest_run_alerts_pending_idx", "id", postgresql_where=text("alerts_pending")),
    Index("ingest_run_running_idx", "id", postgresql_where=text("state = 'running'")),
    comment="One attempt of a worker at one job of an ingestion",
)


daily_work = Table(
    "daily_work",
    metadata,
    Column(
        "singleton",
        Boolean,
        CheckConstraint("singleton", name="one_row"),
        primary_key=True,
        server_default=text("true"),
    ),
    timestamp_column("done_at", required=True),
    comment="A single row: when the scheduler last did the work of a day",
)


ingest_item = Table(
    "ingest_item",
    metadata,
    foreign_key("run_id", "ingest_run", cascade=True),
    Column("login", Text, nullable=False),
    foreign_key("account_id", "account", required=False, cascade=True),
    Column("state", Text, nullable=False),
    Column("requests", Integer),
    Column("points", Integer),
    Column("not_modified", Integer),
    Column("repositories", Integer),
    Column("rows_written", Integer),
    Column("duration_ms", Integer),
    Column("error_code", Text),
    Column("error", Text),
    timestamp_column("finished_at", now=True),
    PrimaryKeyConstraint("run_id", "login"),
    CheckConstraint("state IN ('stored', 'unchanged', 'failed', 'deleted')", name="state"),
    Index("ingest_item_account_id_idx", "account_id", text("finished_at DESC")),
    Index("ingest_item_failed_idx", text("finished_at DESC"), postgresql_where=text("state = 'failed'")),
    comment="Outcome of one account in a run",
)
