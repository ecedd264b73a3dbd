"""Scheduler: of all running processes one is the leader; it enqueues due work and never talks to GitHub."""

import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import TypeVar

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from redis import RedisError
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from core import redis_client
from core.auth import cleanup
from core.budget import rate_limits, token_expiry
from core.budget.token_expiry import TokenExpiry
from core.clock import now_utc
from core.db import partitions
from core.db.cancel import StatementCanceller
from core.db.data_version import announce_past_change, publish_data_version
from core.db.engine import retry_conflicts
from core.db.log_filter import filter_connection_errors
from core.disk_space import embedded_disk_space
from core.queue import abandoned, jobs, page_opens
from core.queue.abandoned import AbandonedJobs
from core.queue.liveness import LEADER_LOCK
from core.settings import settings
from ingest.alerts import evaluate as alerts
from ingest.alerts.deliver import fail_orphaned_deliveries
from ingest.enrichment import backlog
from ingest.enrichment import enqueue as enqueue_enrichment
from ingest.enrichment import run_log as enrichment_run_log
from ingest.history_import import adopt, interrupted
from ingest.planning import daily_work, due_accounts, enqueue, refresh_plan
from ingest.planning.rate_budget import RateBudget
from ingest.refresh import closed_history, language_rollups, run_log, summaries

