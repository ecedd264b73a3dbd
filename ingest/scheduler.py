"""When: one leader packs what is due into jobs. It only decides and defers; workers do the work."""

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from core import jobs, partitions
from ingest import growth, planner, rollups, runs, tracking
from ingest.history import adopting

log = structlog.get_logger()
LEADER_LOCK = 0x616C6D6C65616472  # "almleadr"
CAMPAIGN_EVERY = 5.0
MOST_AT_ONCE = 5_000
SILENT_WORKER_SECONDS = 60
MISFIRE_GRACE_SECONDS = 300


def now_utc() -> datetime:
    return datetime.now(UTC)


@dataclass
class Timetable:
    """What the leader does, each safe to repeat."""

    engine: Engine
    clock: Callable[[], datetime] = now_utc

    def defer_due(self) -> int:
        """Pack accounts whose time has come into jobs; returns how many accounts."""
        now = self.clock()
        with self.engine.begin() as connection:
            due = [(one.account_id, one.token) for one in tracking.due(connection, now, MOST_AT_ONCE)]
            for batch in planner.batches(due, jobs.BATCH):
                jobs.defer_refresh(connection, batch, jobs.Asked("schedule"), now)
        if due:
            log.info("due accounts queued", accounts=len(due))
        return len(due)

    def rescue(self) -> int:
        """Give jobs of dead workers back to the queue, and free what no job holds any more."""
        with self.engine.begin() as connection:
            rescued = connection.execute(
                text("""
                    UPDATE procrastinate_jobs AS job
                       SET status = 'todo', worker_id = NULL, attempts = attempts + 1, abort_requested = false
                     WHERE status = 'doing' AND queue_name = :queue AND NOT EXISTS (
                           SELECT FROM procrastinate_workers AS worker WHERE worker.id = job.worker_id
                              AND worker.last_heartbeat > now() - make_interval(secs => :silent))
                       AND NOT EXISTS (SELECT FROM procrastinate_jobs AS waiting
                            WHERE waiting.queueing_lock = job.queueing_lock AND waiting.status = 'todo')
                """),
                {"queue": jobs.QUEUE, "silent": SILENT_WORKER_SECONDS},
            ).rowcount
            runs_closed = runs.close_dead(connection)
            freed = jobs.release_lost(connection)
        if rescued or freed or runs_closed:
            log.warning("jobs of dead workers rescued", jobs=rescued, accounts_freed=freed, runs_closed=runs_closed)
        return rescued

    def keep_house(self) -> None:
        """Once a day: months ahead, names shown since, growth of all, the day's rollup; an alarm for strays."""
        now = self.clock()
        with self.engine.begin() as connection:
            partitions.ensure_ahead(connection, now.date())
            adopting.adopt_left_behind(connection)
            growth.update_growth(connection, None, now)
            rollups.update_language_day(connection, now.date())
            strays = partitions.strays(connection)
        if strays:
            log.warning("rows fell outside their months", rows=strays)


def build(timetable: Timetable) -> BackgroundScheduler:
    """The leader's jobs, registered from code in memory: nothing to migrate, nothing pickled."""
    scheduler = BackgroundScheduler(
        timezone=UTC,
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": MISFIRE_GRACE_SECONDS},
    )
    first = timetable.clock()
    scheduler.add_job(timetable.defer_due, "interval", minutes=1, id="defer_due", next_run_time=first)
    scheduler.add_job(timetable.rescue, "interval", seconds=30, id="rescue", next_run_time=first)
    scheduler.add_job(timetable.keep_house, "cron", hour=0, minute=10, id="keep_house")
    return scheduler


def serve(timetable: Timetable, stop: threading.Event) -> None:
    """Stand for leader until elected, lead until told to stop or the lock's connection is lost, and stand again."""
    while not stop.is_set():
        try:
            with timetable.engine.connect() as connection:
                if _elected(connection):
                    _lead(timetable, connection, stop)
        except DBAPIError as error:
            log.warning("scheduler lost Postgres, trying again", error=type(error).__name__)
        stop.wait(CAMPAIGN_EVERY)


def _elected(connection: Connection) -> bool:
    won = bool(connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": LEADER_LOCK}))
    connection.commit()
    return won


def _lead(timetable: Timetable, connection: Connection, stop: threading.Event) -> None:
    scheduler = build(timetable)
    scheduler.start()
    log.info("scheduler leads")
    try:
        while not stop.wait(CAMPAIGN_EVERY):
            # Losing this connection loses the lock: somebody else may lead already.
            connection.execute(text("SELECT 1"))
            connection.commit()
    finally:
        scheduler.shutdown(wait=True)
        # The lock goes with its connection, whatever state that is in.
        connection.invalidate()
        log.info("scheduler rests")


def stop_on_signal(stop: threading.Event) -> None:
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda _number, _frame: stop.set())
