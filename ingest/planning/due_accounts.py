"""Tracked accounts in the database: which are due or queued, and when each is due next.

Callers own the transaction.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row

from core.budget import cost_model
from core.db.statement import text
from ingest.github import AccountRequest
from ingest.planning import backoff, change_rate
from ingest.planning.change_rate import DAY, ChangeObservation, ChangeRate

SET_DUE_AT = "due_at = :at, queued_at = NULL, job_id = NULL, failures = :failures"


@dataclass(frozen=True)
class DueAccount:
    """A due or queued account; `repositories` as of its last refresh."""

    account_id: int
    login: str
    token: str | None
    repositories: int | None


def unfinished_account_ids(connection: Connection, account_ids: Sequence[int], job_id: int | None) -> list[int]:
    """Leave out the accounts that an earlier attempt of this job finished, or that another job has queued since."""
    if job_id is None:
        return list(account_ids)
    return list(
        connection.scalars(
            text(
                "SELECT id FROM unnest(CAST(:ids AS bigint[])) AS requested(id)"
                "  LEFT JOIN tracked_account ON account_id = id WHERE account_id IS NULL OR job_id = :job"
            ),
            {"ids": list(account_ids), "job": job_id},
        )
    )


def account_requests(connection: Connection, account_ids: Sequence[int]) -> list[tuple[int, AccountRequest]]:
    """Build the client's requests, by our id; accounts that were deleted or private are requested again."""
    rows = connection.execute(
        text(
            "SELECT id, login, github_id, token_fingerprint,"
            "       CASE WHEN checked_at IS NOT NULL THEN coalesce(available, 0) END AS repositories"
            "  FROM account LEFT JOIN (SELECT account_id, count(*) AS available FROM repository"
            "       WHERE account_id = ANY(:ids) AND gone_at IS NULL GROUP BY account_id) AS owned ON account_id = id"
            " WHERE id = ANY(:ids)"
        ),
        {"ids": list(account_ids)},
    )
    return [(row.id, AccountRequest(row.login, row.github_id, row.token_fingerprint, row.repositories)) for row in rows]


def due_accounts(
    connection: Connection, now: datetime, limit: int, excluded_tokens: Sequence[str] = ()
) -> list[DueAccount]:
    """Select and lock due accounts that no job has queued yet, highest priority first.

    Accounts pinned to *excluded_tokens* (fingerprints) are left out, so that they do not use up the *limit*.
    """
    rows = connection.execute(
        text(
            "SELECT account_id, login, token_fingerprint, repositories"
            "  FROM tracked_account JOIN account ON account.id = account_id"
            " WHERE due_at <= :now AND queued_at IS NULL AND NOT paused"
            "   AND (token_fingerprint IS NULL OR token_fingerprint <> ALL(CAST(:excluded AS text[])))"
            " ORDER BY priority DESC, due_at LIMIT :limit FOR UPDATE OF tracked_account SKIP LOCKED"
        ),
        {"now": now, "limit": limit, "excluded": list(excluded_tokens)},
    )
    return [DueAccount(*row) for row in rows]


def queued_accounts(connection: Connection) -> list[DueAccount]:
    """Select the tracked accounts that a job has queued and not finished."""
    rows = connection.execute(
        text(
            "SELECT account_id, login, token_fingerprint, repositories"
            "  FROM tracked_account JOIN account ON account.id = account_id"
            " WHERE job_id IS NOT NULL"
        )
    )
    return [DueAccount(*row) for row in rows]


def record_success(
    connection: Connection,
    account_id: int,
    now: datetime,
    default: timedelta,
    rng: random.Random,
    observation: ChangeObservation | None = None,
) -> None:
    """Update the change rate with *observation* and schedule the next refresh; untracked accounts are ignored.

    *default* is the cadence of accounts without one of their own.
    """
    tracked = _tracking_row(connection, account_id)
    if tracked is None:
        return
    rate = _updated_change_rate(tracked, observation)
    planned = _planned_interval(tracked, rate, observation)
    interval = tracked.cadence or planned or default
    due_at = backoff.next_due_at(now, interval, rng)
    if observation is None:
        _set_due_at(connection, account_id, due_at, failures=0)
    else:
        connection.execute(
            text(f"""
                UPDATE tracked_account
                   SET {SET_DUE_AT}, planned_cadence = :planned, change_rate = :rate, change_rate_shape = :shape,
                       change_rate_samples = :samples, stars = :stars, repositories = :repositories
                 WHERE account_id = :id
            """),  # noqa: S608 - our own names
            {
                "id": account_id,
                "at": due_at,
                "failures": 0,
                "planned": planned,
                "rate": rate.changes_per_day,
                "shape": rate.shape,
                "samples": rate.samples,
                "stars": observation.stars,
                "repositories": observation.repositories,
            },
        )


def record_failure(
    connection: Connection,
    account_id: int,
    now: datetime,
    default: timedelta,
    not_before: datetime | None,
    rng: random.Random | None = None,
) -> None:
    """Schedule a retry with backoff, never before *not_before*; untracked accounts are ignored."""
    tracked = _tracking_row(connection, account_id)
    if tracked is not None:
        failures = tracked.failures + 1
        interval = tracked.cadence or tracked.planned_cadence or default
        due_at = backoff.retry_due_at(now, interval, failures, not_before, rng)
        _set_due_at(connection, account_id, due_at, failures=failures)


def _updated_change_rate(tracked: Row[Any], observation: ChangeObservation | None) -> ChangeRate:
    if tracked.change_rate is None:
        rate = change_rate.default_change_rate(observation.stars if observation else 0)
    else:
        rate = ChangeRate(tracked.change_rate, tracked.change_rate_shape, tracked.change_rate_samples)
    if observation is None or observation.days is None:
        return rate
    return rate.updated(observation.days, observation.changes, at_least=observation.at_least)


def _planned_interval(tracked: Row[Any], rate: ChangeRate, observation: ChangeObservation | None) -> timedelta | None:
    """Return the interval at the newest plan's shadow price; None (the default cadence) without a plan or estimate."""
    if tracked.shadow_price is None:
        return None
    if not rate.is_reliable or observation is None:
        return tracked.slowed_default_cadence if tracked.slowdown > 1 else None
    days = change_rate.optimal_interval(
        rate.changes_per_day,
        change_rate.importance(tracked.priority, observation.stars),
        cost_model.refresh_cost(observation.repositories, with_token=tracked.unit == "points"),
        tracked.shadow_price,
        tracked.shortest_cadence / DAY,
        tracked.longest_cadence / DAY,
    )
    return days * DAY


def _tracking_row(connection: Connection, account_id: int) -> Row[Any] | None:
    return connection.execute(
        text("""
            SELECT tracked_account.cadence, planned_cadence, failures, priority, change_rate, change_rate_shape,
                   change_rate_samples, shadow_price, unit, shortest_cadence, longest_cadence, slowdown,
                   default_cadence * slowdown AS slowed_default_cadence
              FROM tracked_account
              LEFT JOIN (SELECT * FROM refresh_plan ORDER BY id DESC LIMIT 1) AS plan ON true
             WHERE account_id = :id
        """),
        {"id": account_id},
    ).one_or_none()


def _set_due_at(connection: Connection, account_id: int, at: datetime, *, failures: int) -> None:
    connection.execute(
        text(f"UPDATE tracked_account SET {SET_DUE_AT} WHERE account_id = :id"),  # noqa: S608 - our own names
        {"id": account_id, "at": at, "failures": failures},
    )
