"""The queue: what can be asked of the ingestor. Names and arguments only; workers know what to do."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import procrastinate
from sqlalchemy import Connection, text

REFRESH = "refresh"
DELIVER = "deliver"
LOOKUP = "lookup"
QUEUE = "ingest"
BATCH_SIZE = 50
"""Accounts in one job: a GraphQL query costs the same for one as for many."""

PRIORITY_SCHEDULE = 0
PRIORITY_PERSON = 10
PRIORITY_INTERACTIVE = 20
"""Somebody looks at the screen until it is done."""


@dataclass(frozen=True)
class JobOrigin:
    """Who wants something done and why: kept with the job and with its run."""

    trigger: str
    by: str | None = None
    request_id: str | None = None
    ingestion_id: int | None = None
    """The ingestion that this belongs to; None: one of its own."""


@lru_cache(maxsize=1)
def _procrastinate_app() -> procrastinate.App:
    """An app that only defers: jobs go out on the caller's own connection, so it never opens one."""
    return procrastinate.App(connector=procrastinate.SyncPsycopgConnector())


def defer_refresh(
    connection: Connection,
    account_ids: Sequence[int],
    asked: JobOrigin,
    now: datetime,
    priority: int = PRIORITY_SCHEDULE,
) -> list[int]:
    """Ask for these accounts (our ids), in batches; returns the ids of the jobs.

    The jobs and the marks that keep an account from being queued twice are in *connection*'s transaction: both
    happen or neither. Accounts that are already queued are left out.
    """
    free = connection.scalars(
        text(
            "SELECT account_id FROM tracked_account WHERE account_id = ANY(:ids) AND queued_at IS NULL"
            " ORDER BY account_id FOR UPDATE SKIP LOCKED"
        ),
        {"ids": list(account_ids)},
    ).all()
    # What is not tracked has no mark; its job's queueing lock keeps it from being queued twice.
    tracked = set(
        connection.scalars(
            text("SELECT account_id FROM tracked_account WHERE account_id = ANY(:ids)"), {"ids": list(account_ids)}
        )
    )
    wanted = [*free, *(id_ for id_ in dict.fromkeys(account_ids) if id_ not in tracked)]
    jobs: list[int] = []
    if wanted and asked.ingestion_id is None:
        asked = replace(asked, ingestion_id=create_ingestion(connection, asked, now))
    for start in range(0, len(wanted), BATCH_SIZE):
        job = _defer_batch(connection, wanted[start : start + BATCH_SIZE], asked, priority)
        if job is None:
            continue
        jobs.append(job)
        _record_job(connection, asked.ingestion_id, job, len(wanted[start : start + BATCH_SIZE]))
        connection.execute(
            text("UPDATE tracked_account SET queued_at = :now, job_id = :job WHERE account_id = ANY(:ids)"),
            {"now": now, "job": job, "ids": wanted[start : start + BATCH_SIZE]},
        )
    return jobs


def defer_lookup(connection: Connection, lookup_id: str) -> None:
    """Let a worker ask GitHub who some logins belong to; `core.queue.lookups` holds which."""
    defer_once(connection, LOOKUP, lock=f"lookup:{lookup_id}", priority=PRIORITY_INTERACTIVE, lookup_id=lookup_id)


def defer_delivery(connection: Connection, delivery_id: int) -> None:
    """Let a worker tell a webhook; in *connection*'s transaction, with the row that says what to tell."""
    defer_once(connection, DELIVER, lock=f"deliver:{delivery_id}", priority=PRIORITY_PERSON, delivery_id=delivery_id)


def create_ingestion(connection: Connection, asked: JobOrigin, now: datetime, accounts: int = 0) -> int:
    """Write down that somebody asked; jobs and runs refer to it. Returns its id."""
    ingestion_id: int = connection.execute(
        text(
            "INSERT INTO ingestion (trigger, requested_by, request_id, accounts, started_at)"
            " VALUES (:trigger, :by, :request_id, :accounts, :now) RETURNING id"
        ),
        {"trigger": asked.trigger, "by": asked.by, "request_id": asked.request_id, "accounts": accounts, "now": now},
    ).scalar_one()
    return ingestion_id


def cancel_job(connection: Connection, job_id: int) -> None:
    """Take a job back that nobody began; ask whoever works on it to stop."""
    _procrastinate_app().job_manager.cancel_job_by_id(
        job_id, abort=True, connection=connection.connection.driver_connection
    )


def _record_job(connection: Connection, ingestion_id: int | None, job_id: int, accounts: int) -> None:
    connection.execute(
        text(
            "WITH job AS (INSERT INTO ingestion_job (ingestion_id, job_id, accounts)"
            "             VALUES (:ingestion, :job, :accounts))"
            " UPDATE ingestion SET accounts = accounts + :accounts WHERE id = :ingestion"
        ),
        {"ingestion": ingestion_id, "job": job_id, "accounts": accounts},
    )


def _defer_batch(connection: Connection, batch: Sequence[int], asked: JobOrigin, priority: int) -> int | None:
    name = blake2b(",".join(map(str, batch)).encode(), digest_size=12).hexdigest()
    return defer_once(
        connection, REFRESH, lock=f"refresh:{name}", priority=priority, account_ids=list(batch), **asdict(asked)
    )


def defer_once(connection: Connection, task: str, *, lock: str, priority: int, **arguments: Any) -> int | None:
    """Queue a job in *connection*'s transaction; None while another one of the same *lock* waits."""
    job = _procrastinate_app().configure_task(
        task,
        queue=QUEUE,
        priority=priority,
        lock=lock,
        queueing_lock=lock,
        connection=connection.connection.driver_connection,
    )
    try:
        # A duplicate would void the whole transaction without a savepoint of its own.
        with connection.begin_nested():
            return job.defer(**arguments)
    except procrastinate.exceptions.AlreadyEnqueued:
        return None


def release_orphaned_accounts(connection: Connection) -> int:
    """Clear the marks of accounts whose job is over or gone, so that they become due again; returns how many."""
    return connection.execute(
        text(
            "UPDATE tracked_account SET queued_at = NULL, job_id = NULL"
            " WHERE job_id IS NOT NULL AND NOT EXISTS (SELECT FROM procrastinate_jobs"
            "       WHERE id = tracked_account.job_id AND status IN ('todo', 'doing'))"
        )
    ).rowcount
