"""The tables. `migrations/` says how they came to be; a test holds the two together.

Own ids never leave the database: outside it, accounts and repositories are known by GitHub's numeric id or by name.
Moments are `timestamptz` in UTC. A count that GitHub did not tell is null, never zero.
"""

from typing import Any

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, INET, JSONB, UUID

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)


def timestamp_column(name: str, *, required: bool = False, now: bool = False) -> Column[object]:
    return Column(
        name, DateTime(timezone=True), nullable=not (required or now), server_default=func.now() if now else None
    )


def id_column() -> Column[int]:
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


def foreign_key(name: str, target: str, *, required: bool = True, cascade: bool = False) -> Column[int]:
    return Column(
        name, BigInteger, ForeignKey(f"{target}.id", ondelete="CASCADE" if cascade else None), nullable=not required
    )


def source_id_column() -> Column[int]:
    # No foreign keys on what is written by the million: each would cost a look-up per row.
    return Column("source_id", SmallInteger, nullable=False, server_default=text("1"))


def count_columns(*names: str) -> list[Column[int]]:
    return [Column(name, Integer) for name in names]


GROWTH_DAYS = (1, 7, 30, 90, 365)


def growth_columns() -> list[Column[int]]:
    """Stars now less the last value at or before so many days ago; null where nobody looked then."""
    return [Column(f"stars_{days}d", Integer) for days in GROWTH_DAYS]


# What is known ---------------------------------------------------------------------------------------------------

