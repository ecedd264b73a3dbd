"""When: one leader packs what is due into jobs. It only decides and defers; workers do the work."""

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from redis import RedisError
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from core import redis_client
from core.auth import expire
from core.budget import shared_state
from core.db import partitions
from core.db.cancel import StatementCanceller
from core.db.data_version import publish_data_version
from core.db.log_filter import filter_connection_errors
from core.queue import jobs
from core.queue.liveness import HEARTBEAT_TIMEOUT, LEADER_LOCK
from core.settings import settings
from ingest.alerts import evaluate as alerts
from ingest.enrichment import enqueue as enqueue_enrichment
from ingest.enrichment import run_log as reading_runs
from ingest.history_import import adopt_repositories
from ingest.planning import enqueue, refresh_plan
from ingest.planning.rate_budget import RateBudget
from ingest.refresh import growth, language_rollups, run_log

log = structlog.get_logger()
ELECTION_INTERVAL_SECONDS = 5.0
MISFIRE_GRACE_SECONDS = 300
CLOCK_JUMP_SECONDS = 20
SHUTDOWN_GRACE_SECONDS, SHUTDOWN_TIMEOUT_SECONDS = 1.0, 7.0
FIRST_CHECK_DELAY = timedelta(minutes=1)  # what was late while nobody led gets a chance first


def now_utc() -> datetime:
    return datetime.now(UTC)


@dataclass
class ScheduledJobs:
    """What the leader does, each safe to repeat."""

    engine: Engine
    clock: Callable[[], datetime] = now_utc
    purse: RateBudget | None = None
    """Whose budget pays for what the timetable wants; None: there is no limit."""
    fact_backoff_until: dict[str, datetime] = field(default_factory=dict)
    """Kinds of readings of which nothing was due, and until when they are not looked for."""
    last_summed_run_id: int = 0
    """The newest run that wrote something when the day was summed up last."""

    def enqueue_due_accounts(self) -> int:
        """Pack accounts whose time has come into jobs, as many as the budget pays for; returns how many accounts."""
        with self.engine.begin() as connection:
            queued = enqueue.enqueue_due_accounts(connection, self.purse, self.clock())
        if queued.accounts:
            log.info("due accounts queued", accounts=queued.accounts)
        if queued.postponed:
            log.info("due accounts wait for the budget", accounts=queued.postponed)
        if queued.paused_until:
            log.info("nothing queued while github tells us to wait", until=queued.paused_until)
        return queued.accounts

    def enqueue_due_facts(self) -> int:
        """Let star history and other facts be read that are due; returns of how many repositories and users."""
        with self.engine.begin() as connection:
            queued = enqueue_enrichment.enqueue_due_facts(
                connection, settings().github_api_url, self.clock(), self.fact_backoff_until
            )
        if queued:
            log.info("due readings queued", subjects=queued)
        return queued

    def plan(self) -> None:
        """Spread the budget anew where a day has passed or what matters has changed; mend moments of wrong clocks."""
        now, every = self.clock(), settings().refresh_every
        with self.engine.begin() as connection:
            mended = refresh_plan.reset_implausible_due_dates(connection, every, now)
        if mended:
            log.warning("accounts were planned too far ahead, a clock was wrong", accounts=mended)
        if self.purse is not None:
            refresh_plan.update_refresh_plan(self.engine, self.purse, every, now)

    def rescue_jobs(self) -> int:
        """Give jobs of dead workers back to the queue, and free what no job holds any more."""
        with self.engine.begin() as connection:
            rescued = connection.execute(
                text("""
                    UPDATE procrastinate_jobs AS job
                       SET status = 'todo', worker_id = NULL, attempts = attempts + 1, abort_requested = false
                     WHERE status = 'doing' AND queue_name = :queue AND NOT EXISTS (
                           SELECT FROM procrastinate_workers AS worker WHERE worker.id = job.worker_id
                              AND worker.last_heartbeat > now() - :timeout)
                       AND NOT EXISTS (SELECT FROM procrastinate_jobs AS waiting
                            WHERE waiting.queueing_lock = job.queueing_lock AND waiting.status = 'todo')
                """),
                {"queue": jobs.QUEUE, "timeout": HEARTBEAT_TIMEOUT},
            ).rowcount
            runs_closed = run_log.close_dead_runs(connection)
            freed = jobs.release_orphaned_accounts(connection)
        if rescued or freed or runs_closed:
            log.warning("jobs of dead workers rescued", jobs=rescued, accounts_freed=freed, runs_closed=runs_closed)
        return rescued

    def watch(self) -> None:
        """Raise the alerts of what lasts, and end those that are over."""
        now, given = self.clock(), settings()
        with self.engine.begin() as connection:
            begun, ended = alerts.update_state_alerts(connection, _remaining_budgets(now), now, given.refresh_every)
        if begun or ended:
            log.warning("alerts changed", begun=begun, ended=ended)

    def update_language_rollup(self) -> None:
        """Sum up the day where runs wrote something since: they do it themselves only while it costs them little."""
        with self.engine.begin() as connection:
            newest = connection.scalar(text("SELECT max(id) FROM ingest_run WHERE rows_written > 0")) or 0
            going_on = connection.scalar(text("SELECT EXISTS (SELECT FROM ingest_run WHERE state = 'running')"))
            if newest == self.last_summed_run_id or not language_rollups.update_language_day(
                connection, self.clock().date()
            ):
                return
            publish_data_version(connection)
        self.last_summed_run_id = 0 if going_on else newest

    def run_daily_maintenance(self) -> None:
        """Once a day: months ahead, names shown since, growth of all, the day's rollup; an alarm for strays."""
        now = self.clock()
        with self.engine.begin() as connection:
            partitions.ensure_upcoming_partitions(connection, now.date())
            adopt_repositories.adopt_all_imported_history(connection)
            growth.update_growth(connection, None, now)
            language_rollups.update_language_day(connection, now.date())
            strays = partitions.count_default_rows(connection)
            reading_runs.delete_old_runs(connection, now)
        if strays:
            log.warning("rows fell outside their months", rows=strays)

    def delete_expired_sessions(self) -> None:
        """Delete tickets that are over, and sessions that were long ago."""
        with self.engine.begin() as connection:
            expire.delete_expired(connection, self.clock())


