"""What accounts and repositories were like, now or as of a moment: common table expressions for use behind `WITH`.

attributes          one row per stored repository: repository_id, account_id, github_id, full_name, description,
                    homepage, license, topics, primary_language, default_branch, is_fork, is_archived, is_template,
                    is_gone, created_at, pushed_at
account_attributes  one row per stored account: account_id, github_id, login, kind, name, company, location, website,
                    bio, gone_at, gone_reason, created_at

As of a moment before our first capture only name, owner and creation are known, and what an import says of that time;
the rest is null, never what it is today. The name is then the oldest known one.
"""

from datetime import datetime
from typing import Any

from core.db.frames import read_frame
from core.queries.past_counts import OF_ID

OWNED = ("account_id", "full_name")
DETAILS = (
    *("description", "homepage", "license", "topics", "primary_language", "default_branch"),
    *("is_fork", "is_archived", "is_template"),
)
PROFILE = ("kind", "name", "company", "location", "website", "bio", "gone_reason")

_CURRENT_REPOSITORIES = f"""(
            SELECT id AS repository_id, github_id, {", ".join(OWNED + DETAILS)},
                   gone_at IS NOT NULL AS is_gone, created_at, pushed_at
              FROM repository
        )"""  # noqa: S608 - our own names


def _then(names: tuple[str, ...], table: str) -> str:
    """Return each column as it was then: of the version that covers the moment, of now since the last one, or null."""
    return ",\n                   ".join(
        f"CASE WHEN past.since IS NOT NULL THEN past.{name} WHEN {table}.was_captured THEN {table}.{name} END AS {name}"
        for name in names
    )


def _oldest(names: tuple[str, ...], table: str, of_id: str = "") -> str:
    """Return each column like `_then`, but the oldest known value where nothing was captured yet."""
    chosen = of_id and f"AND first.{table}_id {of_id} "
    return ",\n                   ".join(
        f"""CASE WHEN past.since IS NOT NULL THEN past.{name} WHEN {table}.was_captured THEN {table}.{name}
                        ELSE coalesce((SELECT {name} FROM {table}_version AS first
                                        WHERE first.{table}_id = {table}.id {chosen}ORDER BY until LIMIT 1),
                                      {table}.{name})
                    END AS {name}"""  # noqa: S608
        for name in names
    )


# Versions follow each other without a gap, so that at most one covers a moment. A repository that was only imported has
# one state alone.
def repositories_as_of(of_id: str = "", table: str = "repository", more_columns: str = "") -> str:
    """Return SQL for `attributes` as of a moment, with more columns, of a table that has those of `repository`."""
    past, push = (of_id and f"AND {table}.repository_id {of_id} " for table in ("past", "push"))
    return f"""(
            SELECT repository.id AS repository_id, github_id, {_oldest(OWNED, "repository", of_id)},
                   {_then(DETAILS, "repository")},
                   CASE WHEN past.since IS NOT NULL THEN past.is_gone
                        ELSE coalesce(repository.gone_at <= :as_of, false) END AS is_gone,
                   repository.created_at,
                   CASE WHEN push.since IS NOT NULL THEN push.pushed_at
                        WHEN repository.was_captured THEN repository.pushed_at END AS pushed_at{more_columns}
              FROM (SELECT *, coalesce(first_captured_at <= :as_of, true) AS was_captured FROM {table}
                     {of_id and f"WHERE id {of_id}"}) AS repository
              LEFT JOIN repository_version AS past
                ON past.repository_id = repository.id {past}AND past.since <= :as_of AND past.until > :as_of
              LEFT JOIN repository_push AS push
                ON push.repository_id = repository.id {push}AND push.since <= :as_of AND push.until > :as_of
        )"""  # noqa: S608


REPOSITORIES_AS_OF = f"attributes AS {repositories_as_of()}"
REPOSITORY_AS_OF = f"attributes AS {repositories_as_of(OF_ID)}"
"""The same of the repository `:id`."""

CURRENT_ACCOUNTS = f"""account_attributes AS (
            SELECT id AS account_id, github_id, login, {", ".join(PROFILE)}, gone_at, created_at FROM account
        )"""  # noqa: S608

ACCOUNTS_AS_OF = f"""account_attributes AS (
            SELECT account.id AS account_id, github_id, {_oldest(("login",), "account")},
                   {_then(PROFILE, "account")},
                   CASE WHEN past.since IS NOT NULL THEN past.gone_at
                        WHEN account.gone_at <= :as_of THEN account.gone_at END AS gone_at,
                   account.created_at
              FROM (SELECT *, coalesce(first_captured_at <= :as_of, true) AS was_captured FROM account) AS account
              LEFT JOIN account_version AS past
                ON past.account_id = account.id AND past.since <= :as_of AND past.until > :as_of
        )"""  # noqa: S608


EVER_OWNED = """(SELECT id FROM repository WHERE account_id = :account_id
                                  UNION SELECT repository_id FROM repository_version WHERE account_id = :account_id)"""
"""SQL: our ids of the repositories that the account owns or ever owned."""


def repository_attributes(as_of: datetime | None, name: str = "attributes") -> str:
    """Return the expression `attributes`, or another *name* for it; with a moment it needs the value `as_of`."""
    return f"{name} AS {_CURRENT_REPOSITORIES if as_of is None else repositories_as_of()}"


def account_attributes(as_of: datetime | None) -> str:
    """Return the expression `account_attributes`; with a moment it needs the value `as_of`."""
    return CURRENT_ACCOUNTS if as_of is None else ACCOUNTS_AS_OF


def as_of_values(as_of: datetime | None) -> dict[str, Any]:
    """Return the bound value of these expressions."""
    return {} if as_of is None else {"as_of": as_of}


def owned_repository_ids(account_id: int, as_of: datetime | None) -> list[int]:
    """Return our ids of the repositories that the account owns, or owned then, deleted ones too."""
    sql = "SELECT id FROM repository WHERE account_id = :account_id ORDER BY id"
    if as_of is not None:
        sql = f"""
        WITH {REPOSITORIES_AS_OF}
        SELECT repository_id AS id FROM attributes
         WHERE account_id = :account_id
           AND repository_id IN {EVER_OWNED}
         ORDER BY 1
        """  # noqa: S608
    return [int(id_) for id_ in read_frame(sql, account_id=account_id, **as_of_values(as_of))["id"]]