log = structlog.get_logger()
Result = TypeVar("Result")
ELECTION_INTERVAL_SECONDS = 5.0
MISFIRE_GRACE_SECONDS = 300
CLOCK_JUMP_SECONDS = 20
SHUTDOWN_GRACE_SECONDS, SHUTDOWN_TIMEOUT_SECONDS = 1.0, 7.0
# Gives accounts that became overdue without a leader the chance to be refreshed before alerts are evaluated.
FIRST_CHECK_DELAY = timedelta(minutes=1)
# After `release_abandoned_jobs` has closed the runs of dead processes.
FIRST_RELEASE_DELAY = timedelta(seconds=5)
IS_HELD_SQL = """
    SELECT EXISTS (
        SELECT FROM pg_locks
         WHERE pid = :pid AND locktype = 'advisory' AND granted AND objsubid = 1
           AND (classid::bigint << 32) + objid::bigint = :lock
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""


@dataclass
class ScheduledJobs:
    """The leader's periodic jobs, each safe to repeat."""

    engine: Engine
    clock: Callable[[], datetime] = now_utc
    rate_budget: RateBudget | None = None
    """Limits what is enqueued; None: no limit."""
    fact_backoff_until: dict[str, datetime] = field(default_factory=dict)
    """Fact kinds without anything due, and until when they are not queried again."""
    last_rollup_run_id: int = 0
    """The newest run that stored an account at the last update of the language rollup."""

    def enqueue_due_accounts(self) -> int:
        """Queue due accounts, as many as the rate budget pays for; returns how many."""
        if self.rate_budget is not None:
            self.rate_budget.publish_credentials()
        with self.engine.begin() as connection:
            queued = enqueue.enqueue_due_accounts(connection, self.rate_budget, self.clock())
        if queued.accounts:
            log.info("due accounts queued", accounts=queued.accounts)
        if queued.postponed:
            log.info("due accounts postponed, rate budget too low", accounts=queued.postponed)
        if queued.paused_until:
            log.info("nothing queued, GitHub pause active", until=queued.paused_until)
        return queued.accounts

    def enqueue_due_facts(self) -> int:
        """Queue enrichment that is due; returns for how many repositories and users."""
        now, limits = self.clock(), {}
        if self.rate_budget is not None:
            limits["limit_of"] = self.rate_budget.enrichment_limits(now)
        with self.engine.begin() as connection:
            queued = enqueue_enrichment.enqueue_due_facts(
                connection, settings().github_api_url, now, self.fact_backoff_until, **limits
            )
        if queued:
            log.info("due enrichment queued", subjects=queued)
        return queued

    def measure_enrichment_backlog(self) -> None:
        """Count what is due of each kind of fact, for forecasts."""
        with self.engine.begin() as connection:
            backlog.measure_backlog(connection, settings().github_api_url, self.clock())

    def update_refresh_plan(self) -> None:
        """Compute a new refresh plan if the newest one is outdated; correct due times that a wrong clock wrote."""
        now, every = self.clock(), settings().refresh_every
        with self.engine.begin() as connection:
            corrected = refresh_plan.reset_implausible_due_dates(connection, every, now)
        if corrected:
            log.warning("implausible due times corrected", accounts=corrected)
        if self.rate_budget is not None:
            refresh_plan.update_refresh_plan(self.engine, self.rate_budget, every, now)

    def release_abandoned_jobs(self) -> AbandonedJobs:
        """Requeue or close jobs that nobody works on, and release accounts whose job has ended."""
        with self.engine.begin() as connection:
            frozen = abandoned.disconnect_frozen_processes(connection)
            released = abandoned.release_abandoned_jobs(connection)
            self._give_up_jobs(connection, released.exhausted)
            runs_closed = run_log.close_dead_runs(connection)
            freed = jobs.release_orphaned_accounts(connection)
            undelivered = fail_orphaned_deliveries(connection, self.clock())
        if frozen or released.requeued or released.closed or runs_closed or freed or undelivered:
            log.warning(
                "abandoned jobs released", requeued=released.requeued, closed=released.closed, runs_closed=runs_closed,
                accounts_freed=freed, deliveries_failed=undelivered, frozen_connections=frozen,
            )  # fmt: skip
        return released

    def _give_up_jobs(self, connection: Connection, job_ids: Sequence[int]) -> None:
        for job_id in job_ids:
            every = settings().refresh_every
            accounts = due_accounts.record_failed_jobs(connection, [job_id], self.clock(), every)
            log.warning("job given up, no worker survives it", job=job_id, accounts=accounts)

    def finish_ended_runs(self) -> None:
        """Publish what runs stored whose process died or lost Postgres, and raise alerts for its events."""
        with self.engine.begin() as connection:
            runs = run_log.ended_runs_with_pending_alerts(connection)
        for run_id in runs:
            with self.engine.begin() as connection:
                raised = alerts.raise_event_alerts(connection, run_id, self.clock())
                publish_data_version(connection, run_id, keeps_past=True)
            log.info("ended run finished", run=run_id, alerts=raised)

    def update_state_alerts(self) -> None:
        """Raise alerts for states that began, and end those of states that no longer hold."""
        now, every = self.clock(), settings().refresh_every
        budgets = _try_source("rate budgets", lambda: _remaining_budgets(now))
        tokens = _try_source("token expiries", _token_expiries)
        disk = _try_source("disk", lambda: [embedded_disk_space(settings())])
        with self.engine.begin() as connection:
            started, ended = alerts.update_state_alerts(
                connection,
                budgets,
                now,
                every,
                disk=disk[0] if disk else None,
                tokens=tokens,
                unknown=() if disk else ("disk_low",),
            )
        if started or ended:
            log.warning("state alerts changed", started=started, ended=ended)

    def update_language_rollup(self) -> None:
        """Update the language rollup if runs have stored accounts since; runs skip it while it is expensive."""
        with self.engine.begin() as connection:
            newest = connection.scalar(text("SELECT max(id) FROM ingest_run WHERE stored > 0")) or 0
            is_running = connection.scalar(text("SELECT EXISTS (SELECT FROM ingest_run WHERE state = 'running')"))
            if newest == self.last_rollup_run_id or not language_rollups.update_language_day(connection):
                return
            publish_data_version(connection, keeps_past=True)
        self.last_rollup_run_id = 0 if is_running else newest

    def run_daily_maintenance(self) -> None:
        """Update summaries and rollups, adopt imported history, delete what is no longer needed: once a day.

        Rows in the default partition are logged as a warning: their month had no partition.
        """
        now = self.clock()
        with self.engine.begin() as connection:
            if not daily_work.start(connection, now):
                return
            # In transactions of their own: each locks its accounts, and a refresh of them waits.
            summaries.update_all_summaries(self.engine.begin)
            adopted = adopt.adopt_all_imported_history(connection)
            summaries.update_summaries(connection, repository_ids=adopted)
            language_rollups.update_language_day(connection)
            misplaced = partitions.count_default_rows(connection)
            enrichment_run_log.delete_old_runs(connection, now)
            page_opens.delete_old_opens(connection, now)
            jobs.delete_ended_jobs(connection, now)
            run_log.delete_old_items(connection, now)
            if adopted:  # last: whoever publishes waits from here on
                announce_past_change(connection)
        if misplaced:
            log.warning("rows found in default partition", rows=misplaced)

    def close_history(self) -> None:
        """Close the days before today, month by month, for reads of the past; and imports that were interrupted."""
        today = self.clock().replace(hour=0, minute=0, second=0, microsecond=0)
        closed_history.close_own_history(self.engine.begin, today)
        with self.engine.begin() as connection:
            interrupted.close_interrupted_imports(connection)
        with self.engine.begin() as connection:
            closed_history.analyze_sources(connection)
        # On the first of a month, responses of the day before may still be stored.
        partitions.drop_emptied_partitions(self.engine, partitions.first_of_month(today.date() - timedelta(days=1)))

    def create_partitions(self) -> None:
        """Create the partitions of the coming months; while a backup runs, the next hour tries again."""
        today = self.clock().date()
        try:
            partitions.create_partitions(self.engine.begin, today, partitions.last_upcoming_month(today))
        except partitions.PartitionsLocked as error:
            log.warning("partitions not created", reason=str(error))

    def delete_expired_sessions(self) -> None:
        """Delete expired sign-in tickets and sessions that ended long ago."""
        with self.engine.begin() as connection:
            cleanup.delete_expired(connection, self.clock())


