"""Tracked accounts, tracking requests, refresh plans and collections."""

from sqlalchemy import (
    ARRAY,
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    Interval,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from core.db.schema.columns import foreign_key, id_column, metadata, repository_id_column, timestamp_column

tracked_account = Table(
    "tracked_account",
    metadata,
    Column("account_id", BigInteger, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True),
    Column("added_by", Text),
    timestamp_column("added_at", now=True),
    Column("cadence", Interval, comment="set by an admin; null: planned_cadence applies"),
    Column("planned_cadence", Interval, comment="planned at the last refresh; null: the default cadence applies"),
    Column("priority", SmallInteger, nullable=False, server_default=text("0")),
    Column("paused", Boolean, nullable=False, server_default=text("false")),
    timestamp_column("due_at", now=True),
    timestamp_column("queued_at"),
    Column("job_id", BigInteger),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("note", Text),
    Column(
        "only_repositories",
        ARRAY(Text),
        comment="short names in lower case: of those that are not stored yet only these are stored; null: all",
    ),
    timestamp_column("widened_at"),
    Column("change_rate", REAL, comment="expected changes per day, estimated from the refreshes"),
    Column("change_rate_shape", REAL, comment="shape of the estimate's Gamma distribution; grows with certainty"),
    Column(
        "change_rate_samples",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="number of refreshes it was estimated from",
    ),
    Column("stars", BigInteger, comment="at the last refresh"),
    Column("repositories", Integer, comment="at the last refresh"),
    Index("tracked_account_due_at_idx", "due_at", postgresql_where=text("queued_at IS NULL AND NOT paused")),
    Index("tracked_account_job_id_idx", "job_id", postgresql_where=text("job_id IS NOT NULL")),
    comment="An account refreshed on a schedule; failures: consecutive failed refreshes; widened_at: when more of its"
    " repositories were asked for",
)


tracking_request = Table(
    "tracking_request",
    metadata,
    id_column(),
    Column("login", Text, nullable=False),
    foreign_key("person_id", "person", required=False, cascade=True),
    Column("note", Text),
    Column("repository", Text, comment="short name, where it is asked for alone"),
    timestamp_column("requested_at", now=True),
    timestamp_column("decided_at"),
    Column("decided_by", Text),
    Column("approved", Boolean),
    Index(
        "tracking_request_pending_key",
        text("lower(login)"),
        text("lower(coalesce(repository, ''))"),
        unique=True,
        postgresql_where=text("decided_at IS NULL"),
    ),
    comment="An analyst's request to track an account, pending until decided_at",
)


refresh_plan = Table(
    "refresh_plan",
    metadata,
    id_column(),
    timestamp_column("planned_at", now=True),
    *(Column(name, Integer, nullable=False) for name in ("accounts", "pinned", "without_estimate")),
    Column("default_cadence", Interval, nullable=False),
    Column("unit", Text, CheckConstraint("unit IN ('points', 'requests')", name="unit"), nullable=False),
    *(Column(f"{name}_per_hour", REAL, nullable=False) for name in ("budget", "usable", "default_cadence", "planned")),
    Column("shadow_price", Double, nullable=False),
    Column("shortest_cadence", Interval, nullable=False),
    Column("longest_cadence", Interval, nullable=False),
    Column("slowdown", REAL, nullable=False),
    Column("median_cadence", Interval),
    Column("summary", Text, nullable=False),
    Index("refresh_plan_planned_at_idx", text("planned_at DESC")),
    comment="How the rate budget was spread over the tracked accounts; the newest row applies."
    " shadow_price: value of one refresh; slowdown: factor by which intervals exceed REFRESH_EVERY"
    " because the budget is short",
)


collection = Table(
    "collection",
    metadata,
    id_column(),
    Column("name", Text, nullable=False, unique=True),
    Column("description", Text),
    foreign_key("person_id", "person", required=False),
    timestamp_column("created_at", now=True),
    comment="A named group of accounts or repositories",
)


collection_member = Table(
    "collection_member",
    metadata,
    foreign_key("collection_id", "collection", cascade=True),
    foreign_key("account_id", "account", required=False, cascade=True),
    repository_id_column(),
    UniqueConstraint("collection_id", "account_id", "repository_id", postgresql_nulls_not_distinct=True),
    CheckConstraint("num_nonnulls(account_id, repository_id) = 1", name="one_subject"),
    comment="An account or repository in a collection",
)
