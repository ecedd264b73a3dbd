"""What is wanted refreshed: put accounts on the list, take them off it. Callers own the transaction."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text


def track(connection: Connection, login: str, added_by: str | None) -> bool:
    """Track the account that bears *login*; False when it already is. A login nobody has seen gets a row by name."""
    return bool(
        connection.execute(
            text(
                "INSERT INTO tracked_account (account_id, added_by) VALUES (:id, :by)"
                " ON CONFLICT (account_id) DO NOTHING"
            ),
            {"id": get_or_create_account_id(connection, login), "by": added_by},
        ).rowcount
    )


def get_or_create_account_id(connection: Connection, login: str) -> int:
    """Our id of the account that bears *login*; a login nobody has seen gets a row by name."""
    account_id = find_account_id(connection, login)
    if account_id is None:
        account_id = connection.execute(
            text(
                "INSERT INTO account (login) VALUES (:login)"
                " ON CONFLICT (lower(login)) WHERE github_id IS NULL DO UPDATE SET login = account.login RETURNING id"
            ),
            {"login": login},
        ).scalar_one()
    return account_id


def update_tracking(connection: Connection, login: str, wish: Mapping[str, Any], now: datetime) -> bool:
    """Change how *login* is tracked; False when it is not. *wish*: every, priority, paused, note; the rest stays.

    Who is to be looked at more often is not kept waiting for what was planned before.
    """
    row = connection.execute(
        text("SELECT cadence AS every, priority, paused, note FROM tracked_account WHERE account_id = :id FOR UPDATE"),
        {"id": find_account_id(connection, login)},
    ).one_or_none()
    if row is None:
        return False
    connection.execute(
        text(
            "UPDATE tracked_account SET cadence = :every, priority = :priority, paused = :paused, note = :note,"
            " due_at = least(due_at, CAST(:now AS timestamptz) + coalesce(CAST(:every AS interval), due_at - :now))"
            " WHERE account_id = :id"
        ),
        {**row._mapping, **wish, "id": find_account_id(connection, login), "now": now},
    )
    return True


def untrack(connection: Connection, login: str) -> bool:
    """Stop refreshing *login*; its history stays. False when it was not tracked."""
    return bool(
        connection.execute(
            text("DELETE FROM tracked_account WHERE account_id = :id"), {"id": find_account_id(connection, login)}
        ).rowcount
    )


def find_account_id(connection: Connection, login: str) -> int | None:
    """Our id of the account that bears *login* now; of several that bore it, the one seen last."""
    found: int | None = connection.scalar(
        text(
            "SELECT id FROM account WHERE lower(login) = lower(:login)"
            " ORDER BY gone_at IS NULL DESC, github_id IS NULL, checked_at DESC NULLS LAST LIMIT 1"
        ),
        {"login": login},
    )
    return found


def is_first_start(connection: Connection) -> bool:
    """Whether nothing was ever tracked or refreshed here: the first start."""
    return not connection.scalar(
        text("SELECT EXISTS (SELECT FROM tracked_account) OR EXISTS (SELECT FROM ingest_run WHERE trigger <> 'import')")
    )
