"""Keeps what attributes of accounts and repositories were before they change. Callers own the transaction.

A version is written only where something differs, so a first capture costs nothing. Counts have snapshots of their own.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from core.db.statement import text

REPOSITORY_COLUMNS = (
    *("account_id", "full_name", "description", "homepage", "license", "topics", "primary_language"),
    *("default_branch", "is_fork", "is_archived", "is_template"),
)
ACCOUNT_COLUMNS = ("login", "kind", "name", "company", "location", "website", "bio")


def columns_of(table: str, names: tuple[str, ...]) -> str:
    return ", ".join(f"{table}.{name}" for name in names)


def _insert_repository_versions(until: str) -> str:
    """Return the start of an INSERT of the repositories `stored` as they are before the change at *until*.

    A version begins where the last one ended.
    """
    return f"""
    INSERT INTO repository_version (repository_id, until, since, {", ".join(REPOSITORY_COLUMNS)}, is_gone)
    SELECT stored.id, {until},
           coalesce((SELECT max(until) FROM repository_version WHERE repository_id = stored.id),
                    stored.first_captured_at),
           {columns_of("stored", REPOSITORY_COLUMNS)}, stored.gone_at IS NOT NULL
      FROM repository AS stored
"""  # noqa: S608 - our own names


# What changes when: by id.
_CHANGED = "unnest(CAST(:ids AS bigint[]), CAST(:times AS timestamptz[])) AS changed (id, at)"
_OF_CHANGED = f"""
      JOIN {_CHANGED} ON changed.id = stored.id
     WHERE stored.id = ANY(CAST(:ids AS bigint[])) AND stored.first_captured_at IS NOT NULL
    ON CONFLICT DO NOTHING
"""
INSERT_CHANGED_VERSIONS = _insert_repository_versions("changed.at") + _OF_CHANGED
INSERT_CHANGED_PUSHES = f"""
    INSERT INTO repository_push (repository_id, until, since, pushed_at)
    SELECT stored.id, changed.at,
           coalesce((SELECT max(until) FROM repository_push WHERE repository_id = stored.id),
                    stored.first_captured_at),
           stored.pushed_at
      FROM repository AS stored
    {_OF_CHANGED}
"""  # noqa: S608 - our own names
INSERT_VERSIONS_OF_ACCOUNT = (
    _insert_repository_versions(":at")
    + " WHERE account_id = :id AND gone_at IS NULL AND first_captured_at IS NOT NULL ON CONFLICT DO NOTHING"
)
INSERT_ACCOUNT_VERSIONS = f"""
    INSERT INTO account_version (account_id, until, since, {", ".join(ACCOUNT_COLUMNS)}, gone_at, gone_reason)
    SELECT stored.id, changed.at,
           coalesce((SELECT max(until) FROM account_version WHERE account_id = stored.id),
                    stored.first_captured_at),
           {columns_of("stored", ACCOUNT_COLUMNS)}, stored.gone_at, stored.gone_reason
      FROM account AS stored
    {_OF_CHANGED}
"""  # noqa: S608 - our own names


def keep_versions(connection: Connection, changed_at: Mapping[int, datetime]) -> None:
    """Keep the attributes of repositories as they are, before the caller changes one of them; by id."""
    _execute(connection, INSERT_CHANGED_VERSIONS, changed_at)


def keep_pushes(connection: Connection, changed_at: Mapping[int, datetime]) -> None:
    """Keep the last pushes of repositories as they are, before the caller changes them; by id."""
    _execute(connection, INSERT_CHANGED_PUSHES, changed_at)


def profile_of(account: object) -> tuple[str | None, ...]:
    """Return what a version keeps of an account that is reported or stored."""
    return tuple(getattr(account, name) for name in ACCOUNT_COLUMNS)


def keep_profiles(connection: Connection, changed_at: Mapping[int, datetime]) -> None:
    """Keep the profiles of accounts as they are, before the caller changes them; by our id."""
    _execute(connection, INSERT_ACCOUNT_VERSIONS, changed_at)


def keep_account_version(connection: Connection, account_id: int, at: datetime) -> None:
    """Keep the account's profile and that of its available repositories, before the caller marks them as gone."""
    keep_profiles(connection, {account_id: at})
    connection.execute(text(INSERT_VERSIONS_OF_ACCOUNT), {"id": account_id, "at": at})


def _execute(connection: Connection, statement: str, changed_at: Mapping[int, datetime]) -> None:
    if changed_at:
        connection.execute(text(statement), {"ids": list(changed_at), "times": list(changed_at.values())})
