"""One sweep by a clock that moves as the work does: the leader's decisions each minute, one worker's batches between.

Run as a process of its own, whose memory is its own: `python -m tests.bench.simulated_sweep URL START`.
"""

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

import httpx
from redis import Redis
from sqlalchemy import Engine, text

from core import log
from core.db import engine as db_engine
from core.queue import jobs
from core.settings import settings
from ingest.github import GitHub
from ingest.planning.rate_budget import RateBudget
from ingest.refresh.batch import Refresher, RefreshRequest
from ingest.scheduler import ScheduledJobs
from tests.bench.memory import peak_megabytes

# As on the real GitHub; a worker asks so many at once.
RESPONSE_SECONDS, CONCURRENT_REQUESTS = 0.9, 4
MAX_DURATION = timedelta(hours=2)


class SimulatedClock:
    """Pretended time: it moves on request, and the sandbox GitHub's moves with it."""

    def __init__(self, start: datetime, url: str) -> None:
        self._at = start
        self._unsent_seconds = 0.0
        self._http = httpx.Client(base_url=url, timeout=60)
        self._lock = Lock()

    def now(self) -> datetime:
        return self._at

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._at += timedelta(seconds=seconds)
            self._unsent_seconds += seconds
            if self._unsent_seconds >= 1:
                self._http.post("/_sandbox/advance", json={"seconds": int(self._unsent_seconds)}).raise_for_status()
                self._unsent_seconds -= int(self._unsent_seconds)


class SimulatedTimeRedis(Redis):
    """Valkey, but for the time it tells: all who share a budget go by that."""

    clock: SimulatedClock

    def time(self, **_given: Any) -> Any:
        seconds, _, part = f"{self.clock.now().timestamp():.6f}".partition(".")
        return int(seconds), int(part)


def redis_with_clock(clock: SimulatedClock) -> SimulatedTimeRedis:
    redis = SimulatedTimeRedis.from_url(settings().redis_url)
    redis.clock = clock
    return redis


def sweep(engine: Engine, clock: SimulatedClock) -> dict[str, float]:
    """Refresh everything that is due once and return the cost."""
    start, redis = clock.now(), redis_with_clock(clock)
    spent = {"points": 0.0, "requests": 0.0, "stored": 0.0, "failed": 0.0, "rows": 0.0, "deciding": 0.0}
    began, began_cpu, minute = time.perf_counter(), time.process_time(), start
    rate_budget = RateBudget.from_settings(settings(), redis)
    timetable = ScheduledJobs(engine, clock.now, rate_budget)
    with GitHub.from_settings(
        settings(), redis, clock=clock.now, sleep=clock.advance, worker_threads=CONCURRENT_REQUESTS
    ) as github:
        hands = Refresher(github, engine, settings().refresh_every, clock.now)
        while _has_work_left(engine, start) and clock.now() - start < MAX_DURATION:
            if clock.now() >= minute:
                minute += timedelta(minutes=1)
                decided = time.perf_counter()
                timetable.enqueue_due_accounts()
                spent["deciding"] = max(spent["deciding"], time.perf_counter() - decided)
            order = _take_next_job(engine)
            if order is None:
                clock.advance((minute - clock.now()).total_seconds())
                continue
            run = hands.run(order)
            spent["points"] += run.points
            spent["requests"] += run.requests
            spent["stored"] += run.stored
            spent["failed"] += run.failed
            spent["rows"] += run.rows_written
            _delete_job(engine, order.job_id)
            clock.advance(run.requests * RESPONSE_SECONDS / CONCURRENT_REQUESTS)
    minutes = (clock.now() - start).total_seconds() / 60
    return spent | {
        "minutes": minutes,
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - began_cpu,
        "megabytes": peak_megabytes(),
    }


def _has_work_left(engine: Engine, start: datetime) -> bool:
    with engine.begin() as connection:
        return bool(
            connection.scalar(
                text("SELECT EXISTS (SELECT FROM tracked_account WHERE due_at <= :start OR queued_at IS NOT NULL)"),
                {"start": start},
            )
        )


def _take_next_job(engine: Engine) -> RefreshRequest | None:
    """Take the next job as a worker does."""
    with engine.begin() as connection:
        job = connection.execute(
            text("SELECT id, args FROM procrastinate_fetch_job_v2(ARRAY[:queue], NULL) WHERE id IS NOT NULL"),
            {"queue": jobs.QUEUE},
        ).one_or_none()
    if job is None:
        return None
    asked = jobs.JobOrigin(job.args["trigger"], ingestion_id=job.args["ingestion_id"])
    return RefreshRequest(asked, account_ids=job.args["account_ids"], job_id=job.id)


def _delete_job(engine: Engine, job_id: int | None) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM procrastinate_jobs WHERE id = :id"), {"id": job_id})


def main(url: str, start: str) -> None:
    log.configure("ERROR", as_json=True)
    clock = SimulatedClock(datetime.fromisoformat(start).astimezone(UTC), url)
    print(json.dumps(sweep(db_engine.engine(), clock)))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
