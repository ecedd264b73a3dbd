"""GitHub accounts and the history of their counts."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
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
    GROWTH_DAYS,
    count_columns,
    foreign_key,
    id_column,
    metadata,
    timestamp_column,
    trigram_index,
)

account = Table(
    "account",
    metadata,
    id_column(),
    Column("github_id", BigInteger, unique=True, comment="null while only its login is known"),
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
    Column(
        "token_fingerprint", Text, comment="of the token its refreshes use; cached ETags are valid for that token only"
    ),
    timestamp_column("first_captured_at"),
    timestamp_column("checked_at"),
    Index("account_login_idx", text("lower(login)")),
    Index("account_checked_at_idx", "checked_at"),
    trigram_index("account_login_search_idx", "login"),
    trigram_index("account_name_search_idx", "name"),
    Index("account_login_unseen_key", text("lower(login)"), unique=True, postgresql_where=text("github_id IS NULL")),
    comment="A user or organization. Identity is GitHub's numeric id; former logins are in account_version."
    " first_captured_at: our first refresh; its profile before is unknown",
)


account_snapshot = Table(
    "account_snapshot",
    metadata,
    foreign_key("account_id", "account", cascade=True),
    timestamp_column("captured_at", required=True),
    *count_columns("followers", "following", "public_repositories", "public_gists"),
    *count_columns("stars", "forks", "repositories"),
    PrimaryKeyConstraint("account_id", "captured_at"),
    comment="Counts of an account at one time, stored only when they differ. stars, forks and repositories:"
    " totals of the repositories it owns that are neither deleted nor private",
)


account_summary = Table(
    "account_summary",
    metadata,
    Column("account_id", BigInteger, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True),
    Column("repositories", Integer, nullable=False),
    *(Column(name, BigInteger) for name in ("stars", "forks")),
    Column("languages", ARRAY(Text), nullable=False),
    Column("compared", Integer, nullable=False),
    *(Column(f"known_{days}d", Integer, nullable=False) for days in GROWTH_DAYS),
    comment="Totals of repository_summary by account. compared: available repositories that the last refresh of the"
    " account captured; known_…: those of them whose growth is known",
)


account_version = Table(
    "account_version",
    metadata,
    foreign_key("account_id", "account", cascade=True),
    timestamp_column("until", required=True),
    timestamp_column("since", required=True),
    Column("login", Text, nullable=False),
    *(Column(name, Text) for name in ("kind", "name", "company", "location", "website", "bio")),
    timestamp_column("gone_at"),
    Column("gone_reason", Text),
    PrimaryKeyConstraint("account_id", "until"),
    Index("account_version_login_idx", text("lower(login)")),
    trigram_index("account_version_login_search_idx", "login"),
    comment="An account's profile from since on, until it was found changed; the present one is in account",
)
