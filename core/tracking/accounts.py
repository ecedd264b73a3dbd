"""The table of tracked accounts: track, change, untrack, find by login. Callers own the transaction."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from core.queries.captures import STORED_CADENCE
from core.settings import settings
from core.sources import CLOSER_LOCK


def track(connection: Connection, login: str, added_by: str | None, repository: str = "") -> bool:
    """Track the account with this login; False if it is tracked already. An unknown login gets a row without an id.

    With *repository*, a short name, only that one of its repositories is stored, beside others that were asked for
    alone. Later tracking of the account is of all of them.
    """
    return bool(
        connection.execute(
            text("""
                INSERT INTO tracked_account AS tracked (account_id, added_by, only_repositories)
                VALUES (:id, :by, CASE WHEN :repository <> '' THEN ARRAY[lower(:repository)] END)
                ON CONFLICT (account_id) DO UPDATE
                   SET only_repositories = CASE WHEN excluded.only_repositories IS NOT NULL
                           THEN tracked.only_repositories || excluded.only_repositories END,
                       widened_at = :at, due_at = least(tracked.due_at, :at)
                 WHERE tracked.only_repositories IS NOT NULL
                   AND (excluded.only_repositories IS NULL
                        OR NOT tracked.only_repositories @> excluded.only_repositories)
            """),
            {
                "id": get_or_create_account_id(connection, login),
                "by": added_by,
                "repository": repository,
                # Citus takes no function of the time in a DO UPDATE.
                "at": connection.scalar(text("SELECT clock_timestamp()")),
            },
        ).rowcount
    )


def get_or_create_account_id(connection: Connection, login: str) -> int:
    """Return our id of the account with this login now; insert a row for an unknown login."""
    account_id = find_by_present_login(connection, login)
    if account_id is None:
        account_id = connection.execute(
            text(
                "INSERT INTO account (login) VALUES (:login)"
                " ON CONFLICT (lower(login)) WHERE github_id IS NULL DO UPDATE SET login = account.login RETURNING id"
            ),
            {"login": login},
        ).scalar_one()
    return account_id


def update_tracking(connection: Connection, login: str, changes: Mapping[str, Any], now: datetime) -> bool:
    """Change how *login* is tracked; False if it is not. *changes* may have every, priority, paused, note.

    A shorter cadence takes effect immediately: the account becomes due no later than one cadence from *now*.
    """
    account_id = find_account_id(connection, login)
    row = connection.execute(
        text("SELECT cadence AS every, priority, paused, note FROM tracked_account WHERE account_id = :id FOR UPDATE"),
        {"id": account_id},
    ).one_or_none()
    if row is None:
        return False
    connection.execute(
        text(
            "UPDATE tracked_account SET cadence = :every, priority = :priority, paused = :paused, note = :note,"
            " due_at = least(due_at, CAST(:now AS timestamptz) + coalesce(CAST(:every AS interval), due_at - :now))"
            " WHERE account_id = :id"
        ),
        {**row._mapping, **changes, "id": account_id, "now": now},
    )
    if changes.get("every", row.every) != row.every:
        _expect_next_capture(connection, account_id)
    return True


def _expect_next_capture(connection: Connection, account_id: int | None) -> None:
    """Let the last capture expect the next one at the new cadence: what was captured before keeps that of then."""
    connection.execute(text("SELECT pg_advisory_xact_lock_shared(:lock)"), {"lock": CLOSER_LOCK})
    expected = connection.execute(
        text(f"""
            SELECT account_id, checked_at, {STORED_CADENCE} AS cadence
              FROM tracked_account JOIN account ON account.id = account_id WHERE account_id = :id
        """),  # noqa: S608 - our own names
        {"id": account_id, "every": settings().refresh_every},
    ).one()
    values = {"id": account_id, "at": expected.checked_at, "cadence": expected.cadence}
    updated = connection.execute(
        text(
            "UPDATE capture_open SET cadence = :cadence"
            " WHERE account_id = :id AND captured_at = CAST(:at AS timestamptz) AND source_id = 1"
        ),
        values,
    )
    if not updated.rowcount:
        _set_closed_cadence(connection, values)


def _set_closed_cadence(connection: Connection, values: Mapping[str, object]) -> None:
    month = connection.execute(
        text(
            "SELECT month, captured_at, cadences FROM capture_month"
            " WHERE account_id = :id AND CAST(:at AS timestamptz) = ANY(captured_at)"
        ),
        values,
    ).one_or_none()
    if month is None:
        return
    cadences = list(month.cadences or [None] * len(month.captured_at))
    cadences[month.captured_at.index(values["at"])] = values["cadence"]
    connection.execute(
        text(
            "UPDATE capture_month SET cadences = CAST(:cadences AS interval[])"
            " WHERE account_id = :id AND month = :month"
        ),
        {"id": values["id"], "month": month.month, "cadences": cadences},
    )


def untrack(connection: Connection, login: str) -> bool:
    """Stop refreshing *login* and keep its history; False when it was not tracked.

    Of a name of which nothing was ever reported nothing stays.
    """
    account_id = find_account_id(connection, login)
    was_tracked = connection.execute(
        text("DELETE FROM tracked_account WHERE account_id = :id"), {"id": account_id}
    ).rowcount
    if was_tracked and account_id is not None:
        forget_name(connection, account_id)
    return bool(was_tracked)


def find_account_id(connection: Connection, login: str) -> int | None:
    """Return our id of the account with this login, else of the last one that had it; None if unknown."""
    found = find_by_present_login(connection, login)
    if found is None:
        found = connection.scalar(
            text(
                "SELECT account_id FROM account_version WHERE lower(login) = lower(:login) ORDER BY until DESC LIMIT 1"
            ),
            {"login": login},
        )
    return found


def find_by_present_login(connection: Connection, login: str) -> int | None:
    """Return our id of the account with this login now, an available one if possible; None if unknown.

    To track an account: a former login may belong to another account by now, which only GitHub can tell.
    """
    found: int | None = connection.scalar(
        text(
            "SELECT id FROM account WHERE lower(login) = lower(:login)"
            " ORDER BY gone_at IS NULL DESC, github_id IS NULL, checked_at DESC NULLS LAST LIMIT 1"
        ),
        {"login": login},
    )
    return found


def was_reported(connection: Connection, login: str) -> bool:
    """Return whether GitHub has ever reported an account with this login."""
    return bool(
        connection.scalar(
            text("SELECT github_id IS NOT NULL FROM account WHERE id = :id"),
            {"id": find_by_present_login(connection, login)},
        )
    )


def present_login(connection: Connection, login: str) -> str:
    """Return the present login of the account that `find_account_id` finds; *login* itself without one."""
    found: str | None = connection.scalar(
        text("SELECT login FROM account WHERE id = :id"), {"id": find_account_id(connection, login)}
    )
    return found or login


def forget_name(connection: Connection, account_id: int) -> bool:
    """Delete an account that is stored by name only, with its tracking; False where imported history has the name."""
    # In a statement of its own: Citus refuses a DELETE from a table on every node by a condition on a distributed one.
    if connection.scalar(text("SELECT EXISTS (SELECT 1 FROM repository WHERE account_id = :id)"), {"id": account_id}):
        return False
    return bool(
        connection.execute(
            text(
                "DELETE FROM account WHERE id = :id AND github_id IS NULL"
                " AND NOT EXISTS (SELECT FROM account_snapshot WHERE account_id = account.id)"
            ),
            {"id": account_id},
        ).rowcount
    )


def is_first_start(connection: Connection) -> bool:
    """Return whether no account was ever tracked or refreshed in this database."""
    return not connection.scalar(
        text("SELECT EXISTS (SELECT FROM tracked_account) OR EXISTS (SELECT FROM ingest_run WHERE trigger <> 'import')")
    )
