"""What is wanted: which accounts are tracked, which are due, and when to come back. Callers own the transaction."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, text

from ingest import planner
from ingest.github import Ask


@dataclass(frozen=True)
class Due:
    account_id: int
    token: str | None


def still_wanted(connection: Connection, account_ids: Sequence[int], job_id: int | None) -> list[int]:
    """Leave out what a job that is tried again has done already: its mark is gone, or another job has it."""
    if job_id is None:
        return list(account_ids)
    return list(
        connection.scalars(
            text(
                "SELECT id FROM unnest(CAST(:ids AS bigint[])) AS wanted(id)"
                "  LEFT JOIN tracked_account ON account_id = id WHERE account_id IS NULL OR job_id = :job"
            ),
            {"ids": list(account_ids), "job": job_id},
        )
    )


def asks(connection: Connection, account_ids: Sequence[int]) -> list[tuple[int, Ask]]:
    """What the client should know of each account before it asks; those that are gone are asked for again."""
    rows = connection.execute(
        text(
            "SELECT account.id, login, github_id, node_id, kind, token, last.public_repositories"
            "  FROM account LEFT JOIN LATERAL (SELECT public_repositories FROM account_snapshot"
            "       WHERE account_id = account.id ORDER BY captured_at DESC LIMIT 1) AS last ON true"
            " WHERE account.id = ANY(:ids)"
        ),
        {"ids": list(account_ids)},
    )
    return [
        (
            row.id,
            Ask(
                login=row.login,
                github_id=row.github_id,
                node_id=row.node_id,
                kind=row.kind,
                repositories_expected=row.public_repositories,
                token=row.token,
            ),
        )
        for row in rows
    ]


def known(connection: Connection, account_ids: Sequence[int]) -> list[planner.Known]:
    """What a forecast goes by."""
    rows = connection.execute(
        text(
            "SELECT login, kind, checked_at, count(repository.id) AS repositories,"
            "       count(languages_at) AS languages_known"
            "  FROM account LEFT JOIN repository ON account_id = account.id AND repository.gone_at IS NULL"
            " WHERE account.id = ANY(:ids) GROUP BY account.id"
        ),
        {"ids": list(account_ids)},
    )
    return [
        planner.Known(
            login=row.login,
            is_organization=row.kind == "organization",
            repositories=row.repositories if row.checked_at else None,
            languages_known=row.languages_known,
        )
        for row in rows
    ]


def due(connection: Connection, now: datetime, limit: int) -> list[Due]:
    """Tracked accounts whose time has come and that no job has yet, most wanted first."""
    rows = connection.execute(
        text(
            "SELECT account_id, token FROM tracked_account JOIN account ON account.id = account_id"
            " WHERE due_at <= :now AND queued_at IS NULL AND NOT paused"
            " ORDER BY priority DESC, due_at LIMIT :limit FOR UPDATE OF tracked_account SKIP LOCKED"
        ),
        {"now": now, "limit": limit},
    )
    return [Due(row.account_id, row.token) for row in rows]


def succeeded(
    connection: Connection, account_id: int, now: datetime, default: timedelta, chance: random.Random
) -> None:
    """Plan the next look at a tracked account; what nobody tracks is left alone."""
    wish = _wish(connection, account_id)
    if wish is not None:
        _come_back(connection, account_id, planner.next_due(now, wish.every or default, chance), failures=0)


def failed(
    connection: Connection, account_id: int, now: datetime, default: timedelta, not_before: datetime | None
) -> None:
    """Plan another try, the later the more often it failed, never before *not_before*."""
    wish = _wish(connection, account_id)
    if wish is not None:
        failures = wish.failures + 1
        due_at = planner.retry_due(now, wish.every or default, failures, not_before)
        _come_back(connection, account_id, due_at, failures=failures)


def _wish(connection: Connection, account_id: int) -> Row[Any] | None:
    return connection.execute(
        text("SELECT every, failures FROM tracked_account WHERE account_id = :id"), {"id": account_id}
    ).one_or_none()


def _come_back(connection: Connection, account_id: int, at: datetime, *, failures: int) -> None:
    connection.execute(
        text(
            "UPDATE tracked_account SET due_at = :at, queued_at = NULL, job_id = NULL, failures = :failures"
            " WHERE account_id = :id"
        ),
        {"id": account_id, "at": at, "failures": failures},
    )
