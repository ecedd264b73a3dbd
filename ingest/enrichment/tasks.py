"""Who: the tasks of readings, for a worker's queue."""

from datetime import datetime

import procrastinate
import structlog

from core.queue import enrichment, jobs
from ingest.enrichment.job import Enricher
from ingest.github.http.rate_gate import StopSignal


class JobPostponed(Exception):
    """The budget is left to others, or GitHub does not answer: it is worth going on at *until*."""

    def __init__(self, until: datetime, why: str | None) -> None:
        self.until = until
        super().__init__(f"{why}; goes on at {until:%H:%M:%S} UTC")


class PostponedRetryStrategy(procrastinate.BaseRetryStrategy):
    """Waiting burns no tries; the job keeps its place, so that no other one is queued meanwhile."""

    def get_retry_decision(
        self,
        *,
        exception: BaseException,
        job: procrastinate.jobs.Job,  # noqa: ARG002  (procrastinate gives both)
    ) -> procrastinate.RetryDecision | None:
        if isinstance(exception, JobPostponed):
            return procrastinate.RetryDecision(retry_at=exception.until)
        # What is due is queued again within a minute: a job that broke is not worth keeping.
        return None


def register_tasks(app: procrastinate.App, reader: Enricher, stop: StopSignal) -> None:
    """Teach *app* to read facts."""

    def read(
        context: procrastinate.JobContext,
        /,
        kind: str,
        ids: list[int],
        token: str | None = None,
        request_id: str | None = None,
        **_asked: object,
    ) -> None:
        with structlog.contextvars.bound_contextvars(job_id=context.job.id, request_id=request_id):
            run = reader.run(kind, ids, token=token, stop=stop, job_id=context.job.id)
        if run.until is not None:
            raise JobPostponed(run.until, run.stop_reason)

    for name in (enrichment.STAR_HISTORY_TASK, enrichment.ENRICHMENT_TASK):
        app.task(name=name, queue=jobs.QUEUE, retry=PostponedRetryStrategy(), pass_context=True)(read)