def _remaining_budgets(now: datetime) -> list[alerts.RemainingBudget]:
    """What is left of GitHub's budgets; nothing while Redis is away."""
    try:
        seen = shared_state.load_rate_budget(redis_client.redis(), settings().github_api_url, now)
    except RedisError:
        return []
    return [alerts.RemainingBudget(f"{one.owner} {one.resource}", one.left(now), one.limit) for one in seen.buckets]


def build_scheduler(timetable: ScheduledJobs) -> BackgroundScheduler:
    """The leader's jobs, registered from code in memory: nothing to migrate, nothing pickled."""
    scheduler = BackgroundScheduler(
        timezone=UTC,
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": MISFIRE_GRACE_SECONDS},
    )
    first = timetable.clock()
    scheduler.add_job(timetable.enqueue_due_accounts, "interval", minutes=1, id="defer_due", next_run_time=first)
    scheduler.add_job(timetable.enqueue_due_facts, "interval", minutes=1, id="defer_readings", next_run_time=first)
    scheduler.add_job(timetable.plan, "interval", minutes=10, id="plan", next_run_time=first)
    scheduler.add_job(timetable.rescue_jobs, "interval", seconds=30, id="rescue", next_run_time=first)
    scheduler.add_job(
        timetable.update_language_rollup, "interval", minutes=5, id="sum_up", next_run_time=first + FIRST_CHECK_DELAY
    )
    scheduler.add_job(timetable.watch, "interval", minutes=5, id="watch", next_run_time=first + FIRST_CHECK_DELAY)
    scheduler.add_job(timetable.run_daily_maintenance, "cron", hour=0, minute=10, id="keep_house")
    scheduler.add_job(timetable.delete_expired_sessions, "interval", hours=1, id="clean_sign_ins", next_run_time=first)
    return scheduler


def serve(timetable: ScheduledJobs, stop: threading.Event) -> None:
    """Stand for leader until elected, lead until told to stop or the lock's connection is lost, and stand again."""
    filter_connection_errors("apscheduler")
    stands_by = False
    while not stop.is_set():
        try:
            with timetable.engine.connect() as connection:
                if _try_become_leader(connection):
                    stands_by = False
                    _lead(timetable, connection, stop)
                elif not stands_by:
                    stands_by = True
                    log.info("scheduler stands by, another one leads")
        except DBAPIError as error:
            log.warning("scheduler lost Postgres, trying again", error=type(error).__name__)
        stop.wait(ELECTION_INTERVAL_SECONDS)


def _try_become_leader(connection: Connection) -> bool:
    won = bool(connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": LEADER_LOCK}))
    connection.commit()
    return won


def _lead(timetable: ScheduledJobs, connection: Connection, stop: threading.Event) -> None:
    log.info("scheduler leads")
    try:
        while not stop.is_set():
            _run_jobs(timetable, connection, stop)
    finally:
        # The lock goes with its connection, whatever state that is in.
        connection.invalidate()
        log.info("scheduler rests")


def _run_jobs(timetable: ScheduledJobs, connection: Connection, stop: threading.Event) -> None:
    """Run the timetable until told to stop, or until the clock jumps: its moments are wrong then, and are set anew."""
    statements = StatementCanceller(timetable.engine)
    scheduler = build_scheduler(timetable)
    scheduler.start()
    ahead = _wall_clock_offset(timetable)
    try:
        while not stop.wait(ELECTION_INTERVAL_SECONDS):
            # Losing this connection loses the lock: somebody else may lead already.
            connection.execute(text("SELECT 1"))
            connection.commit()
            before, ahead = ahead, _wall_clock_offset(timetable)
            if abs(ahead - before) > CLOCK_JUMP_SECONDS:
                log.warning("the clock jumped, the timetable starts anew", seconds=round(ahead - before))
                return
    finally:
        _shut_down(scheduler, statements)


def _shut_down(scheduler: BackgroundScheduler, statements: StatementCanceller) -> None:
    """Let the rounds in hand end by themselves for a moment; then break off their statements, which undoes them."""
    ending = threading.Thread(target=scheduler.shutdown, name="ending", daemon=True)
    ending.start()
    until = time.monotonic() + SHUTDOWN_TIMEOUT_SECONDS
    ending.join(SHUTDOWN_GRACE_SECONDS)
    while ending.is_alive() and time.monotonic() < until:
        log.info("a round is broken off")
        statements.cancel()
        ending.join(SHUTDOWN_GRACE_SECONDS)
    statements.forget()


def _wall_clock_offset(timetable: ScheduledJobs) -> float:
    """The clock on the wall by the one that only ever goes on; the difference stays as it is until the clock jumps."""
    return timetable.clock().timestamp() - time.monotonic()


def stop_on_signal(stop: threading.Event) -> None:
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda _number, _frame: stop.set())
