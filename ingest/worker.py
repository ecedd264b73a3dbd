"""Worker: runs jobs from the queue. Any number of workers run on any number of machines."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import procrastinate
import psycopg
import structlog
from procrastinate.job_context import AbortReason

from core import redis_client
from core.db.engine import SESSION_SQL
from core.db.errors import is_connection_error
from core.db.log_filter import filter_connection_errors
from core.errors import first_line
from core.queue import jobs
from ingest import lookups
from ingest.alerts.deliver import MAX_ATTEMPTS, WebhookSender
from ingest.enrichment import Enricher, tasks
from ingest.locked_jobs import LockedJobs, RetryUnlessReplaced, is_lock_lost
from ingest.refresh.batch import Refresher, RefreshRequest

log = structlog.get_logger()
SHUTDOWN_GRACE_SECONDS = 7
SHUTDOWN_TIMEOUT_SECONDS = 9
RECONNECT_DELAY_SECONDS = 2
# psycopg's pool may take 15 s to replace connections that a restart of Postgres closed.
POOL_TIMEOUT_SECONDS = 30
DELIVERY_CONCURRENCY = 2
DELIVERY_RETRIES = procrastinate.RetryStrategy(max_attempts=MAX_ATTEMPTS, exponential_wait=6)
REFRESH_RETRIES = procrastinate.RetryStrategy(max_attempts=5, exponential_wait=5)
# Within the ten minutes for which the request is stored.
LOOKUP_RETRIES = procrastinate.RetryStrategy(max_attempts=5, exponential_wait=3)


def build_app(
    conninfo: str, refresher: Refresher, stop: threading.Event, concurrency: int, sender: WebhookSender
) -> procrastinate.App:
    """Build the procrastinate app with all tasks."""
    app = procrastinate.App(
        connector=procrastinate.PsycopgConnector(
            conninfo=conninfo,
            kwargs={"prepare_threshold": None},
            configure=_configure_session,
            min_size=1,
            max_size=concurrency + DELIVERY_CONCURRENCY + 4,
            timeout=POOL_TIMEOUT_SECONDS,
        )
    )

    @app.periodic(cron="0 0 1 1 *")
    @app.task(name="keep_watch", queue=jobs.QUEUE)
    def keep_watch(timestamp: int) -> None:
        """Do nothing, once a year: without a periodic task procrastinate does not notice a lost listener."""

    @app.task(name=jobs.REFRESH, queue=jobs.QUEUE, retry=RetryUnlessReplaced(REFRESH_RETRIES), pass_context=True)
    def refresh_accounts(
        context: procrastinate.JobContext,
        account_ids: list[int],
        trigger: str,
        by: str | None = None,
        request_id: str | None = None,
        ingestion_id: int | None = None,
    ) -> None:
        request = RefreshRequest(
            jobs.JobOrigin(trigger, by, request_id, ingestion_id),
            account_ids=account_ids,
            urgent=trigger == "person",
            job_id=context.job.id,
        )
        with structlog.contextvars.bound_contextvars(job_id=context.job.id, request_id=request_id):
            run = refresher.run(request, stop=StopOrAbort(stop, context))
        if run.stopped and context.abort_reason() is AbortReason.USER_REQUEST and not stop.is_set():
            # Cancelled by a person: the accounts not reached are released and due in their usual cadence.
            raise procrastinate.exceptions.JobAborted
        if run.stopped:
            # The worker is shutting down: the job is requeued with the accounts not reached.
            raise Interrupted

    @app.task(name=jobs.LOOKUP, queue=jobs.QUEUE, retry=RetryUnlessReplaced(LOOKUP_RETRIES), pass_context=True)
    def run_lookup(context: procrastinate.JobContext, lookup_id: str) -> None:
        try:
            lookups.run_lookup(refresher.github, redis_client.redis(), lookup_id, stop, refresher.engine)
        except Exception as error:
            if LOOKUP_RETRIES.get_retry_decision(exception=error, job=context.job) is None:
                lookups.record_failure(redis_client.redis(), lookup_id, error)
            raise

    @app.task(name=jobs.DELIVER, queue=jobs.DELIVERIES, retry=RetryUnlessReplaced(DELIVERY_RETRIES), pass_context=True)
    def deliver(context: procrastinate.JobContext, delivery_id: int) -> None:
        sender.deliver(delivery_id, context.job.attempts)

    tasks.register_tasks(app, Enricher(refresher.github, refresher.engine, refresher.github.api_url), stop)
    return app


async def _configure_session(connection: psycopg.AsyncConnection[Any]) -> None:
    await connection.execute(SESSION_SQL)
    await connection.commit()


@dataclass(frozen=True)
class StopOrAbort:
    """A stop signal that is set when the worker stops, its job is cancelled, or another process has taken the job."""

    stop: threading.Event
    context: procrastinate.JobContext

    def is_set(self) -> bool:
        return self.stop.is_set() or self.context.should_abort() or is_lock_lost(self.context)


class Interrupted(Exception):
    """The worker stopped before the job was done; the job is retried."""


def serve(conninfo: str, refresher: Refresher, sender: WebhookSender, *, concurrency: int = 2) -> None:
    """Run jobs until SIGINT or SIGTERM; then finish or requeue the running ones within ten seconds.

    *conninfo* is libpq's connection string of the server itself, not of a pooler.
    """
    stop = threading.Event()
    filter_connection_errors("procrastinate", "psycopg.pool", "asyncio")
    asyncio.run(
        _run_until_stopped(
            lambda: build_app(conninfo, refresher, stop, concurrency, sender),
            stop,
            {jobs.QUEUE: concurrency, jobs.DELIVERIES: DELIVERY_CONCURRENCY},
            LockedJobs(refresher.engine),
        )
    )


async def _run_until_stopped(
    make_app: Callable[[], procrastinate.App],
    stop: threading.Event,
    concurrency: Mapping[str, int],
    locked_jobs: LockedJobs,
) -> None:
    """Run workers, and new ones after each lost connection to Postgres, until *stop* is set.

    *concurrency* is the number of jobs at once by queue.
    """
    loop, stop_requested = asyncio.get_running_loop(), asyncio.Event()
    # Synchronous tasks run in the default executor, which is capped near the number of cores.
    loop.set_default_executor(ThreadPoolExecutor(max_workers=sum(concurrency.values()) + 2, thread_name_prefix="job"))

    loop.set_exception_handler(_log_unstored_end)

    def request_stop() -> None:
        stop.set()
        stop_requested.set()

    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, request_stop)
    stopping = asyncio.create_task(stop_requested.wait())
    while not stop.is_set():
        worker = asyncio.create_task(_run_workers(make_app(), concurrency, locked_jobs))
        await asyncio.wait({worker, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            await _shut_down(worker)
        elif (error := worker.exception()) is not None and not is_connection_error(error):
            raise error
        else:
            log.warning("worker lost Postgres connection, retrying", error=type(error).__name__ if error else None)
            await asyncio.wait({stopping}, timeout=RECONNECT_DELAY_SECONDS)
    log.info("worker stopped")


def _log_unstored_end(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log that procrastinate could not store the end of a job, which the scheduler then releases."""
    error = context.get("exception")
    if not isinstance(error, procrastinate.exceptions.ConnectorException):
        loop.default_exception_handler(context)
        return
    log.warning("end of a job not stored, the scheduler releases it", reason=first_line(error.__cause__ or error))


