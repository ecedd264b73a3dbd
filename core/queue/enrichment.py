"""Kinds of facts (enrichment), how often each is collected, and deferring the jobs that collect them.

The rate budget is spent by priority. An enrichment starts only while more than its kind's reserve is left, so
enrichments stop first; then scheduled refreshes, which leave `cost_model.INTERACTIVE_RESERVE` for people who are
waiting. Without a token there are only 60 requests an hour, and enrichments leave most of them.

Kinds that spend the same rate limit (`resource`) take turns, in proportion to their `weight`
(`ingest/planning/fair_queue.py`). To add a kind: a `FactKind` here, when it applies in `ingest/enrichment/due.py`,
how it is fetched and stored in `ingest/enrichment/handlers.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from sqlalchemy import Connection, text

from core.budget.cost_model import ACCOUNTS_PER_QUERY, CONNECTIONS_PER_POINT
from core.queue import jobs

ENRICHMENT_TASK = "enrichment"
"""Task name."""
MAX_SUBJECTS = 1000
"""Maximum of subjects in one job."""
PRIORITY = -10
"""After all refreshes, scheduled or requested by a person."""
RESERVE = 0.4
IDLE_RESERVE = 0.75
ANONYMOUS_RESERVE = 0.7
MAX_TRIES_WHILE_COMPUTING = 5

Resource = Literal["core", "graphql"]
RESOURCES: tuple[Resource, ...] = ("core", "graphql")
FactKindName = Literal[
    "star_history", "star_backfill", "extras", "releases", "contributors", "commit_activity", "contributions",
    "traffic", "account_counts", "fork_languages",
]  # fmt: skip


@dataclass(frozen=True)
class FactKind:
    """One kind of fact.

    interval         how often it is collected where the repository changed since
    quiet_interval   how often where it did not
    weight           share of enrichment's budget, relative to the other kinds of this resource that are due
    resource         GitHub's rate limit that it spends
    is_idle          collected only from budget that would be left over
    is_per_user      a fact of users instead of repositories
    batch_size       subjects per request
    cost             expected requests or points for one batch, until it was measured
    """

    name: FactKindName
    label: str
    interval: timedelta
    quiet_interval: timedelta
    weight: int
    resource: Resource = "core"
    is_idle: bool = False
    is_per_user: bool = False
    batch_size: int = 1
    cost: float = 1.0

    def reserve_for(self, *, is_anonymous: bool) -> float:
        """Return the share of the hourly rate limit that must be left for other work: the same for all kinds.

        Kinds with different reserves would not share: the one with the smallest would take what the others may not.
        Only idle kinds have a larger one.
        """
        return max(IDLE_RESERVE if self.is_idle else RESERVE, ANONYMOUS_RESERVE if is_anonymous else 0.0)


DAY = timedelta(days=1)
# What a page shows first has the largest weight.
FACT_KINDS: dict[str, FactKind] = {
    kind.name: kind
    for kind in (
        FactKind("star_history", "star history", DAY, 7 * DAY, 5),
        FactKind("releases", "releases", DAY, 7 * DAY, 3),
        FactKind("contributors", "contributors", 7 * DAY, 30 * DAY, 3, cost=1.5),
        FactKind("commit_activity", "commit activity", 3 * DAY, 14 * DAY, 3),
        FactKind("star_backfill", "star history of the past", DAY, 7 * DAY, 2, cost=5),
        FactKind("traffic", "traffic", DAY, DAY, 1, cost=2),
        FactKind("extras", "watchers, open issues and change requests", DAY, 7 * DAY, 4, "graphql", batch_size=100),
        FactKind("contributions", "contributions of users", DAY, DAY, 3, "graphql", is_per_user=True),
        # 74 users with two connections each, or the languages of 149 repositories, are one point.
        FactKind(
            "account_counts", "accounts followed and gists", 7 * DAY, 7 * DAY, 1, "graphql",
            is_per_user=True, batch_size=ACCOUNTS_PER_QUERY,
        ),
        FactKind(
            "fork_languages", "languages of forks", 7 * DAY, 30 * DAY, 1, "graphql",
            is_idle=True, batch_size=CONNECTIONS_PER_POINT,
        ),
    )
}  # fmt: skip


def defer_facts(
    connection: Connection,
    kind: str,
    ids: Sequence[int],
    token: str | None,
    *,
    max_cost: int | None = None,
    for_people: bool = False,
) -> int | None:
    """Queue one kind of fact for some repositories (or users) of one token; return the job id.

    The job ends when it has cost *max_cost* requests or points. *for_people*: somebody opened these subjects lately.

    Returns None while such a job of that token is queued; what is due stays due. Callers check `busy_locks` first:
    while a job runs, none may be queued, or the running one could not be requeued when the budget is exhausted.
    """
    return jobs.defer_once(
        connection,
        ENRICHMENT_TASK,
        lock=job_lock(FACT_KINDS[kind].resource, token),
        priority=PRIORITY,
        kind=kind,
        ids=list(ids),
        token=token,
        max_cost=max_cost,
        for_people=for_people,
    )


def job_lock(resource: Resource, token: str | None) -> str:
    """Return the lock that allows one running and one queued job per rate limit and token."""
    return f"{ENRICHMENT_TASK}:{resource}:{token or 'anonymous'}"


def busy_locks(connection: Connection) -> set[str]:
    """Return the locks of queued and running jobs."""
    return set(
        connection.scalars(
            text("SELECT lock FROM procrastinate_jobs WHERE status IN ('todo', 'doing') AND task_name = :task"),
            {"task": ENRICHMENT_TASK},
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
