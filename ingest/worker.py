"""Who: takes jobs from the queue and refreshes, any number of them on any number of machines."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import procrastinate
import structlog
from procrastinate.job_context import AbortReason
from sqlalchemy.engine import URL

from core import redis_client
from core.db.errors import is_connection_error
from core.db.log_filter import filter_connection_errors
from core.queue import jobs
from ingest import lookups
from ingest.alerts.deliver import MAX_ATTEMPTS, WebhookSender
from ingest.enrichment import Enricher, tasks
from ingest.refresh.batch import Refresher, RefreshRequest

log = structlog.get_logger()
SHUTDOWN_GRACE_SECONDS = 7
SHUTDOWN_TIMEOUT_SECONDS = 9
RECONNECT_DELAY_SECONDS = 2
CONNECT_TIMEOUT_SECONDS = 5
DELIVERY_RETRIES = procrastinate.RetryStrategy(max_attempts=MAX_ATTEMPTS, exponential_wait=6)
REFRESH_RETRIES = procrastinate.RetryStrategy(max_attempts=5, exponential_wait=5)


def build_app(
    url: URL, refresh: Refresher, stop: threading.Event, concurrency: int, postman: WebhookSender
) -> procrastinate.App:
    """The queue's app with the tasks that a worker knows."""
    app = procrastinate.App(
        connector=procrastinate.PsycopgConnector(
            conninfo=url.set(drivername="postgresql").render_as_string(hide_password=False),
            min_size=1,
            max_size=concurrency + 3,
            timeout=CONNECT_TIMEOUT_SECONDS,
        )
    )

    @app.task(name=jobs.REFRESH, queue=jobs.QUEUE, retry=REFRESH_RETRIES, pass_context=True)
    def refresh_accounts(
        context: procrastinate.JobContext,
        account_ids: list[int],
        trigger: str,
        by: str | None = None,
        request_id: str | None = None,
        ingestion_id: int | None = None,
    ) -> None:
        order = RefreshRequest(
            jobs.JobOrigin(trigger, by, request_id, ingestion_id),
            account_ids=account_ids,
            urgent=trigger == "person",
            job_id=context.job.id,
        )
        with structlog.contextvars.bound_contextvars(job_id=context.job.id, request_id=request_id):
            run = refresh.run(order, stop=StopOrAbort(stop, context))
        if run.stopped and context.abort_reason() is AbortReason.USER_REQUEST and not stop.is_set():
            # Somebody cancelled it: what it did not reach is free, and due in its usual cadence.
            raise procrastinate.exceptions.JobAborted
        if run.stopped:
            # A job that was cut short goes back: what it reached is done, the rest is still due.
            raise Interrupted

    @app.task(name=jobs.LOOKUP, queue=jobs.QUEUE)
    def lookup(lookup_id: str) -> None:
        lookups.run_lookup(refresh.github, redis_client.redis(), lookup_id, stop)

    @app.task(name=jobs.DELIVER, queue=jobs.QUEUE, retry=DELIVERY_RETRIES, pass_context=True)
    def deliver(context: procrastinate.JobContext, delivery_id: int) -> None:
        postman.deliver(delivery_id, context.job.attempts)

    tasks.register_tasks(app, Enricher(refresh.github, refresh.engine, refresh.github.api_url), stop)
    return app


@dataclass(frozen=True)
class StopOrAbort:
    """Set when the worker is told to stop or its job is cancelled."""

    stop: threading.Event
    context: procrastinate.JobContext

    def is_set(self) -> bool:
        return self.stop.is_set() or self.context.should_abort()


class Interrupted(Exception):
    """The worker was told to stop; the job is tried again."""


def serve(url: URL, refresh: Refresher, postman: WebhookSender, *, concurrency: int = 2) -> None:
    """Work until SIGINT or SIGTERM; then hand back what is in hand within ten seconds."""
    stop = threading.Event()
    filter_connection_errors("procrastinate", "psycopg.pool", "asyncio")
    asyncio.run(_run_until_stopped(lambda: build_app(url, refresh, stop, concurrency, postman), stop, concurrency))


async def _run_until_stopped(begin: Callable[[], procrastinate.App], stop: threading.Event, concurrency: int) -> None:
    """One shift after the other: each ends when Postgres is lost, and the next one begins as soon as it is back."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    # Synchronous tasks run in the default executor, which is capped near the number of cores.
    loop.set_default_executor(ThreadPoolExecutor(max_workers=concurrency + 2, thread_name_prefix="job"))

    def rest() -> None:
        stop.set()
        told.set()

    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, rest)
    telling = asyncio.create_task(told.wait())
    while not stop.is_set():
        shift = asyncio.create_task(_run_worker(begin(), concurrency))
        await asyncio.wait({shift, telling}, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            await _shut_down(shift)
        elif (error := shift.exception()) is not None and not is_connection_error(error):
            raise error
        else:
            log.warning("worker lost Postgres, trying again", error=type(error).__name__ if error else None)
            await asyncio.wait({telling}, timeout=RECONNECT_DELAY_SECONDS)
    log.info("worker rests")


async def _run_worker(app: procrastinate.App, concurrency: int) -> None:
    async with app.open_async():
        log.info("worker ready", concurrency=concurrency)
        await app.run_worker_async(
            queues=[jobs.QUEUE],
            concurrency=concurrency,
            install_signal_handlers=False,
            fetch_job_polling_interval=2,
            abort_job_polling_interval=1,
            shutdown_graceful_timeout=SHUTDOWN_GRACE_SECONDS,
            delete_jobs="successful",
        )


async def _shut_down(shift: "asyncio.Task[None]") -> None:
    """Let what is in hand go back to the queue, but not for longer than ten seconds in all."""
    shift.cancel()
    await asyncio.wait({shift}, timeout=SHUTDOWN_TIMEOUT_SECONDS)
    if not shift.done():
        # A statement or an answer that does not come cannot be waited for; the leader rescues the job.
        log.warning("worker leaves a job behind that did not end in time")
        os._exit(0)
    if not shift.cancelled() and (error := shift.exception()) is not None:
        log.warning("worker could not hand back its jobs", error=type(error).__name__)
