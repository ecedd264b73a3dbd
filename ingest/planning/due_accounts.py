"""What is wanted: which accounts are tracked, which are due, and when to come back. Callers own the transaction."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, text

from core.budget import cost_model
from ingest.github import AccountRequest
from ingest.planning import backoff, change_rate
from ingest.planning.change_rate import DAY, ChangeObservation, ChangeRate


@dataclass(frozen=True)
class DueAccount:
    """An account whose time has come, or that a job has already; `repositories` as of the last look."""

    account_id: int
    login: str
    token: str | None
    repositories: int | None


def unfinished_account_ids(connection: Connection, account_ids: Sequence[int], job_id: int | None) -> list[int]:
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


def account_requests(connection: Connection, account_ids: Sequence[int]) -> list[tuple[int, AccountRequest]]:
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
            AccountRequest(
                login=row.login,
                github_id=row.github_id,
                node_id=row.node_id,
                kind=row.kind,
                expected_repository_count=row.public_repositories,
                token=row.token,
            ),
        )
        for row in rows
    ]


def due_accounts(connection: Connection, now: datetime, limit: int, not_of: Sequence[str] = ()) -> list[DueAccount]:
    """Tracked accounts whose time has come and that no job has yet, most wanted first.

    Those pinned to the tokens *not_of* (fingerprints) are left out: they must not keep others from coming.
    """
    rows = connection.execute(
        text(
            "SELECT account_id, login, token, repositories FROM tracked_account JOIN account ON account.id = account_id"
            " WHERE due_at <= :now AND queued_at IS NULL AND NOT paused"
            "   AND (token IS NULL OR token <> ALL(CAST(:not_of AS text[])))"
            " ORDER BY priority DESC, due_at LIMIT :limit FOR UPDATE OF tracked_account SKIP LOCKED"
        ),
        {"now": now, "limit": limit, "not_of": list(not_of)},
    )
    return [DueAccount(*row) for row in rows]


def queued_accounts(connection: Connection) -> list[DueAccount]:
    """Tracked accounts that jobs have and that are not done yet."""
    rows = connection.execute(
        text(
            "SELECT account_id, login, token, repositories FROM tracked_account JOIN account ON account.id = account_id"
            " WHERE job_id IS NOT NULL"
        )
    )
    return [DueAccount(*row) for row in rows]


def record_success(
    connection: Connection,
    account_id: int,
    now: datetime,
    default: timedelta,
    chance: random.Random,
    look: ChangeObservation | None = None,
) -> None:
    """Learn from *look* and plan the next one at a tracked account; what nobody tracks is left alone."""
    wish = _tracking_row(connection, account_id)
    if wish is None:
        return
    learned = _updated_change_rate(wish, look)
    planned = _planned_interval(wish, learned, look)
    every = wish.every or planned or default
    _set_due_at(connection, account_id, backoff.next_due_at(now, every, chance), failures=0)
    if look is not None:
        connection.execute(
            text(
                "UPDATE tracked_account SET planned_cadence = :planned, change_rate = :rate, change_rate_shape = :shape,"
                " change_rate_samples = :looks, stars = :stars, repositories = :repositories WHERE account_id = :id"
            ),
            {
                "id": account_id,
                "planned": planned,
                "rate": learned.changes_per_day,
                "shape": learned.shape,
                "looks": learned.looks,
                "stars": look.stars,
                "repositories": look.repositories,
            },
        )


def record_failure(
    connection: Connection,
    account_id: int,
    now: datetime,
    default: timedelta,
    not_before: datetime | None,
    chance: random.Random | None = None,
) -> None:
    """Plan another try, the later the more often it failed, never before *not_before*."""
    wish = _tracking_row(connection, account_id)
    if wish is not None:
        failures = wish.failures + 1
        every = wish.every or wish.planned_cadence or default
        due_at = backoff.retry_due_at(now, every, failures, not_before, chance)
        _set_due_at(connection, account_id, due_at, failures=failures)


def _updated_change_rate(wish: Row[Any], look: ChangeObservation | None) -> ChangeRate:
    if wish.change_rate is None:
        held = change_rate.default_change_rate(look.stars if look else 0)
    else:
        held = ChangeRate(wish.change_rate, wish.change_rate_shape, wish.change_rate_samples)
    if look is None or look.days is None:
        return held
    return held.seen(look.days, look.changes, at_least=look.at_least)


def _planned_interval(wish: Row[Any], learned: ChangeRate, look: ChangeObservation | None) -> timedelta | None:
    """The interval at the price of the newest plan; None: the default holds, for lack of a plan or of looks."""
    if wish.price is None:
        return None
    if not learned.is_reliable or look is None:
        return wish.default_every if wish.stretch > 1 else None
    days = change_rate.optimal_interval(
        learned.changes_per_day,
        change_rate.importance(wish.priority, look.stars),
        cost_model.refresh_cost(look.repositories, with_token=wish.unit == "points"),
        wish.price,
        wish.floor / DAY,
        wish.ceiling / DAY,
    )
    return days * DAY


def _tracking_row(connection: Connection, account_id: int) -> Row[Any] | None:
    return connection.execute(
        text(
            "SELECT tracked_account.every, planned_cadence, failures, priority, change_rate, change_rate_shape, change_rate_samples,"
            "       price, unit, plan.floor, plan.ceiling, stretch, plan.every * stretch AS default_every"
            "  FROM tracked_account"
            "  LEFT JOIN (SELECT * FROM refresh_plan ORDER BY id DESC LIMIT 1) AS plan ON true WHERE account_id = :id"
        ),
        {"id": account_id},
    ).one_or_none()


def _set_due_at(connection: Connection, account_id: int, at: datetime, *, failures: int) -> None:
    connection.execute(
        text(
            "UPDATE tracked_account SET due_at = :at, queued_at = NULL, job_id = NULL, failures = :failures"
            " WHERE account_id = :id"
        ),
        {"id": account_id, "at": at, "failures": failures},
    )
