"""Kinds of facts (enrichment), how often each is collected, and deferring the jobs that collect them.

The rate budget is spent by priority. An enrichment starts only while more than its kind's reserve is left, so
enrichments stop first; then scheduled refreshes, which leave `cost_model.INTERACTIVE_RESERVE` for people who are
waiting. Without a token there are only 60 requests an hour, and enrichments leave most of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from sqlalchemy import Connection, text

from core.queue import jobs

STAR_HISTORY_TASK, ENRICHMENT_TASK = "star_history", "enrichment"
"""Task names."""
BATCH_SIZE = 500
"""Maximum of repositories in one job, so that a job does not block the queue for long."""
PRIORITY = -10
"""After all refreshes, scheduled or requested by a person."""
ANONYMOUS_RESERVE = 0.7
MAX_TRIES_WHILE_COMPUTING = 5

FactKindName = Literal[
    "star_history", "star_backfill", "extras", "releases", "contributors", "commit_activity", "contributions", "traffic"
]


@dataclass(frozen=True)
class FactKind:
    """One kind of fact.

    interval        how often it is collected where the repository changed since
    quiet_interval  how often where it did not
    reserve         share of the hourly rate limit that must be left for other work
    task            task name: star history has a task of its own
    is_per_user     a fact of users instead of repositories
    batch_size      subjects per request
    """

    name: FactKindName
    label: str
    interval: timedelta
    quiet_interval: timedelta
    reserve: float
    task: str = ENRICHMENT_TASK
    is_per_user: bool = False
    batch_size: int = 1

    def reserve_for(self, *, is_anonymous: bool) -> float:
        return max(self.reserve, ANONYMOUS_RESERVE) if is_anonymous else self.reserve


DAY = timedelta(days=1)
# In the order of collection when several are due.
FACT_KINDS: dict[str, FactKind] = {
    kind.name: kind
    for kind in (
        FactKind("star_history", "star history", DAY, 7 * DAY, 0.4, STAR_HISTORY_TASK),
        FactKind("star_backfill", "star history of the past", DAY, 7 * DAY, 0.5, STAR_HISTORY_TASK),
        FactKind("extras", "watchers, open issues and change requests", DAY, 7 * DAY, 0.5, batch_size=100),
        FactKind("releases", "releases", DAY, 7 * DAY, 0.6),
        FactKind("contributions", "contributions of users", DAY, DAY, 0.6, is_per_user=True),
        FactKind("commit_activity", "commit activity", 3 * DAY, 14 * DAY, 0.6),
        FactKind("contributors", "contributors", 7 * DAY, 30 * DAY, 0.6),
        FactKind("traffic", "traffic", DAY, DAY, 0.6),
    )
}


def defer_facts(
    connection: Connection, kind: str, ids: Sequence[int], token: str | None, origin: jobs.JobOrigin | None = None
) -> int | None:
    """Queue one kind of fact for some repositories (or users) of one token; return the job id.

    Returns None while such a job of that token is queued; what is due stays due. Callers check `busy_locks` first:
    while a job runs, none may be queued, or the running one could not be requeued when the budget is exhausted.
    """
    origin = origin or jobs.JobOrigin("schedule")
    task = FACT_KINDS[kind].task
    return jobs.defer_once(
        connection,
        task,
        lock=job_lock(kind, token),
        priority=PRIORITY,
        kind=kind,
        ids=list(ids),
        token=token,
        trigger=origin.trigger,
        by=origin.by,
        request_id=origin.request_id,
    )


def job_lock(kind: str, token: str | None) -> str:
    """Return the lock that allows one running and one queued job per task and token."""
    return f"{FACT_KINDS[kind].task}:{token or 'anonymous'}"


def busy_locks(connection: Connection) -> set[str]:
    """Return the locks of queued and running jobs."""
    return set(
        connection.scalars(
            text("SELECT lock FROM procrastinate_jobs WHERE status IN ('todo', 'doing') AND task_name = ANY(:tasks)"),
            {"tasks": [STAR_HISTORY_TASK, ENRICHMENT_TASK]},
        )
    )


def has_waiting_urgent_jobs(connection: Connection) -> bool:
    """Return whether a job of higher priority than enrichments is queued."""
    return bool(
        connection.scalar(
            text(
                "SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE queue_name = :queue AND status = 'todo'"
                " AND priority > :priority AND (scheduled_at IS NULL OR scheduled_at <= now()))"
            ),
            {"queue": jobs.QUEUE, "priority": PRIORITY},
        )
    )