def _try_source(name: str, read: Callable[[], Result]) -> Result | None:
    """Return what *read* finds for alert rules; None, with a log line, where it fails: other rules are evaluated."""
    try:
        return read()
    except RedisError as error:
        log.warning("alert source unavailable", source=name, error=type(error).__name__)
    except Exception:
        log.exception("alert source unavailable", source=name)
    return None


def _remaining_budgets(now: datetime) -> list[alerts.RemainingBudget]:
    """Return what is left of GitHub's rate budgets. Raises RedisError."""
    state = rate_limits.load_rate_budget(redis_client.redis(), settings().github_api_url, now)
    return [
        alerts.RemainingBudget(f"{one.owner} {one.resource}", one.remaining_at(now), one.limit) for one in state.buckets
    ]


def _token_expiries() -> list[TokenExpiry]:
    """Return when the configured tokens expire. Raises RedisError."""
    return token_expiry.load_token_expiries(redis_client.redis(), settings().github_api_url)


@dataclass(frozen=True)
class Leadership:
    """The leader lock, as the session with that process id of Postgres holds it."""

    engine: Engine
    pid: int

    def is_held(self) -> bool:
        """Ask Postgres: a leader whose network or machine stood still may learn of its lost session last."""
        with self.engine.connect() as connection:
            return bool(connection.scalar(text(IS_HELD_SQL), {"pid": self.pid, "lock": LEADER_LOCK}))


def build_scheduler(scheduled: ScheduledJobs, is_leading: Callable[[], bool]) -> BackgroundScheduler:
    """Register the leader's jobs in a memory store: no table to migrate, nothing pickled. Each asks *is_leading*."""
    scheduler = BackgroundScheduler(
        timezone=UTC,
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": MISFIRE_GRACE_SECONDS},
    )
    start = scheduled.clock()

    def every(job: Callable[[], object], *, first: datetime = start, **interval: int) -> None:
        run = _only_while(is_leading, job)
        scheduler.add_job(run, "interval", id=job.__name__, next_run_time=first, **interval)

    every(scheduled.enqueue_due_accounts, minutes=1)
    every(scheduled.enqueue_due_facts, minutes=1)
    every(scheduled.update_refresh_plan, minutes=10)
    every(scheduled.measure_enrichment_backlog, minutes=10, first=start + FIRST_CHECK_DELAY)
    every(scheduled.release_abandoned_jobs, seconds=30)
    every(scheduled.finish_ended_runs, seconds=30, first=start + FIRST_RELEASE_DELAY)
    every(scheduled.update_language_rollup, minutes=5, first=start + FIRST_CHECK_DELAY)
    every(scheduled.update_state_alerts, minutes=5, first=start + FIRST_CHECK_DELAY)
    every(scheduled.delete_expired_sessions, hours=1)
    every(scheduled.create_partitions, hours=1)
    every(scheduled.close_history, hours=1, first=start + FIRST_CHECK_DELAY)
    # Not at 00:10 exactly: a machine that was off or asleep then does it when it wakes.
    every(scheduled.run_daily_maintenance, minutes=5, first=start + FIRST_CHECK_DELAY)
    return scheduler


