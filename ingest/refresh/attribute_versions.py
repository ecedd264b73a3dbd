"""Keeps what attributes of accounts and repositories were before they change. Callers own the transaction.

A version is written only where something differs, so a first capture costs nothing. Counts have snapshots of their own.
"""

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


# `stored` is the repository as it is before the change; a version begins where the last one ended.
INSERT_REPOSITORY_VERSIONS = f"""
    INSERT INTO repository_version (repository_id, until, since, {", ".join(REPOSITORY_COLUMNS)}, is_gone)
    SELECT stored.id, :at,
           coalesce((SELECT max(until) FROM repository_version WHERE repository_id = stored.id),
                    stored.first_captured_at),
           {columns_of("stored", REPOSITORY_COLUMNS)}, stored.gone_at IS NOT NULL
      FROM repository AS stored
"""  # noqa: S608 - our own names
_OF_IDS = """
     WHERE stored.id = ANY(CAST(:ids AS bigint[])) AND stored.first_captured_at IS NOT NULL ON CONFLICT DO NOTHING
"""
INSERT_CHANGED_VERSIONS = INSERT_REPOSITORY_VERSIONS + _OF_IDS
INSERT_CHANGED_PUSHES = f"""
    INSERT INTO repository_push (repository_id, until, since, pushed_at)
    SELECT stored.id, :at,
           coalesce((SELECT max(until) FROM repository_push WHERE repository_id = stored.id),
                    stored.first_captured_at),
           stored.pushed_at
      FROM repository AS stored
    {_OF_IDS}
"""  # noqa: S608 - our own names
INSERT_ACCOUNT_VERSION = f"""
    INSERT INTO account_version (account_id, until, since, {", ".join(ACCOUNT_COLUMNS)}, gone_at, gone_reason)
    SELECT stored.id, :at,
           coalesce((SELECT max(until) FROM account_version WHERE account_id = stored.id),
                    stored.first_captured_at),
           {columns_of("stored", ACCOUNT_COLUMNS)}, stored.gone_at, stored.gone_reason
      FROM account AS stored
     WHERE stored.id = :id AND stored.first_captured_at IS NOT NULL
"""  # noqa: S608 - our own names


def keep_repository_version(connection: Connection, repository_id: int, at: datetime) -> None:
    """Keep the repository's attributes as they are, before the caller changes one of them."""
    connection.execute(
        text(
            INSERT_REPOSITORY_VERSIONS
            + " WHERE stored.id = :id AND stored.first_captured_at IS NOT NULL ON CONFLICT DO NOTHING"
        ),
        {"id": repository_id, "at": at},
    )


def profile_of(account: object) -> tuple[str | None, ...]:
    """Return what a version keeps of an account that is reported or stored."""
    return tuple(getattr(account, name) for name in ACCOUNT_COLUMNS)


def keep_profile(connection: Connection, account_id: int, at: datetime) -> None:
    """Keep the account's profile as it is, before the caller changes it."""
    connection.execute(text(INSERT_ACCOUNT_VERSION + " ON CONFLICT DO NOTHING"), {"id": account_id, "at": at})


def keep_account_version(connection: Connection, account_id: int, at: datetime) -> None:
    """Keep the account's profile and that of its available repositories, before the caller marks them as gone."""
    keep_profile(connection, account_id, at)
    connection.execute(
        text(
            INSERT_REPOSITORY_VERSIONS + " WHERE account_id = :id AND gone_at IS NULL AND first_captured_at IS NOT NULL"
            " ON CONFLICT DO NOTHING"
        ),
        {"id": account_id, "at": at},
    )
