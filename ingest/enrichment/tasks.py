"""The enrichment tasks of a worker's queue."""

from datetime import datetime

import procrastinate
import structlog

from core.queue import enrichment, jobs
from ingest.enrichment.job import Enricher
from ingest.github.http.rate_gate import StopSignal
from ingest.locked_jobs import RetryUnlessReplaced


class JobPostponed(Exception):
    """The job has to wait until GitHub's pause ends, or until GitHub is available again."""

    def __init__(self, retry_at: datetime, reason: str | None) -> None:
        self.retry_at = retry_at
        super().__init__(f"{reason}; continues at {retry_at:%H:%M:%S} UTC")


class PostponedRetryStrategy(procrastinate.BaseRetryStrategy):
    """Retries a postponed job without an attempt limit; meanwhile its lock keeps other jobs from being queued."""

    def get_retry_decision(
        self,
        *,
        exception: BaseException,
        job: procrastinate.jobs.Job,  # noqa: ARG002  (procrastinate gives both)
    ) -> procrastinate.RetryDecision | None:
        if isinstance(exception, JobPostponed):
            return procrastinate.RetryDecision(retry_at=exception.retry_at)
        # A failed job is not retried: what is still due is queued again within a minute.
        return None


def register_tasks(app: procrastinate.App, enricher: Enricher, stop: StopSignal) -> None:
    def enrich(
        context: procrastinate.JobContext,
        /,
        kind: str,
        ids: list[int],
        token: str | None = None,
        max_cost: int | None = None,
        for_people: bool = False,
    ) -> None:
        with structlog.contextvars.bound_contextvars(job_id=context.job.id):
            run = enricher.run(
                kind, ids, token=token, stop=stop, job_id=context.job.id, max_cost=max_cost, for_people=for_people
            )
        # A postponed job would keep the place of kinds with a smaller reserve: the scheduler decides who is next.
        if run.retry_at is not None and not run.is_at_reserve:
            raise JobPostponed(run.retry_at, run.stop_reason)

    retry = RetryUnlessReplaced(PostponedRetryStrategy())
    app.task(name=enrichment.ENRICHMENT_TASK, queue=jobs.QUEUE, retry=retry, pass_context=True)(enrich)