source = Table(
    "source",
    metadata,
    Column("id", SmallInteger, Identity(always=True, start=2), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("cadence", Interval, comment="usual time between two looks; null until known"),
    comment="Who looked at GitHub: 1 is this installation, the others kept history that was imported",
)

account = Table(
    "account",
    metadata,
    id_column(),
    Column("github_id", BigInteger, unique=True, comment="null while the account is known by name only"),
    Column("node_id", Text),
    Column("login", Text, nullable=False),
    Column("kind", Text, CheckConstraint("kind IN ('user', 'organization')", name="kind")),
    Column("name", Text),
    Column("company", Text),
    Column("location", Text),
    Column("website", Text),
    Column("bio", Text),
    Column("avatar_url", Text),
    timestamp_column("created_at"),
    timestamp_column("gone_at"),
    Column("gone_reason", Text),
    Column("token", Text, comment="fingerprint of the token its ETags belong to"),
    timestamp_column("first_seen_at", now=True),
    timestamp_column("checked_at"),
    Index("account_login_idx", text("lower(login)")),
    Index("account_login_unseen_key", text("lower(login)"), unique=True, postgresql_where=text("github_id IS NULL")),
    comment="A user or organization; identity is GitHub's numeric id, names have a history in change",
)

account_snapshot = Table(
    "account_snapshot",
    metadata,
    foreign_key("account_id", "account", cascade=True),
    timestamp_column("captured_at", required=True),
    *count_columns("followers", "following", "public_repositories", "public_gists"),
    *count_columns("stars", "forks", "repositories"),
    PrimaryKeyConstraint("account_id", "captured_at"),
    comment="A change of an account's counts; stars, forks, repositories sum over its owned, not-gone repositories",
)

repository = Table(
    "repository",
    metadata,
    id_column(),
    Column("github_id", BigInteger, unique=True, comment="null while the repository is known by name only"),
    Column("node_id", Text),
    foreign_key("account_id", "account", cascade=True),
    Column("full_name", Text, nullable=False),
    Column("name", Text, Computed("split_part(full_name, '/', 2)", persisted=True)),
    Column("description", Text),
    Column("homepage", Text),
    Column("license", Text, comment="SPDX identifier"),
    Column("topics", ARRAY(Text), comment="null until read"),
    Column("primary_language", Text),
    Column("default_branch", Text),
    Column("is_fork", Boolean, nullable=False, server_default=text("false")),
    Column("is_archived", Boolean, nullable=False, server_default=text("false")),
    Column("is_template", Boolean, nullable=False, server_default=text("false")),
    timestamp_column("created_at"),
    timestamp_column("pushed_at"),
    timestamp_column("languages_pushed_at"),
    timestamp_column("languages_checked_at"),
    timestamp_column("gone_at"),
    Column("gone_reason", Text),
    timestamp_column("first_seen_at", now=True),
    Index("repository_account_id_idx", "account_id"),
    Index("repository_full_name_idx", text("lower(full_name)")),
    Index(
        "repository_full_name_unseen_key",
        text("lower(full_name)"),
        unique=True,
        postgresql_where=text("github_id IS NULL"),
    ),
    comment="languages_checked_at: last look at its languages; languages_pushed_at: the push that look saw",
)

repository_current = Table(
    "repository_current",
    metadata,
    Column("repository_id", BigInteger, ForeignKey("repository.id", ondelete="CASCADE"), primary_key=True),
    *count_columns("stars", "forks", "size_kb"),
    *count_columns("watchers", "open_issues", "open_change_requests", "open_issues_and_change_requests"),
    *growth_columns(),
    timestamp_column("growth_as_of"),
    timestamp_column("captured_at", required=True),
    Index("repository_current_stars_30d_idx", text("stars_30d DESC NULLS LAST")),
    Index("repository_current_stars_idx", text("stars DESC NULLS LAST")),
    postgresql_with={"fillfactor": "70"},
    comment="A repository's latest counts and when they last changed; its account's checked_at is the last look",
)

repository_snapshot = Table(
    "repository_snapshot",
    metadata,
    Column("repository_id", BigInteger, nullable=False),
    timestamp_column("captured_at", required=True),
    *count_columns("stars", "forks", "size_kb"),
    source_id_column(),
    PrimaryKeyConstraint("repository_id", "captured_at", "source_id"),
    postgresql_partition_by="RANGE (captured_at)",
    comment="A change of stars, forks or size; rows of other sources are kept as they were given",
)

repository_extra_snapshot = Table(
    "repository_extra_snapshot",
    metadata,
    Column("repository_id", BigInteger, nullable=False),
    timestamp_column("captured_at", required=True),
    *count_columns("watchers", "open_issues", "open_change_requests", "open_issues_and_change_requests"),
    source_id_column(),
    PrimaryKeyConstraint("repository_id", "captured_at", "source_id"),
    postgresql_partition_by="RANGE (captured_at)",
    comment="A change of the counts that cost more to ask, in a cadence of their own",
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
    comment="What one imported source says last of one repository, and since when; rebuilt by each import",
)

capture = Table(
    "capture",
    metadata,
    Column("account_id", BigInteger),
    Column("repository_id", BigInteger),
    timestamp_column("captured_at", required=True),
    source_id_column(),
    Column("run_id", BigInteger),
    CheckConstraint("num_nonnulls(account_id, repository_id) = 1", name="one_subject"),
    Index(
        "capture_account_key",
        "account_id",
        "captured_at",
        "source_id",
        unique=True,
        postgresql_where=text("account_id IS NOT NULL"),
    ),
    Index(
        "capture_repository_key",
        "repository_id",
        "captured_at",
        "source_id",
        unique=True,
        postgresql_where=text("repository_id IS NOT NULL"),
    ),
    comment="One successful look. Coverage and gaps come from here alone",
)

repository_language = Table(
    "repository_language",
    metadata,
    foreign_key("repository_id", "repository", cascade=True),
    timestamp_column("captured_at", required=True),
    Column("language", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    PrimaryKeyConstraint("repository_id", "captured_at", "language"),
    comment="The whole set of a repository's languages whenever any of it differs; '' alone: no language at all",
)

star_day = Table(
    "star_day",
    metadata,
    foreign_key("repository_id", "repository", cascade=True),
    Column("day", Date, nullable=False, comment="in America/Los_Angeles, as GitHub counts"),
    timestamp_column("read_at", required=True),
    Column("stars", Integer, nullable=False),
    PrimaryKeyConstraint("repository_id", "day", "read_at"),
    comment="Stars given on one day and surviving when it was read; only readings that differ, none for a day that"
    " never had a star: star_backfill tells since when days were read",
)

change = Table(
    "change",
    metadata,
    id_column(),
    foreign_key("account_id", "account", cascade=True),
    foreign_key("repository_id", "repository", required=False, cascade=True),
    timestamp_column("detected_at", required=True),
    Column("kind", Text, nullable=False),
    Column("before", Text),
    Column("after", Text),
    Column("run_id", BigInteger),
    Index("change_detected_at_idx", text("detected_at DESC")),
    Index("change_account_id_detected_at_idx", "account_id", text("detected_at DESC")),
    comment="The ledger: renamed, transferred, relicensed, archived, restored, gone, back, new,"
    " primary_language, default_branch",
)

language_day = Table(
    "language_day",
    metadata,
    Column("day", Date, nullable=False),
    source_id_column(),
    Column("language", Text, nullable=False),
    Column("repositories", Integer, nullable=False),
    Column("stars", BigInteger, nullable=False),
    Column("bytes", BigInteger),
    PrimaryKeyConstraint("day", "source_id", "language"),
    comment="Rollup: repositories and stars by primary language, bytes of each language; forks left out",
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
    timestamp_column("published_at", now=True),
    Column("run_id", BigInteger),
    comment="One row, raised after a run has committed: pages and their cached frames go by it",
)

# Facts besides the pulse, each in a cadence of its own -----------------------------------------------------------------


def repository_day_table(name: str, *columns: Column[Any], comment: str) -> Table:
    """A table of readings of one day of a repository."""
    return Table(
        name,
        metadata,
        foreign_key("repository_id", "repository", cascade=True),
        Column("day", Date, nullable=False),
        timestamp_column("read_at", required=True),
        *columns,
        PrimaryKeyConstraint("repository_id", "day", "read_at"),
        comment=comment,
    )


enrichment = Table(
    "enrichment",
    metadata,
    Column("kind", Text, nullable=False),
    foreign_key("repository_id", "repository", required=False, cascade=True),
    foreign_key("account_id", "account", required=False, cascade=True),
    timestamp_column("read_at"),
    timestamp_column("due_at", required=True),
    Column("state", Text, nullable=False),
    Column("tries", Integer, nullable=False, server_default=text("0"), comment="in a row without an answer"),
    Column("reason", Text),
    Column("first_day", Date, comment="since when the days of this kind are known"),
    CheckConstraint("num_nonnulls(account_id, repository_id) = 1", name="one_subject"),
    CheckConstraint("state IN ('read', 'computing', 'unavailable', 'refused', 'failed')", name="state"),
    Index(
        "enrichment_repository_key",
        "repository_id",
        "kind",
        unique=True,
        postgresql_where=text("repository_id IS NOT NULL"),
    ),
    Index("enrichment_account_key", "account_id", "kind", unique=True, postgresql_where=text("account_id IS NOT NULL")),
    comment="When one kind of fact was last read of a repository or account, why not if it was not,"
    " and when it is due again",
)

enrichment_run = Table(
    "enrichment_run",
    metadata,
    id_column(),
    Column("kind", Text, nullable=False),
    Column("token", Text),
    Column("job_id", BigInteger),
    timestamp_column("started_at", required=True),
    timestamp_column("finished_at"),
    Column("subjects", Integer, nullable=False),
    Column("read", Integer, nullable=False, server_default=text("0")),
    Column("failed", Integer, nullable=False, server_default=text("0")),
    Column("requests", Integer, nullable=False, server_default=text("0")),
    Column("points", Integer, nullable=False, server_default=text("0")),
    Column("not_modified", Integer, nullable=False, server_default=text("0")),
    Column("rows_written", BigInteger, nullable=False, server_default=text("0")),
    Column("ended", Text),
    Index("enrichment_run_started_at_idx", text("started_at DESC")),
    comment="One job that read facts of one kind; ended: why before all subjects were read",
)

missing_endpoint = Table(
    "missing_endpoint",
    metadata,
    Column("kind", Text, nullable=False),
    Column("api_root", Text, nullable=False),
    timestamp_column("detected_at", required=True),
    timestamp_column("retry_at", required=True),
    PrimaryKeyConstraint("kind", "api_root"),
    comment="What a server does not tell of any repository, so that it is not asked each time",
)

star_backfill = Table(
    "star_backfill",
    metadata,
    Column("repository_id", BigInteger, ForeignKey("repository.id", ondelete="CASCADE"), primary_key=True),
    Column("first_day", Date, nullable=False),
    Column("next_page", Integer),
    timestamp_column("completed_at"),
    Index("star_backfill_next_page_idx", "repository_id", postgresql_where=text("next_page IS NOT NULL")),
    comment="How far back star_day goes: from first_day on, a day without a row had no star;"
    " next_page null: to the beginning",
)

contributor_snapshot = Table(
    "contributor_snapshot",
    metadata,
    foreign_key("repository_id", "repository", cascade=True),
    timestamp_column("captured_at", required=True),
    Column("contributors", Integer, nullable=False),
    Column("bots", Integer, nullable=False),
    Column("commits", Integer, nullable=False),
    Column(
        "absence_factor",
        Integer,
        nullable=False,
        comment="CHAOSS Contributor Absence Factor: fewest people who made half of the commits; bots left out",
    ),
    Column("is_complete", Boolean, nullable=False),
    PrimaryKeyConstraint("repository_id", "captured_at"),
    comment="A change of who made how many commits: people with an account, bots counted apart;"
    " is_complete: GitHub named all",
)

repository_contributor = Table(
    "repository_contributor",
    metadata,
    foreign_key("repository_id", "repository", cascade=True),
    Column("github_id", BigInteger, nullable=False),
    Column("login", Text, nullable=False),
    Column("is_bot", Boolean, nullable=False),
    Column("commits", Integer, nullable=False),
    PrimaryKeyConstraint("repository_id", "github_id"),
    comment="The hundred who committed most, as last read",
)

release = Table(
    "release",
    metadata,
    foreign_key("repository_id", "repository", cascade=True),
    Column("github_id", BigInteger, nullable=False),
    Column("tag", Text, nullable=False),
    Column("name", Text),
    Column("is_prerelease", Boolean, nullable=False),
    timestamp_column("created_at", required=True),
    timestamp_column("published_at"),
    Column("downloads", BigInteger, nullable=False),
    timestamp_column("gone_at"),
    PrimaryKeyConstraint("repository_id", "github_id"),
    Index("release_published_at_idx", "repository_id", text("published_at DESC")),
    comment="A release as last read, drafts left out; downloads: of its files",
)

release_snapshot = Table(
    "release_snapshot",
    metadata,
    foreign_key("repository_id", "repository", cascade=True),
    timestamp_column("captured_at", required=True),
    Column("releases", Integer, nullable=False),
    Column("is_complete", Boolean, nullable=False),
    Column("downloads", BigInteger, nullable=False),
    Column("latest_tag", Text),
    timestamp_column("latest_at"),
    PrimaryKeyConstraint("repository_id", "captured_at"),
    comment="A change of the newest hundred releases: how many, their downloads, the latest that is no prerelease;"
    " is_complete: there are no more",
)

commit_day = repository_day_table(
    "commit_day",
    Column("commits", Integer, nullable=False),
    comment="Commits to the default branch on one day (UTC), merges left out; only readings that differ, none for zero",
)

traffic_day = repository_day_table(
    "traffic_day",
    *count_columns("views", "unique_views", "clones", "unique_clones"),
    comment="Views and clones on one day (UTC) where we may see them; uniques of days do not add up;"
    " only readings that differ",
)

contribution_day = Table(
    "contribution_day",
    metadata,
    foreign_key("account_id", "account", cascade=True),
    Column("day", Date, nullable=False),
    timestamp_column("read_at", required=True),
    Column("contributions", Integer, nullable=False),
    PrimaryKeyConstraint("account_id", "day", "read_at"),
    comment="Public contributions of a user on one day, as the calendar shows them; only readings that differ,"
    " none for zero",
)

# What is wanted and what was done -----------------------------------------------------------------------------------

tracked_account = Table(
    "tracked_account",
    metadata,
    Column("account_id", BigInteger, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True),
    Column("added_by", Text),
    timestamp_column("added_at", now=True),
    Column("every", Interval, comment="pinned by an admin; null: the planned cadence"),
    Column("planned_cadence", Interval, comment="as the planner chose it at the last look; null: the default cadence"),
    Column("priority", SmallInteger, nullable=False, server_default=text("0")),
    Column("paused", Boolean, nullable=False, server_default=text("false")),
    timestamp_column("due_at", now=True),
    timestamp_column("queued_at"),
    Column("job_id", BigInteger),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("note", Text),
    Column("change_rate", REAL, comment="changes a day to be expected, learned from look to look"),
    Column("change_rate_shape", REAL, comment="how sure that is: the shape of its Gamma distribution"),
    Column(
        "change_rate_samples",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="how many looks it was learned from",
    ),
    Column("stars", BigInteger, comment="at the last look"),
    Column("repositories", Integer, comment="at the last look"),
    Index("tracked_account_due_at_idx", "due_at", postgresql_where=text("queued_at IS NULL AND NOT paused")),
    Index("tracked_account_job_id_idx", "job_id", postgresql_where=text("job_id IS NOT NULL")),
    comment="What an admin wants refreshed; failures: in a row",
)

refresh_plan = Table(
    "refresh_plan",
    metadata,
    id_column(),
    timestamp_column("planned_at", now=True),
    *(Column(name, Integer, nullable=False) for name in ("accounts", "pinned", "unknown")),
    Column("every", Interval, nullable=False),
    Column("unit", Text, CheckConstraint("unit IN ('points', 'requests')", name="unit"), nullable=False),
    *(Column(f"{name}_per_hour", REAL, nullable=False) for name in ("budget", "usable", "default_cadence", "planned")),
    Column("price", Double, nullable=False),
    Column("floor", Interval, nullable=False),
    Column("ceiling", Interval, nullable=False),
    Column("stretch", REAL, nullable=False),
    Column("median_cadence", Interval),
    Column("told", Text, nullable=False),
    Index("refresh_plan_planned_at_idx", text("planned_at DESC")),
    comment="How the budget was spread over what is tracked: the newest row holds."
    " price: what a look is worth; stretch: how many times longer than REFRESH_EVERY all would wait"
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
)

collection_member = Table(
    "collection_member",
    metadata,
    foreign_key("collection_id", "collection", cascade=True),
    foreign_key("account_id", "account", required=False, cascade=True),
    foreign_key("repository_id", "repository", required=False, cascade=True),
    UniqueConstraint("collection_id", "account_id", "repository_id", postgresql_nulls_not_distinct=True),
    CheckConstraint("num_nonnulls(account_id, repository_id) = 1", name="one_subject"),
)

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
    Index("ingestion_started_at_idx", text("started_at DESC")),
    comment="What was asked for at once: by the timetable, a person, the command line or an import",
)

ingestion_job = Table(
    "ingestion_job",
    metadata,
    foreign_key("ingestion_id", "ingestion", cascade=True),
    Column("job_id", BigInteger, nullable=False),
    Column("accounts", Integer, nullable=False),
    PrimaryKeyConstraint("ingestion_id", "job_id"),
    Index("ingestion_job_job_id_idx", "job_id"),
    comment="A job of the queue that an ingestion was packed into",
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
    CheckConstraint("state IN ('running', 'done', 'partial', 'failed', 'stopped')", name="state"),
    Index("ingest_run_started_at_idx", text("started_at DESC")),
    Index("ingest_run_ingestion_id_idx", "ingestion_id"),
    comment="One worker's part of an ingestion: one try of one job",
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
    CheckConstraint("state IN ('stored', 'unchanged', 'failed', 'gone')", name="state"),
    Index("ingest_item_account_id_idx", "account_id", text("finished_at DESC")),
)

alert_rule = Table(
    "alert_rule",
    metadata,
    id_column(),
    Column("kind", Text, nullable=False),
    Column("settings", JSONB, nullable=False, server_default=text("'{}'")),
    foreign_key("account_id", "account", required=False, cascade=True),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("created_by", Text),
    timestamp_column("created_at", now=True),
    comment="What is watched; account_id null: everything that is tracked",
)

alert = Table(
    "alert",
    metadata,
    id_column(),
    foreign_key("rule_id", "alert_rule", cascade=True),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    foreign_key("account_id", "account", required=False, cascade=True),
    foreign_key("repository_id", "repository", required=False, cascade=True),
    Column("sentence", Text, nullable=False),
    Column("facts", JSONB, nullable=False, server_default=text("'{}'")),
    Column("run_id", BigInteger),
    timestamp_column("raised_at", required=True),
    timestamp_column("ended_at"),
    Index("alert_raised_at_idx", text("raised_at DESC")),
    Index("alert_rule_id_repository_id_idx", "rule_id", "repository_id"),
    Index("alert_open_key", "rule_id", "subject", unique=True, postgresql_where=text("ended_at IS NULL")),
    comment="What a rule noticed; an event ends as it is raised, a state when it is over",
)

webhook = Table(
    "webhook",
    metadata,
    id_column(),
    Column("name", Text, nullable=False, unique=True),
    Column("url", Text, nullable=False),
    Column("format", Text, CheckConstraint("format IN ('json', 'slack')", name="format"), nullable=False),
    Column("secret", Text, nullable=False),
    Column("kinds", ARRAY(Text)),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("created_by", Text),
    timestamp_column("created_at", now=True),
    comment="Who outside is told of alerts; its address is a secret, as its key is",
)

webhook_delivery = Table(
    "webhook_delivery",
    metadata,
    id_column(),
    foreign_key("webhook_id", "webhook", cascade=True),
    foreign_key("alert_id", "alert", required=False, cascade=True),
    Column("event", Text, nullable=False, server_default="raised"),
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("status", Integer),
    Column("error", Text),
    timestamp_column("created_at", now=True),
    timestamp_column("finished_at"),
    CheckConstraint("event IN ('raised', 'ended', 'test')", name="event"),
    CheckConstraint("state IN ('waiting', 'delivered', 'failed')", name="state"),
    Index("webhook_delivery_webhook_id_idx", "webhook_id", text("id DESC")),
    comment="One alert for one webhook; alert_id null: somebody tried it out",
)

# People ----------------------------------------------------------------------------------------------------------

person = Table(
    "person",
    metadata,
    id_column(),
    Column("username", Text, nullable=False),
    Column("email", Text),
    Column("display_name", Text),
    Column("password_hash", Text),
    Column("role", Text, CheckConstraint("role IN ('analyst', 'admin')", name="role"), nullable=False),
    Column("active", Boolean, nullable=False, server_default=text("true")),
    Column("preferences", JSONB, nullable=False, server_default=text("'{}'")),
    timestamp_column("created_at", now=True),
    timestamp_column("last_seen_at"),
    Index("person_username_key", text("lower(username)"), unique=True),
    Index("person_email_key", text("lower(email)"), unique=True),
)

session = Table(
    "session",
    metadata,
    Column("id", UUID(as_uuid=True), primary_key=True),
    foreign_key("person_id", "person", cascade=True),
    Column("generation", Integer, nullable=False, server_default=text("0")),
    timestamp_column("generation_used_at"),
    timestamp_column("access_expires_at", required=True),
    Column("address", INET),
    Column("user_agent", Text),
    timestamp_column("created_at", now=True),
    timestamp_column("last_seen_at", now=True),
    timestamp_column("expires_at", required=True),
    timestamp_column("revoked_at"),
    Column("revoked_reason", Text),
    Index("session_person_id_idx", "person_id"),
)

ticket = Table(
    "ticket",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("purpose", Text, nullable=False),
    foreign_key("person_id", "person", required=False, cascade=True),
    Column("nonce_hash", LargeBinary),
    Column("details", JSONB),
    timestamp_column("expires_at", required=True),
)

api_key = Table(
    "api_key",
    metadata,
    id_column(),
    foreign_key("person_id", "person", cascade=True),
    Column("name", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("hint", Text, nullable=False),
    timestamp_column("created_at", now=True),
    timestamp_column("last_used_at"),
    timestamp_column("expires_at"),
    timestamp_column("revoked_at"),
)

tracking_request = Table(
    "tracking_request",
    metadata,
    id_column(),
    Column("login", Text, nullable=False),
    foreign_key("person_id", "person", required=False, cascade=True),
    Column("note", Text),
    timestamp_column("asked_at", now=True),
    timestamp_column("decided_at"),
    Column("decided_by", Text),
    Column("granted", Boolean),
    Index(
        "tracking_request_pending_key", text("lower(login)"), unique=True, postgresql_where=text("decided_at IS NULL")
    ),
    comment="An account that somebody asked for and an admin decides about",
)

audit_event = Table(
    "audit_event",
    metadata,
    id_column(),
    timestamp_column("at", now=True),
    foreign_key("person_id", "person", required=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text),
    Column("address", INET),
    Column("request_id", Text),
    Column("details", JSONB),
    Index("audit_event_at_idx", text("at DESC")),
)
