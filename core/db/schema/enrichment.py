"""Enrichment: the facts a refresh does not fetch, each kind on its own cadence, and their schedule."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from core.db.schema.columns import count_columns, foreign_key, id_column, metadata, timestamp_column


def repository_day_table(name: str, *columns: Column[Any], comment: str) -> Table:
    """A table of readings of one day of a repository."""
    return Table(
        name,
        metadata,
        foreign_key("repository_id", "repository", cascade=True),
        Column("day", Date, nullable=False),
        timestamp_column("captured_at", required=True),
        *columns,
        PrimaryKeyConstraint("repository_id", "day", "captured_at"),
        comment=comment,
    )


enrichment = Table(
    "enrichment",
    metadata,
    Column("kind", Text, nullable=False),
    foreign_key("repository_id", "repository", required=False, cascade=True),
    foreign_key("account_id", "account", required=False, cascade=True),
    timestamp_column("captured_at"),
    timestamp_column("due_at", required=True),
    Column("state", Text, nullable=False),
    Column(
        "failed_attempts", Integer, nullable=False, server_default=text("0"), comment="consecutive attempts that failed"
    ),
    Column("reason", Text),
    Column("first_day", Date, comment="since when the days of this kind are known"),
    CheckConstraint("num_nonnulls(account_id, repository_id) = 1", name="one_subject"),
    CheckConstraint("state IN ('stored', 'computing', 'unavailable', 'refused', 'failed')", name="state"),
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
    Column("token_fingerprint", Text),
    Column("job_id", BigInteger),
    timestamp_column("started_at", required=True),
    timestamp_column("finished_at"),
    Column("subjects", Integer, nullable=False),
    Column("stored", Integer, nullable=False, server_default=text("0")),
    Column("failed", Integer, nullable=False, server_default=text("0")),
    Column("requests", Integer, nullable=False, server_default=text("0")),
    Column("points", Integer, nullable=False, server_default=text("0")),
    Column("not_modified", Integer, nullable=False, server_default=text("0")),
    Column("rows_written", BigInteger, nullable=False, server_default=text("0")),
    Column("stop_reason", Text),
    Index("enrichment_run_started_at_idx", text("started_at DESC")),
    comment="One job that read facts of one kind; stop_reason: why it ended before all subjects were read",
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


star_day = Table(
    "star_day",
    metadata,
    foreign_key("repository_id", "repository", cascade=True),
    Column("day", Date, nullable=False, comment="in America/Los_Angeles, as GitHub counts"),
    timestamp_column("captured_at", required=True),
    Column("stars", Integer, nullable=False),
    PrimaryKeyConstraint("repository_id", "day", "captured_at"),
    comment="Stars given on one day and surviving when it was read; only readings that differ, none for a day that"
    " never had a star: star_backfill tells since when days were read",
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
    timestamp_column("captured_at", required=True),
    Column("contributions", Integer, nullable=False),
    PrimaryKeyConstraint("account_id", "day", "captured_at"),
    comment="Public contributions of a user on one day, as the calendar shows them; only readings that differ,"
    " none for zero",
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
