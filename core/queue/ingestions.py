"""Ingestions: one request to refresh accounts, split into any number of jobs. Callers own the transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from core.queue import jobs
from core.queue.jobs import JobOrigin


@dataclass(frozen=True)
class StartedIngestion:
    """Result of `start`. If all accounts were queued already, `id` is the ingestion that contains them."""

    id: int
    accounts: int
    queued_already: int

    @property
    def is_new(self) -> bool:
        return self.accounts > 0


def start(
    connection: Connection, account_ids: Sequence[int], origin: JobOrigin, now: datetime
) -> StartedIngestion | None:
    """Refresh these accounts (our ids) ahead of scheduled refreshes; return None when there are none.

    Accounts that are already queued move to the front.
    """
    active_id = find_active_ingestion(connection, account_ids)
    if active_id is not None:
        _raise_priority(connection, account_ids)
    ingestion_id = jobs.create_ingestion(connection, origin, now)
    job_origin = replace(origin, ingestion_id=ingestion_id)
    jobs.defer_refresh(connection, account_ids, job_origin, now, jobs.PRIORITY_PERSON)
    accounts = connection.scalar(text("SELECT accounts FROM ingestion WHERE id = :id"), {"id": ingestion_id}) or 0
    if accounts:
        return StartedIngestion(ingestion_id, accounts, len(set(account_ids)) - accounts)
    connection.execute(text("DELETE FROM ingestion WHERE id = :id"), {"id": ingestion_id})
    return StartedIngestion(active_id, 0, len(set(account_ids))) if active_id is not None else None


def find_active_ingestion(connection: Connection, account_ids: Sequence[int]) -> int | None:
    """Return the newest ingestion in which one of these accounts is still queued."""
    found: int | None = connection.scalar(
        text(
            "SELECT max(ingestion_id) FROM tracked_account JOIN ingestion_job USING (job_id)"
            " WHERE account_id = ANY(:ids) AND queued_at IS NOT NULL"
        ),
        {"ids": list(account_ids)},
    )
    return found


def cancel(connection: Connection, ingestion_id: int, by: str, now: datetime, every: timedelta) -> bool:
    """Cancel the queued jobs and let running ones stop after their current account; False when it has ended already.

    Accounts that were not reached become due again after their cadence (default: *every*), not immediately.
    """
    open_jobs = connection.scalars(
        text(
            "SELECT job_id FROM ingestion_job JOIN procrastinate_jobs AS job ON job.id = job_id"
            " WHERE ingestion_id = :id AND status IN ('todo', 'doing')"
        ),
        {"id": ingestion_id},
    ).all()
    if not open_jobs:
        return False
    connection.execute(
        text("UPDATE ingestion SET cancelled_at = :now, cancelled_by = :by WHERE id = :id AND cancelled_at IS NULL"),
        {"id": ingestion_id, "now": now, "by": by},
    )
    connection.execute(
        text(
            "UPDATE tracked_account SET due_at = greatest(due_at, :now + coalesce(cadence, planned_cadence, :every))"
            " WHERE job_id = ANY(:jobs)"
        ),
        {"jobs": list(open_jobs), "now": now, "every": every},
    )
    for job_id in open_jobs:
        jobs.cancel_job(connection, job_id)
    jobs.release_orphaned_accounts(connection)
    return True


def _raise_priority(connection: Connection, account_ids: Sequence[int]) -> None:
    connection.execute(
        text(
            "UPDATE procrastinate_jobs SET priority = :priority WHERE status = 'todo' AND priority < :priority"
            " AND id IN (SELECT job_id FROM tracked_account WHERE account_id = ANY(:ids))"
        ),
        {"ids": list(account_ids), "priority": jobs.PRIORITY_PERSON},
    )
