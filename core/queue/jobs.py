"""Defer jobs to the queue (procrastinate). This module has names and arguments; workers register the functions."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any
from uuid import uuid4

import procrastinate
from sqlalchemy import Connection, text

from core.budget.cost_model import ACCOUNTS_PER_QUERY, page_count

REFRESH = "refresh"
DELIVER = "deliver"
LOOKUP = "lookup"
QUEUE = "ingest"
DELIVERY_LOCK_PREFIX = "deliver:"
DELIVERIES = "deliveries"
"""A queue of its own for webhooks: a slow receiver never keeps an ingestion waiting."""
QUEUES = (QUEUE, DELIVERIES)
"""Each worker process registers one procrastinate worker for each queue."""
BATCH_SIZE = ACCOUNTS_PER_QUERY
"""Accounts in one job, unless the caller wants more: a GraphQL query costs the same for one as for many."""

MAX_REPOSITORIES_PER_JOB = 100_000
"""The pages of large accounts arrive together: a worker holds what they list until each account is complete."""

RETENTION = timedelta(days=31)
"""How long jobs that failed or were cancelled are kept."""

PRIORITY_SCHEDULE = 0
PRIORITY_PERSON = 10
PRIORITY_INTERACTIVE = 20
"""A person is waiting for the result on the screen."""


@dataclass(frozen=True)
class JobOrigin:
    """Who requested a job and why; stored with the job and its run."""

    trigger: str
    by: str | None = None
    request_id: str | None = None
    ingestion_id: int | None = None
    """The ingestion that the job belongs to; None starts a new one."""


@dataclass(frozen=True)
class AccountToQueue:
    """What decides into which job an account is packed; `repositories` as of its last refresh."""

    account_id: int
    token: str | None = None
    repositories: int = 0
    priority: int = 0


@lru_cache(maxsize=1)
def _procrastinate_app() -> procrastinate.App:
    """Return an app for deferring only: it uses the caller's connection and never opens one."""
    return procrastinate.App(connector=procrastinate.SyncPsycopgConnector())


def defer_refresh(
    connection: Connection,
    account_ids: Sequence[int],
    origin: JobOrigin,
    now: datetime,
    priority: int = PRIORITY_SCHEDULE,
    batch_size: int = BATCH_SIZE,
) -> list[int]:
    """Queue the refresh of these accounts (our ids), packed by `pack_into_jobs`; return the job ids.

    The jobs, and the marks that keep an account from being queued twice, are written in *connection*'s transaction.
    Accounts that are already queued are skipped.
    """
    unqueued = set(
        connection.scalars(
            text(
                "SELECT account_id FROM tracked_account WHERE account_id = ANY(:ids) AND queued_at IS NULL"
                " ORDER BY account_id FOR UPDATE SKIP LOCKED"
            ),
            {"ids": list(account_ids)},
        )
    )
    rows = connection.execute(
        text(
            "SELECT id, token_fingerprint, coalesce(repositories, 0), coalesce(tracked_account.priority, 0),"
            "       tracked_account.account_id IS NOT NULL AS is_tracked"
            "  FROM account LEFT JOIN tracked_account ON tracked_account.account_id = account.id"
            " WHERE account.id = ANY(:ids)"
        ),
        {"ids": list(account_ids)},
    ).all()
    found = {row.id: AccountToQueue(*row[:4]) for row in rows}
    tracked = {row.id for row in rows if row.is_tracked}
    # An untracked account has no mark; the queueing lock of its job keeps it from being queued twice.
    to_queue = [id_ for id_ in dict.fromkeys(account_ids) if id_ in unqueued or id_ not in tracked]
    jobs: list[int] = []
    if to_queue and origin.ingestion_id is None:
        origin = replace(origin, ingestion_id=create_ingestion(connection, origin, now))
    for batch in pack_into_jobs([found.get(id_, AccountToQueue(id_)) for id_ in to_queue], batch_size):
        job = _defer_batch(connection, batch, origin, priority, is_marked=tracked.issuperset(batch))
        if job is None:
            continue
        jobs.append(job)
        _record_job(connection, origin.ingestion_id, job, len(batch))
        connection.execute(
            text("UPDATE tracked_account SET queued_at = :now, job_id = :job WHERE account_id = ANY(:ids)"),
            {"now": now, "job": job, "ids": batch},
        )
    return jobs


def pack_into_jobs(accounts: Iterable[AccountToQueue], size: int = BATCH_SIZE) -> list[list[int]]:
    """Pack accounts into jobs of at most *size*, each with one token, the highest priority first; return our ids.

    A query is sent with one token: mixed ones would need a query, and a point, each. Of equal priority those with the
    most pages come first and together: the pages of one account come one after the other, and only the same page of
    many accounts fills a query. `cost_model.refresh_cost` supposes that.
    """
    jobs: list[list[int]] = []
    newest: dict[str | None, tuple[list[int], int]] = {}
    for one in sorted(accounts, key=lambda one: (-one.priority, -page_count(one.repositories))):
        job, repositories = newest.get(one.token, ([], 0))
        if not job or len(job) >= size or repositories + one.repositories > MAX_REPOSITORIES_PER_JOB:
            job, repositories = [], 0
            jobs.append(job)
        job.append(one.account_id)
        newest[one.token] = job, repositories + one.repositories
    return jobs


