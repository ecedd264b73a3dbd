"""Facts besides the pulse: which kinds there are, how often each is read, and the jobs that read them.

The budget is spent in this order, whoever works where. A reading starts only while more than its kind's share of
the bucket is left, so readings end first; then the pulse, which leaves a twentieth; people who wait may take that.
Without a token there are only sixty requests an hour, and readings leave most of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from sqlalchemy import Connection, text

from core.queue import jobs

STAR_HISTORY_TASK, ENRICHMENT_TASK = "star_history", "enrichment"
"""Names of the tasks."""
BATCH_SIZE = 500
"""Repositories in one job: as many as it can ask for before it gives way to others."""
PRIORITY = -10
"""Behind everything that the timetable or a person wants refreshed."""
ANONYMOUS_RESERVE = 0.7
MAX_TRIES_WHILE_COMPUTING = 5

FactKindName = Literal[
    "star_history", "star_backfill", "extras", "releases", "contributors", "commit_activity", "contributions", "traffic"
]


@dataclass(frozen=True)
class FactKind:
    """One kind of fact.

    every        how often it is read where something moved since
    quiet_every  how often where nothing did
    reserve      share of the hourly budget that has to be left for others
    task         which of the two queues it goes through: star history has one of its own
    of_users     it is told of users, not of repositories
    batch        how many are asked for at once
    """

    name: FactKindName
    label: str
    every: timedelta
    quiet_interval: timedelta
    reserve: float
    task: str = ENRICHMENT_TASK
    is_per_user: bool = False
    batch_size: int = 1

    def reserve_for(self, *, is_anonymous: bool) -> float:
        return max(self.reserve, ANONYMOUS_RESERVE) if is_anonymous else self.reserve


DAY = timedelta(days=1)
# In the order in which they are asked for when several are due.
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
    connection: Connection, kind: str, ids: Sequence[int], token: str | None, asked: jobs.JobOrigin | None = None
) -> int | None:
    """Ask for one kind of fact of some repositories (or users) of one token; returns the id of the job.

    None while another such job of that token waits: what is due will be due still. Whoever queues looks at `busy`
    first: while a job is worked on, no other one may wait, or it could not go back when the budget is spent.
    """
    asked = asked or jobs.JobOrigin("schedule")
    task = FACT_KINDS[kind].task
    return jobs.defer_once(
        connection,
        task,
        lock=job_lock(kind, token),
        priority=PRIORITY,
        kind=kind,
        ids=list(ids),
        token=token,
        trigger=asked.trigger,
        by=asked.by,
        request_id=asked.request_id,
    )


def job_lock(kind: str, token: str | None) -> str:
    """What one job at a time holds, and one more may wait for."""
    return f"{FACT_KINDS[kind].task}:{token or 'anonymous'}"


def busy_locks(connection: Connection) -> set[str]:
    """The locks whose job waits or is worked on."""
    return set(
        connection.scalars(
            text("SELECT lock FROM procrastinate_jobs WHERE status IN ('todo', 'doing') AND task_name = ANY(:tasks)"),
            {"tasks": [STAR_HISTORY_TASK, ENRICHMENT_TASK]},
        )
    )


def has_waiting_urgent_jobs(connection: Connection) -> bool:
    """Whether a job waits that comes before readings: one that refreshes, or tells somebody something."""
    return bool(
        connection.scalar(
            text(
                "SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE queue_name = :queue AND status = 'todo'"
                " AND priority > :priority AND (scheduled_at IS NULL OR scheduled_at <= now()))"
            ),
            {"queue": jobs.QUEUE, "priority": PRIORITY},
        )
    )
