"""Sources, captures, imported history, changes, rollups and the data version."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    Interval,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    text,
)

from core.db.schema.columns import (
    count_columns,
    foreign_key,
    growth_columns,
    id_column,
    metadata,
    repository_id_column,
    source_id_column,
    timestamp_column,
)

source = Table(
    "source",
    metadata,
    Column("id", SmallInteger, Identity(always=True, start=2), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("cadence", Interval, comment="usual interval between two captures; null until estimated"),
    timestamp_column("closed_until"),
    timestamp_column("closing_until"),
    Column("last_month", Date),
    comment="Origin of captures: 1 is this installation, each other one an import of somebody else's history."
    " closed_until: repository_snapshot_open has nothing before it, nor has capture_open of ours; whoever writes older"
    " rows lowers it. closing_until: the same, while that is being written. last_month: the last one of"
    " repository_month",
)


capture_open = Table(
    "capture_open",
    metadata,
    Column("account_id", BigInteger),
    Column("repository_id", BigInteger),
    timestamp_column("captured_at", required=True),
    source_id_column(),
    Column("run_id", Integer),
    Column("cadence", Interval, comment="time until the next one is expected, as planned then; null: at most a day"),
    CheckConstraint("num_nonnulls(account_id, repository_id) = 1", name="one_subject"),
    CheckConstraint("account_id IS NULL OR source_id = 1", name="own_account"),
    Index(
        "capture_open_account_key",
        "account_id",
        "captured_at",
        unique=True,
        postgresql_where=text("source_id = 1"),
    ),
    Index(
        "capture_open_repository_key",
        "repository_id",
        "captured_at",
        "source_id",
        unique=True,
        postgresql_where=text("repository_id IS NOT NULL"),
    ),
    Index("capture_open_run_id_idx", "run_id", postgresql_where=text("account_id IS NOT NULL")),
    comment="Captures that are not in capture_month: ours of late, and all imported ones. The view capture has all",
)


capture_month = Table(
    "capture_month",
    metadata,
    Column("account_id", BigInteger, nullable=False),
    Column("month", Date, nullable=False),
    Column("captured_at", ARRAY(DateTime(timezone=True)), nullable=False),
    Column("run_ids", ARRAY(Integer), comment="the run of each; null: of none"),
    Column("cadences", ARRAY(Interval), comment="the cadence of each as capture_open has it; null: of none"),
    PrimaryKeyConstraint("account_id", "month"),
    Index("capture_month_month_idx", "month"),
    comment="Our captures of one account in one month (UTC), oldest first: the same row for row takes ten times the"
    " space",
)


capture_day = Table(
    "capture_day",
    metadata,
    Column("day", Date, primary_key=True),
    Column("accounts", Integer, nullable=False),
    comment="How many accounts we refreshed on a day (UTC), tracked now or not; complete before source.closed_until of"
    " source 1",
)


repository_import = Table(
    "repository_import",
    metadata,
    foreign_key("repository_id", "repository", cascade=True),
    source_id_column(),
    timestamp_column("first_at", required=True),
    timestamp_column("last_at", required=True),
    Column("captures", Integer, nullable=False),
    *count_columns("stars", "forks", "open_issues", "open_issues_and_change_requests"),
    *growth_columns(),
    PrimaryKeyConstraint("repository_id", "source_id"),
    Index("repository_import_last_at_idx", "last_at"),
    comment="Latest counts and time span of one repository in one imported source; rebuilt by each import",
)


change = Table(
    "change",
    metadata,
    id_column(),
    foreign_key("account_id", "account", cascade=True),
    repository_id_column(),
    timestamp_column("detected_at", required=True),
    Column("kind", Text, nullable=False),
    Column("before", Text),
    Column("after", Text),
    Column("run_id", BigInteger),
    Index("change_detected_at_idx", text("detected_at DESC")),
    Index("change_account_id_detected_at_idx", "account_id", text("detected_at DESC")),
    Index(
        "change_presence_idx",
        "repository_id",
        "detected_at",
        postgresql_where=text("kind IN ('gone', 'back', 'transferred')"),
    ),
    Index("change_run_id_idx", "run_id"),
    comment="One change of an account or repository: renamed, transferred, relicensed, archived, restored, gone, back,"
    " new, primary_language, default_branch",
)


language_day = Table(
    "language_day",
    metadata,
    Column("day", Date, nullable=False),
    source_id_column(),
    Column("language", Text, nullable=False),
    Column("repositories", Integer, nullable=False),
    Column("stars", BigInteger, nullable=False),
    Column("forks", BigInteger),
    Column("bytes", BigInteger),
    PrimaryKeyConstraint("source_id", "day", "language"),
    comment="Daily totals: repositories, their stars and forks by primary language, bytes by language; forks excluded",
)


data_version = Table(
    "data_version",
    metadata,
    Column(
        "singleton",
        Boolean,
        CheckConstraint("singleton", name="one_row"),
        primary_key=True,
        server_default=text("true"),
    ),
    Column("version", BigInteger, nullable=False),
    Column("past_version", BigInteger, nullable=False, server_default=text("1")),
    timestamp_column("published_at", now=True),
    Column("run_id", BigInteger),
    comment="A single row whose version increases after each run that changed data; cached frames depend on it."
    " past_version: since that version nothing has changed that is read as of a time more than a day ago",
)