def defer_lookup(connection: Connection, lookup_id: str) -> None:
    """Queue a lookup of logins at GitHub; `core.queue.lookups` stores which."""
    defer_once(connection, LOOKUP, lock=lookup_lock(lookup_id), priority=PRIORITY_INTERACTIVE, lookup_id=lookup_id)


def lookup_lock(lookup_id: str) -> str:
    return f"lookup:{lookup_id}"


def defer_delivery(connection: Connection, delivery_id: int) -> None:
    """Queue a webhook delivery in *connection*'s transaction, which also writes the row with its content."""
    defer_once(
        connection,
        DELIVER,
        queue=DELIVERIES,
        lock=f"{DELIVERY_LOCK_PREFIX}{delivery_id}",
        priority=PRIORITY_PERSON,
        delivery_id=delivery_id,
    )


def create_ingestion(connection: Connection, origin: JobOrigin, now: datetime, accounts: int = 0) -> int:
    """Insert the ingestion that jobs and runs refer to; return its id."""
    ingestion_id: int = connection.execute(
        text(
            "INSERT INTO ingestion (trigger, requested_by, request_id, accounts, started_at)"
            " VALUES (:trigger, :by, :request_id, :accounts, :now) RETURNING id"
        ),
        {"trigger": origin.trigger, "by": origin.by, "request_id": origin.request_id, "accounts": accounts, "now": now},
    ).scalar_one()
    return ingestion_id


def cancel_job(connection: Connection, job_id: int) -> None:
    """Cancel a job that no worker has started, or request a running one to stop."""
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


def _defer_batch(
    connection: Connection, batch: Sequence[int], origin: JobOrigin, priority: int, *, is_marked: bool
) -> int | None:
    """Queue one job; if the accounts are not all marked, the lock of their ids keeps them from being queued twice.

    Marked accounts get a lock of their own: an older job that was put back must not swallow a new request.
    """
    ids = blake2b(",".join(map(str, batch)).encode(), digest_size=12).hexdigest()
    name = uuid4().hex if is_marked else ids
    return defer_once(
        connection, REFRESH, lock=f"refresh:{name}", priority=priority, account_ids=list(batch), **asdict(origin)
    )


def defer_once(
    connection: Connection, task: str, *, lock: str, priority: int, queue: str = QUEUE, **arguments: Any
) -> int | None:
    """Queue a job in *connection*'s transaction; return its id, or None while a job with this *lock* is queued."""
    job = _procrastinate_app().configure_task(
        task,
        queue=queue,
        priority=priority,
        lock=lock,
        queueing_lock=lock,
        connection=connection.connection.driver_connection,
    )
    try:
        # Without a savepoint a duplicate would abort the whole transaction.
        with connection.begin_nested():
            return job.defer(**arguments)
    except procrastinate.exceptions.AlreadyEnqueued:
        return None


def is_queued(connection: Connection, queueing_lock: str) -> bool:
    """Return whether a job with this lock waits in the queue."""
    return bool(
        connection.scalar(
            text("SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE queueing_lock = :lock AND status = 'todo')"),
            {"lock": queueing_lock},
        )
    )


def has_job(connection: Connection, lock: str) -> bool:
    """Return whether a job with this lock waits in the queue or runs."""
    return bool(
        connection.scalar(
            text("SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE lock = :lock AND status IN ('todo', 'doing'))"),
            {"lock": lock},
        )
    )


def delete_ended_jobs(connection: Connection, now: datetime) -> int:
    """Delete jobs that failed or were cancelled more than a month ago, with their events; returns how many.

    Workers delete those that succeed.
    """
    return connection.execute(
        text("""
            DELETE FROM procrastinate_jobs AS job
             WHERE status NOT IN ('todo', 'doing') AND NOT EXISTS (
                   SELECT FROM procrastinate_events AS event WHERE event.job_id = job.id AND event.at >= :before)
        """),
        {"before": now - RETENTION},
    ).rowcount


def release_orphaned_accounts(connection: Connection) -> int:
    """Clear the marks of accounts whose job ended or was deleted, so that they can be queued again; return how many."""
    return connection.execute(
        text(
            "UPDATE tracked_account SET queued_at = NULL, job_id = NULL"
            " WHERE job_id IS NOT NULL AND NOT EXISTS (SELECT FROM procrastinate_jobs"
            "       WHERE id = tracked_account.job_id AND status IN ('todo', 'doing'))"
        )
    ).rowcount
