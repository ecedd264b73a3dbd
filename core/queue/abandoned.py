"""Jobs that nobody works on: hand them out again, or close them. Callers own the transaction.

Whoever works on a job holds its advisory lock, whatever happens to the worker's heartbeat or to the storing of the
job's end. A job that is marked as running without that lock is abandoned: its worker died, or could not store its end.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from core.queue import jobs
from core.queue.liveness import APPLICATION_NAME, CONFIRMATION_TIMEOUT, HEARTBEAT_TIMEOUT, JOB_LOCK_SPACE, START_GRACE

TERMINATION_TIMEOUT_MS = 2000
MAX_ATTEMPTS = 20
"""A job whose worker has died so often is not put back: it may be what workers die of."""


@dataclass(frozen=True)
class AbandonedJobs:
    """How many jobs were put back into the queue, and how many were closed because they cannot be put back.

    exhausted  ids of those that were closed after MAX_ATTEMPTS
    """

    requeued: int = 0
    closed: int = 0
    exhausted: tuple[int, ...] = ()


def release_abandoned_jobs(connection: Connection) -> AbandonedJobs:
    """Requeue abandoned jobs; close those that were cancelled or tried too often, or that a newer one replaces.

    At most one job per queueing lock may be queued, so the older of two can only be closed. The marks of its accounts
    are cleared by `jobs.release_orphaned_accounts`.
    """
    rows = connection.execute(
        text("""
            SELECT job.id, attempts + 1 >= :max_attempts AND NOT abort_requested AS is_exhausted,
                   job.abort_requested OR attempts + 1 >= :max_attempts OR EXISTS (
                       SELECT FROM procrastinate_jobs AS newer
                        WHERE newer.queueing_lock = job.queueing_lock AND newer.status = 'todo') AS is_to_close
              FROM procrastinate_jobs AS job
             WHERE job.status = 'doing' AND job.queue_name = ANY(:queues)
               AND NOT EXISTS (
                   SELECT FROM pg_locks
                    WHERE locktype = 'advisory' AND granted AND objsubid = 2
                      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                      AND classid::bigint = :space AND objid::bigint = job.id % 2147483648)
               AND (NOT EXISTS (
                        SELECT FROM procrastinate_workers AS worker
                         WHERE worker.id = job.worker_id AND worker.last_heartbeat > now() - :heartbeat_timeout)
                    OR coalesce((SELECT max(at) FROM procrastinate_events AS event
                                  WHERE event.job_id = job.id AND event.type = 'started'), '-infinity')
                       < now() - :start_grace)
               FOR UPDATE OF job SKIP LOCKED
        """),
        {
            "queues": list(jobs.QUEUES),
            "max_attempts": MAX_ATTEMPTS,
            "space": JOB_LOCK_SPACE,
            "heartbeat_timeout": HEARTBEAT_TIMEOUT,
            "start_grace": START_GRACE,
        },
    ).all()
    requeued = [row.id for row in rows if not row.is_to_close]
    closed = [row.id for row in rows if row.is_to_close]
    if requeued:
        connection.execute(
            text(
                "UPDATE procrastinate_jobs SET status = 'todo', worker_id = NULL, attempts = attempts + 1"
                " WHERE id = ANY(:ids)"
            ),
            {"ids": requeued},
        )
    if closed:
        connection.execute(
            text(
                "UPDATE procrastinate_jobs SET status = CASE WHEN abort_requested THEN 'aborted'"
                " ELSE 'failed' END::procrastinate_job_status, abort_requested = false WHERE id = ANY(:ids)"
            ),
            {"ids": closed},
        )
    return AbandonedJobs(len(requeued), len(closed), tuple(row.id for row in rows if row.is_exhausted))


def count_jobs_started_before(connection: Connection, at: datetime) -> int:
    """Count running jobs that were fetched before *at*, whether or not somebody works on them."""
    return (
        connection.scalar(
            text("""
                SELECT count(*) FROM procrastinate_jobs AS job
                 WHERE status = 'doing' AND queue_name = ANY(:queues)
                   AND (SELECT max(event.at) FROM procrastinate_events AS event
                         WHERE event.job_id = job.id AND event.type = 'started') < :at
            """),
            {"queues": list(jobs.QUEUES), "at": at},
        )
        or 0
    )


def disconnect_frozen_processes(connection: Connection) -> int:
    """End the connections that hold locks of jobs and runs without confirming them; returns how many.

    Their process is stopped (SIGSTOP, a suspended machine) or its machine is unreachable.
    """
    return (
        connection.scalar(
            text("""
                SELECT count(pg_terminate_backend(pid, :timeout))
                  FROM pg_stat_activity
                 WHERE datname = current_database() AND application_name = :application_name AND state = 'idle'
                   AND state_change < clock_timestamp() - CAST(:confirmation_timeout AS interval)
            """),
            {
                "application_name": APPLICATION_NAME,
                "confirmation_timeout": CONFIRMATION_TIMEOUT,
                "timeout": TERMINATION_TIMEOUT_MS,
            },
        )
        or 0
    )
