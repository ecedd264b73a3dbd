"""Tracked accounts in the database: which are due or queued, and when each is due next.

Callers own the transaction.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row

from core.budget import cost_model
from core.db.statement import text
from ingest.github import AccountRequest
from ingest.planning import backoff, change_rate
from ingest.planning.change_rate import DAY, ChangeObservation, ChangeRate


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
    connection: Connection,
    now: datetime,
    limit: int,
    excluded_tokens: Sequence[str] = (),
    excluded_ids: Sequence[int] = (),
) -> list[DueAccount]:
    """Select and lock due accounts that no job has queued yet, highest priority first.

    Accounts pinned to *excluded_tokens* (fingerprints), and *excluded_ids*, are left out, so that they do not use up
    the *limit*.
    """
    rows = connection.execute(
        text(
            "SELECT account_id, login, token_fingerprint, repositories"
            "  FROM tracked_account JOIN account ON account.id = account_id"
            " WHERE due_at <= :now AND queued_at IS NULL AND NOT paused"
            "   AND (token_fingerprint IS NULL OR token_fingerprint <> ALL(CAST(:excluded AS text[])))"
            "   AND account_id <> ALL(CAST(:ids AS bigint[]))"
            " ORDER BY priority DESC, due_at LIMIT :limit FOR UPDATE OF tracked_account SKIP LOCKED"
        ),
        {"now": now, "limit": limit, "excluded": list(excluded_tokens), "ids": list(excluded_ids)},
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


def record_successes(
    connection: Connection,
    observations: Mapping[int, ChangeObservation],
    now: datetime,
    default: timedelta,
    rng: random.Random,
) -> None:
    """Update the change rates of accounts and schedule their next refreshes; untracked accounts are ignored.

    observations  what a refresh found, by our id
    default       the cadence of accounts without one of their own
    """
    planned = [
        _next_refresh(tracked, observations[tracked.account_id], now, default, rng)
        for tracked in _tracking_rows(connection, list(observations))
    ]
    if not planned:
        return
    connection.execute(
        text("""
            UPDATE tracked_account
               SET due_at = planned.due_at, queued_at = NULL, job_id = NULL, failures = 0,
                   planned_cadence = planned.cadence, change_rate = rate, change_rate_shape = shape,
                   change_rate_samples = samples, stars = planned.stars, repositories = planned.repositories
              FROM unnest(CAST(:account_id AS bigint[]), CAST(:due_at AS timestamptz[]), CAST(:cadence AS interval[]),
                          CAST(:rate AS real[]), CAST(:shape AS real[]), CAST(:samples AS int[]),
                          CAST(:stars AS bigint[]), CAST(:repositories AS int[]))
                AS planned (account_id, due_at, cadence, rate, shape, samples, stars, repositories)
             WHERE tracked_account.account_id = planned.account_id
        """),
        {name: [row[name] for row in planned] for name in planned[0]},
    )


def _next_refresh(
    tracked: Row[Any], observation: ChangeObservation, now: datetime, default: timedelta, rng: random.Random
) -> dict[str, Any]:
    rate = _updated_change_rate(tracked, observation)
    cadence = _planned_interval(tracked, rate, observation)
    return {
        "account_id": tracked.account_id,
        "due_at": backoff.next_due_at(now, tracked.cadence or cadence or default, rng),
        "cadence": cadence,
        "rate": rate.changes_per_day,
        "shape": rate.shape,
        "samples": rate.samples,
        "stars": observation.stars,
        "repositories": observation.repositories,
    }


def record_failure(
    connection: Connection,
    account_id: int,
    now: datetime,
    default: timedelta,
    not_before: datetime | None,
    rng: random.Random | None = None,
) -> None:
    """Schedule a retry with backoff, never before *not_before*; untracked accounts are ignored."""
    for tracked in _tracking_rows(connection, [account_id]):
        failures = tracked.failures + 1
        interval = tracked.cadence or tracked.planned_cadence or default
        connection.execute(
            text(
                "UPDATE tracked_account SET due_at = :at, queued_at = NULL, job_id = NULL, failures = :failures"
                " WHERE account_id = :id"
            ),
            {
                "id": account_id,
                "at": backoff.retry_due_at(now, interval, failures, not_before, rng),
                "failures": failures,
            },
        )


def record_failed_jobs(connection: Connection, job_ids: Sequence[int], now: datetime, default: timedelta) -> int:
    """Schedule retries, with backoff, of the accounts that these jobs did not finish; returns how many."""
    account_ids = connection.scalars(
        text("SELECT account_id FROM tracked_account WHERE job_id = ANY(:jobs) ORDER BY account_id"),
        {"jobs": list(job_ids)},
    ).all()
    for account_id in account_ids:
        record_failure(connection, account_id, now, default, None, random.Random(account_id))  # noqa: S311 - jitter
    return len(account_ids)


def _updated_change_rate(tracked: Row[Any], observation: ChangeObservation) -> ChangeRate:
    if tracked.change_rate is None:
        rate = change_rate.default_change_rate(observation.stars)
    else:
        rate = ChangeRate(tracked.change_rate, tracked.change_rate_shape, tracked.change_rate_samples)
    if observation.days is None:
        return rate
    return rate.updated(observation.days, observation.changes, at_least=observation.at_least)


def _planned_interval(tracked: Row[Any], rate: ChangeRate, observation: ChangeObservation) -> timedelta | None:
    """Return the interval at the newest plan's shadow price; None (the default cadence) without a plan or estimate."""
    if tracked.shadow_price is None:
        return None
    if not rate.is_reliable:
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


def _tracking_rows(connection: Connection, account_ids: Sequence[int]) -> Sequence[Row[Any]]:
    return connection.execute(
        text("""
            SELECT account_id, tracked_account.cadence, planned_cadence, failures, priority, change_rate,
                   change_rate_shape, change_rate_samples, shadow_price, unit, shortest_cadence, longest_cadence,
                   slowdown, default_cadence * slowdown AS slowed_default_cadence
              FROM tracked_account
              LEFT JOIN (SELECT * FROM refresh_plan ORDER BY id DESC LIMIT 1) AS plan ON true
             WHERE account_id = ANY(CAST(:ids AS bigint[]))
             ORDER BY account_id
        """),
        {"ids": list(account_ids)},
    ).all()
