"""An ingestion is what was asked for at once, however many jobs and workers share it. Callers own the transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from core.queue import jobs
from core.queue.jobs import JobOrigin


@dataclass(frozen=True)
class StartedIngestion:
    """What came of asking. Accounts that were queued already are not queued again: `id` is then the one they are in."""

    id: int
    accounts: int
    queued_already: int

    @property
    def is_new(self) -> bool:
        return self.accounts > 0


def start(
    connection: Connection, account_ids: Sequence[int], asked: JobOrigin, now: datetime
) -> StartedIngestion | None:
    """Let these accounts (our ids) be refreshed before what the timetable wants; None when there are none.

    Those that wait already are moved to the front.
    """
    before = find_active_ingestion(connection, account_ids)
    if before is not None:
        _raise_priority(connection, account_ids)
    ingestion_id = jobs.create_ingestion(connection, asked, now)
    order = replace(asked, ingestion_id=ingestion_id)
    jobs.defer_refresh(connection, account_ids, order, now, jobs.PRIORITY_PERSON)
    accounts = connection.scalar(text("SELECT accounts FROM ingestion WHERE id = :id"), {"id": ingestion_id}) or 0
    if accounts:
        return StartedIngestion(ingestion_id, accounts, len(set(account_ids)) - accounts)
    connection.execute(text("DELETE FROM ingestion WHERE id = :id"), {"id": ingestion_id})
    return StartedIngestion(before, 0, len(set(account_ids))) if before is not None else None


def find_active_ingestion(connection: Connection, account_ids: Sequence[int]) -> int | None:
    """The newest ingestion that has any of these accounts still to do."""
    found: int | None = connection.scalar(
        text(
            "SELECT max(ingestion_id) FROM tracked_account JOIN ingestion_job USING (job_id)"
            " WHERE account_id = ANY(:ids) AND queued_at IS NOT NULL"
        ),
        {"ids": list(account_ids)},
    )
    return found


def cancel(connection: Connection, ingestion_id: int, by: str, now: datetime, every: timedelta) -> bool:
    """Take back what nobody began, and ask those at work to stop after the account in hand; False when it was over.

    What was not reached comes up again in its usual cadence (*every* where it has none of its own), not at once.
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