def _only_while(is_leading: Callable[[], bool], job: Callable[[], object]) -> Callable[[], None]:
    @wraps(job)
    def run() -> None:
        if is_leading():
            retry_conflicts(job)  # each is safe to repeat
        else:
            log.warning("scheduled job skipped, another scheduler may be leader")

    return run


def serve(scheduled: ScheduledJobs, stop: threading.Event) -> None:
    """Try to become leader and run the jobs, again and again after each lost connection, until *stop* is set."""
    filter_connection_errors("apscheduler")
    is_standby = False
    while not stop.is_set():
        try:
            with scheduled.engine.connect() as connection:
                if leadership := _try_become_leader(scheduled.engine, connection):
                    is_standby = False
                    _lead(scheduled, leadership, connection, stop)
                elif not is_standby:
                    is_standby = True
                    log.info("scheduler on standby, another scheduler is leader")
        except DBAPIError as error:
            log.warning("scheduler lost Postgres connection, retrying", error=type(error).__name__)
        stop.wait(ELECTION_INTERVAL_SECONDS)


def _try_become_leader(engine: Engine, connection: Connection) -> Leadership | None:
    sql = "SELECT pg_backend_pid() AS pid, pg_try_advisory_lock(:lock) AS is_leader"
    tried = connection.execute(text(sql), {"lock": LEADER_LOCK}).one()
    connection.commit()
    return Leadership(engine, tried.pid) if tried.is_leader else None


def _lead(scheduled: ScheduledJobs, leadership: Leadership, connection: Connection, stop: threading.Event) -> None:
    log.info("scheduler became leader")
    try:
        while not stop.is_set():
            _run_jobs(scheduled, leadership, connection, stop)
    finally:
        # Closing the connection releases the lock, whatever state the connection is in.
        connection.invalidate()
        log.info("scheduler stopped")


def _run_jobs(scheduled: ScheduledJobs, leadership: Leadership, connection: Connection, stop: threading.Event) -> None:
    """Run the jobs until *stop* is set or the system clock changes, which makes their next run times wrong."""
    statements = StatementCanceller(scheduled.engine)
    scheduler = build_scheduler(scheduled, leadership.is_held)
    scheduler.start()
    offset = _wall_clock_offset(scheduled)
    try:
        while not stop.wait(ELECTION_INTERVAL_SECONDS):
            # Raises when the connection is lost: the lock is lost with it, and another scheduler may be leader.
            connection.execute(text("SELECT 1"))
            connection.commit()
            before, offset = offset, _wall_clock_offset(scheduled)
            if abs(offset - before) > CLOCK_JUMP_SECONDS:
                log.warning("system clock changed, schedule restarted", seconds=round(offset - before))
                return
    finally:
        _shut_down(scheduler, statements)


def _shut_down(scheduler: BackgroundScheduler, statements: StatementCanceller) -> None:
    """Wait briefly for running jobs, then cancel their statements, which rolls them back."""
    shutdown = threading.Thread(target=scheduler.shutdown, name="shutdown", daemon=True)
    shutdown.start()
    deadline = time.monotonic() + SHUTDOWN_TIMEOUT_SECONDS
    shutdown.join(SHUTDOWN_GRACE_SECONDS)
    while shutdown.is_alive() and time.monotonic() < deadline:
        log.info("cancelling scheduled job")
        statements.cancel()
        shutdown.join(SHUTDOWN_GRACE_SECONDS)
    statements.close()


def _wall_clock_offset(scheduled: ScheduledJobs) -> float:
    """Return wall clock time minus monotonic time, in seconds: constant until the system clock is changed."""
    return scheduled.clock().timestamp() - time.monotonic()


def stop_on_signal(stop: threading.Event) -> None:
    """Set *stop* on SIGINT and SIGTERM."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda _number, _frame: stop.set())
