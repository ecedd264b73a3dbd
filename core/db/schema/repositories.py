"""Repositories: profile, latest counts, snapshots and languages."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from core.db.schema.columns import (
    count_columns,
    foreign_key,
    growth_columns,
    metadata,
    source_id_column,
    timestamp_column,
    trigram_index,
)

NAMED_REPOSITORY_ID = "CAST(CAST('x' || left(md5(lower({name})), 16) AS bit(64)) AS bigint) | (CAST(1 AS bigint) << 63)"
"""SQL: the id of a repository of which only the name is known, always below zero: of one name there is one."""

repository = Table(
    "repository",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column(
        "github_id",
        BigInteger,
        Computed("CASE WHEN id > 0 THEN id ELSE NULL::bigint END", persisted=True),
        comment="null while only its name is known",
    ),
    Column("node_id", Text),
    foreign_key("account_id", "account", cascade=True),
    Column("full_name", Text, nullable=False),
    Column("name", Text, Computed("split_part(full_name, '/', 2)", persisted=True)),
    Column("description", Text),
    Column("homepage", Text),
    Column("license", Text, comment="SPDX identifier"),
    Column("topics", ARRAY(Text), comment="null until fetched"),
    Column("primary_language", Text),
    Column("default_branch", Text),
    Column("is_fork", Boolean, nullable=False, server_default=text("false")),
    Column("is_archived", Boolean, nullable=False, server_default=text("false")),
    Column("is_template", Boolean, nullable=False, server_default=text("false")),
    timestamp_column("created_at"),
    timestamp_column("pushed_at"),
    timestamp_column("languages_checked_at"),
    timestamp_column("languages_due_at"),
    timestamp_column("languages_pushed_at"),
    Column("languages_default_branch", Text),
    Column("languages_primary_language", Text),
    Column("languages_size_kb", Integer),
    timestamp_column("gone_at"),
    Column("gone_reason", Text),
    timestamp_column("first_captured_at"),
    Index("repository_account_id_idx", "account_id"),
    Index("repository_full_name_idx", text("lower(full_name)")),
    trigram_index("repository_full_name_search_idx", "full_name"),
    comment="A repository. id: GitHub's, or below zero, made of the name, while only that is known; former names are in"
    " repository_version."
    " first_captured_at: our first capture; its attributes before are unknown."
    " languages_checked_at: when its languages were last fetched; languages_due_at: when to fetch them again even if"
    " nothing changes; languages_pushed_at, _default_branch, _primary_language, _size_kb: as reported at that fetch",
)


# No foreign key to account: adoption of imported history moves rows from one account to another.
repository_version = Table(
    "repository_version",
    metadata,
    foreign_key("repository_id", "repository", cascade=True),
    timestamp_column("until", required=True),
    timestamp_column("since", required=True),
    Column("account_id", BigInteger, nullable=False),
    Column("full_name", Text, nullable=False),
    *(Column(name, Text) for name in ("description", "homepage", "license")),
    Column("topics", ARRAY(Text)),
    *(Column(name, Text) for name in ("primary_language", "default_branch")),
    *(Column(name, Boolean) for name in ("is_fork", "is_archived", "is_template")),
    Column("is_gone", Boolean, nullable=False),
    PrimaryKeyConstraint("repository_id", "until"),
    Index("repository_version_account_id_idx", "account_id"),
    Index("repository_version_full_name_idx", text("lower(full_name)")),
    trigram_index("repository_version_full_name_search_idx", "full_name"),
    comment="A repository's attributes from since on, until they were found changed; those of now are in repository."
    " A null flag: the imported source does not tell",
)


repository_push = Table(
    "repository_push",
    metadata,
    foreign_key("repository_id", "repository", cascade=True),
    timestamp_column("until", required=True),
    timestamp_column("since", required=True),
    timestamp_column("pushed_at"),
    PrimaryKeyConstraint("repository_id", "until"),
    comment="The last push that GitHub reported from since on, until a later one was found; the last one of now is in"
    " repository. Apart from repository_version, because it changes far more often",
)


repository_current = Table(
    "repository_current",
    metadata,
    Column("repository_id", BigInteger, ForeignKey("repository.id", ondelete="CASCADE"), primary_key=True),
    *count_columns("stars", "forks", "size_kb"),
    *count_columns("watchers", "open_issues", "open_change_requests", "open_issues_and_change_requests"),
    timestamp_column("captured_at", required=True),
    # Without another index each change is a heap-only update.
    postgresql_with={"fillfactor": "70"},
    comment="Latest counts of a repository as our own refreshes found them, to compare the next one with. captured_at:"
    " when they last changed",
)


repository_summary = Table(
    "repository_summary",
    metadata,
    Column("repository_id", BigInteger, ForeignKey("repository.id", ondelete="CASCADE"), primary_key=True),
    # No foreign key: adoption of imported history moves repositories from one account to another.
    Column("account_id", BigInteger, nullable=False),
    source_id_column(),
    Column("github_id", BigInteger),
    Column("full_name", Text, nullable=False),
    *(Column(name, Text) for name in ("description", "license")),
    Column("topics", ARRAY(Text)),
    Column("language", Text, comment="the present name of the primary language"),
    *(Column(name, Boolean, nullable=False) for name in ("is_fork", "is_archived", "is_gone")),
    timestamp_column("created_at"),
    timestamp_column("pushed_at"),
    *count_columns("stars", "forks", "size_kb"),
    *count_columns("watchers", "open_issues", "open_change_requests", "open_issues_and_change_requests"),
    *growth_columns(),
    timestamp_column("captured_at", required=True),
    Column(
        "own_checked_at",
        DateTime(timezone=True),
        comment="its last capture, where that is not the last refresh of its account",
    ),
    Index("repository_summary_account_id_idx", "account_id"),
    Index("repository_summary_stars_idx", text("stars DESC NULLS LAST")),
    Index("repository_summary_stars_30d_idx", text("stars_30d DESC NULLS LAST")),
    Index(
        "repository_summary_own_checked_at_idx", "own_checked_at", postgresql_where=text("own_checked_at IS NOT NULL")
    ),
    postgresql_with={"fillfactor": "80"},
    comment="One row per repository with what pages list of it now: attributes, latest counts (ours, else those of the"
    " newest import) and growth. Written with each change of them; the view repository_summary_computed is what it"
    " has to hold",
)


repository_snapshot_open = Table(
    "repository_snapshot_open",
    metadata,
    Column("repository_id", BigInteger, nullable=False),
    timestamp_column("captured_at", required=True),
    *count_columns("stars", "forks", "size_kb"),
    source_id_column(),
    PrimaryKeyConstraint("repository_id", "captured_at", "source_id"),
    postgresql_partition_by="RANGE (captured_at)",
    comment="Snapshots that are not in repository_month yet: the view repository_snapshot has all",
)


# The order of the columns leaves no padding between them.
repository_month = Table(
    "repository_month",
    metadata,
    Column("repository_id", BigInteger, nullable=False),
    timestamp_column("before_at"),
    Column("month", Date, nullable=False),
    *count_columns("stars_before", "forks_before", "size_kb_before"),
    source_id_column(),
    Column("captured_at", ARRAY(DateTime(timezone=True))),
    Column("counts", ARRAY(Integer), comment="stars, forks and size_kb of each"),
    PrimaryKeyConstraint("repository_id", "source_id", "month"),
    # Not BRIN: see findings/postgres-brin-misses-rows-of-a-long-insert.sh.
    Index("repository_month_month_idx", "month", "source_id"),
    comment="The snapshots of one repository in one month (UTC), oldest first, null if there is none, and the last one"
    " before the month: a row for each month from its first snapshot to source.last_month, of an imported source to"
    " that of repository_import.last_at",
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
    comment="Counts that cost extra requests, fetched on a cadence of their own; stored only when they differ",
)


repository_language = Table(
    "repository_language",
    metadata,
    foreign_key("repository_id", "repository", cascade=True),
    timestamp_column("captured_at", required=True),
    Column("language", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    PrimaryKeyConstraint("repository_id", "captured_at", "language"),
    comment="Bytes of one language of a repository. The whole set is stored whenever any of it differs;"
    " a single row with an empty language: it has none",
)