async def _run_workers(app: procrastinate.App, concurrency: Mapping[str, int], locked_jobs: LockedJobs) -> None:
    """Run a worker for each queue until one of them ends; then end the others too."""
    async with app.open_async():
        log.info("worker started", concurrency=concurrency[jobs.QUEUE])
        workers = [
            asyncio.create_task(
                app.run_worker_async(
                    queues=[queue],
                    concurrency=at_once,
                    install_signal_handlers=False,
                    fetch_job_polling_interval=2,
                    abort_job_polling_interval=1,
                    shutdown_graceful_timeout=SHUTDOWN_GRACE_SECONDS,
                    delete_jobs="successful",
                    task_middleware=[locked_jobs],
                )
            )
            for queue, at_once in concurrency.items()
        ]
        try:
            await asyncio.wait(workers, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for worker in workers:
                worker.cancel()
            results = await asyncio.gather(*workers, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result


async def _shut_down(worker: "asyncio.Task[None]") -> None:
    """Wait for running jobs to finish or be requeued; exit the process if that takes too long."""
    worker.cancel()
    await asyncio.wait({worker}, timeout=SHUTDOWN_TIMEOUT_SECONDS)
    if not worker.done():
        # A thread that waits for a statement or a response cannot be aborted; the leader requeues its job.
        log.warning("worker exited before its job finished")
        os._exit(0)
    if not worker.cancelled() and (error := worker.exception()) is not None:
        log.warning("worker could not requeue its jobs", error=type(error).__name__)
