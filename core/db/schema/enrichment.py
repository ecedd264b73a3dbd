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

from core.db.schema.columns import (
    count_columns,
    foreign_key,
    id_column,
    metadata,
    repository_id_column,
    timestamp_column,
)


def repository_day_table(name: str, *columns: Column[Any], comment: str) -> Table:
    """Return a table of daily counts of repositories, stored only when a day's counts differ."""
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
    repository_id_column(),
    foreign_key("account_id", "account", required=False, cascade=True),
    timestamp_column("captured_at"),
    timestamp_column("due_at", required=True),
    Column("state", Text, nullable=False),
    Column(
        "failed_attempts", Integer, nullable=False, server_default=text("0"), comment="consecutive attempts that failed"
    ),
    Column("reason", Text),
    Column("first_day", Date, comment="earliest day for which this kind of fact is stored"),
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
    comment="State of one kind of fact of a repository or account: when it was last fetched,"
    " why the last attempt failed, when it is due next",
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
    Column("for_people", Boolean, nullable=False, server_default=text("false")),
    Index("enrichment_run_started_at_idx", text("started_at DESC")),
    comment="One job that fetched facts of one kind; stop_reason: why it ended before all subjects were done;"
    " for_people: its subjects had been opened by somebody lately",
)


page_open = Table(
    "page_open",
    metadata,
    foreign_key("account_id", "account", required=False, cascade=True),
    repository_id_column(),
    timestamp_column("opened_at", required=True),
    CheckConstraint("num_nonnulls(account_id, repository_id) = 1", name="one_subject"),
    Index("page_open_account_key", "account_id", unique=True, postgresql_where=text("account_id IS NOT NULL")),
    Index("page_open_repository_key", "repository_id", unique=True, postgresql_where=text("repository_id IS NOT NULL")),
    comment="When the page of an account or repository was last opened, by anybody, to the hour: its facts come first",
)


enrichment_backlog = Table(
    "enrichment_backlog",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("subjects", BigInteger, nullable=False, comment="tracked repositories or users that this kind applies to"),
    Column("waiting", BigInteger, nullable=False, comment="those of them that are due"),
    timestamp_column("measured_at", required=True),
    comment="How much of one kind of fact is due, as the leader last counted it",
)


missing_endpoint = Table(
    "missing_endpoint",
    metadata,
    Column("kind", Text, nullable=False),
    Column("api_root", Text, nullable=False),
    timestamp_column("detected_at", required=True),
    timestamp_column("retry_at", required=True),
    PrimaryKeyConstraint("kind", "api_root"),
    comment="A kind of fact that the GitHub server has no endpoint for; not requested before retry_at",
)


star_day = Table(
    "star_day",
    metadata,
    foreign_key("repository_id", "repository", cascade=True),
    Column("day", Date, nullable=False, comment="in America/Los_Angeles, as GitHub counts"),
    timestamp_column("captured_at", required=True),
    Column("stars", Integer, nullable=False),
    PrimaryKeyConstraint("repository_id", "day", "captured_at"),
    comment="Stars given on one day and not withdrawn at captured_at. Stored only when the count differs; no row for a"
    " day that never had a star. star_backfill.first_day says how far back days are stored",
)


star_backfill = Table(
    "star_backfill",
    metadata,
    Column("repository_id", BigInteger, ForeignKey("repository.id", ondelete="CASCADE"), primary_key=True),
    Column("first_day", Date, nullable=False),
    Column("next_page", Integer),
    timestamp_column("completed_at"),
    Index("star_backfill_next_page_idx", "repository_id", postgresql_where=text("next_page IS NOT NULL")),
    comment="How far back star_day is filled: from first_day on, a day without a row had no star."
    " next_page null: filled back to the first star",
)


commit_day = repository_day_table(
    "commit_day",
    Column("commits", Integer, nullable=False),
    comment="Commits to the default branch on one day (UTC), merges excluded; stored only when the count differs,"
    " no row for zero",
)


traffic_day = repository_day_table(
    "traffic_day",
    *count_columns("views", "unique_views", "clones", "unique_clones"),
    comment="Views and clones on one day (UTC), for repositories whose traffic the token may read; stored only when"
    " they differ. Unique counts of days cannot be summed",
)


contribution_day = Table(
    "contribution_day",
    metadata,
    foreign_key("account_id", "account", cascade=True),
    Column("day", Date, nullable=False),
    timestamp_column("captured_at", required=True),
    Column("contributions", Integer, nullable=False),
    PrimaryKeyConstraint("account_id", "day", "captured_at"),
    comment="Public contributions of a user on one day, as in the contribution calendar; stored only when the count"
    " differs, no row for zero",
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
        comment="CHAOSS Contributor Absence Factor: fewest people who made half of the commits; bots excluded",
    ),
    Column("is_complete", Boolean, nullable=False),
    PrimaryKeyConstraint("repository_id", "captured_at"),
    comment="Contributors of a repository with a GitHub account, bots counted separately; stored only when they differ."
    " is_complete: GitHub listed all of them",
)


repository_contributor = Table(
    "repository_contributor",
    metadata,
    foreign_key("repository_id", "repository", cascade=True),
    Column("github_id", BigInteger, nullable=False),
    Column("login", Text, nullable=False),
    Column("is_bot", Boolean, nullable=False),
    Column("commits", Integer, nullable=False),
    timestamp_column("first_seen_at", now=True),
    timestamp_column("active_at"),
    timestamp_column("returned_at"),
    PrimaryKeyConstraint("repository_id", "github_id"),
    comment="One of the hundred contributors with most commits, as last fetched; active_at: last response with more"
    " commits than the one before, returned_at: the last of these after 90 days without",
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
    comment="A release as last fetched, drafts excluded; downloads: total of its files",
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
    comment="Summary of the newest hundred releases, stored only when it differs: count, downloads, latest that is no"
    " prerelease. is_complete: there are no older ones",
)
