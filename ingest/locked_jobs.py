"""Holds the lock of each job while it runs, so that it is never worked on twice, and not taken for abandoned."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import procrastinate
from procrastinate.jobs import Job
from sqlalchemy import Engine

from core.queue import jobs
from core.queue.liveness import JOB_LOCK_SPACE
from ingest.liveness_lock import LivenessLock, LockTaken

LOCK_TAKEN_RETRY_SECONDS = 10


class NewerJobQueued(Exception):
    """The job failed and cannot be put back: a newer one with the same queueing lock waits."""


@dataclass(frozen=True)
class RetryUnlessReplaced(procrastinate.BaseRetryStrategy):
    """Retries as *strategy* decides; always while another process works on the job, never when a newer one waits."""

    strategy: procrastinate.BaseRetryStrategy

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> procrastinate.RetryDecision | None:
        if isinstance(exception, LockTaken):
            return procrastinate.RetryDecision(retry_in={"seconds": LOCK_TAKEN_RETRY_SECONDS})
        if isinstance(exception, NewerJobQueued):
            return None
        return self.strategy.get_retry_decision(exception=exception, job=job)


@dataclass(frozen=True)
class LockedJobs:
    """Procrastinate middleware that holds the lock of a job while it runs. Raises LockTaken, NewerJobQueued."""

    engine: Engine

    def __call__(self, call_next: Callable[[], Any], context: procrastinate.JobContext, _worker: object) -> Any:
        assert context.job.id is not None
        with LivenessLock(self.engine, JOB_LOCK_SPACE, context.job.id).held() as lock:
            context.additional_context["lock"] = lock
            try:
                return call_next()
            except procrastinate.exceptions.JobAborted:
                raise
            except Exception as error:
                if self._has_newer_job(context.job.queueing_lock):
                    raise NewerJobQueued from error
                raise

    def _has_newer_job(self, queueing_lock: str | None) -> bool:
        if queueing_lock is None:
            return False
        with self.engine.begin() as connection:
            return jobs.is_queued(connection, queueing_lock)


def is_lock_lost(context: procrastinate.JobContext) -> bool:
    """Return whether another process has taken the job, as after a long loss of the connection."""
    lock: LivenessLock = context.additional_context["lock"]
    return lock.is_lost
