"""What more workers bring, what queueing costs, and two minutes of kills at random.

GitHub's answers take 1.2 s here, as real ones take 0.5 to 2 s: a worker mostly waits, and more workers wait side by
side. The sandbox GitHub is a process of its own, and the work begins when all workers are there, so that neither
our interpreter nor their start is measured. Figures count only where the machine has a core to spare.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, text

from core.launcher.embedded import lease
from core.queue import ingestions, jobs
from ingest.sandbox import World, serve
from tests.bench.measurement import Measurement, temporary_database, temporary_servers
from tests.bench.sandbox_process import SandboxProcess, sandbox_process
from tests.chaos_run import ChaosRun, is_settled

ACCOUNTS, REPOSITORIES, LATENCY_MS = 800, 3_200, 1_200
CHAOS_SECONDS = 120
TIMEOUT_SECONDS = 300


def run() -> list[Measurement]:
    one, four = accounts_per_second(1), accounts_per_second(4)
    return [
        Measurement("accounts a second, four workers", four, "1/s", one, "at least 3 times one worker's"),
        Measurement("100 accounts queued in", seconds_to_queue(100), "s", None, "under 0.3 s"),
        *measure_chaos(),
    ]


def accounts_per_second(workers: int) -> float:
    """Accounts stored a second by so many workers, from the first to the last; GitHub takes its usual time."""
    with ExitStack() as stack:
        engine = stack.enter_context(temporary_database())
        github = stack.enter_context(
            sandbox_process(latency_ms=LATENCY_MS, accounts=ACCOUNTS, repositories=REPOSITORIES, biggest=40, seed=4)
        )
        servers = stack.enter_context(temporary_servers())
        running = [_start_worker(engine, github, servers.redis_url) for _ in range(workers)]
        stack.callback(_stop, running)
        _wait_until_count(engine, "SELECT count(*) FROM procrastinate_workers", workers)
        _queue(engine, github.logins)
        return _rate(engine, len(github.logins))


def seconds_to_queue(accounts: int) -> float:
    with temporary_database() as engine:
        ids = _track(engine, [f"account-{n}" for n in range(accounts)])
        started = time.perf_counter()
        with engine.begin() as connection:
            ingestions.start(connection, ids, jobs.JobOrigin("person", by="bench"), datetime.now(UTC))
        return time.perf_counter() - started


def measure_chaos() -> list[Measurement]:
    """Two minutes of kills; then how long until nothing is left to do."""
    folder = Path(tempfile.mkdtemp(prefix="almanac-bench-", dir="/tmp"))
    folder.chmod(0o711)
    world = World(accounts=600, repositories=4_000, biggest=300, seed=11)
    world.freeze()
    try:
        with serve(world) as sandbox, lease(folder, durable=True) as servers:
            sandbox.latency_ms = 2_500
            storm = ChaosRun(servers, folder, sandbox, seed=5)
            storm.begin()
            try:
                storm.kill_randomly(CHAOS_SECONDS)
                sandbox.latency_ms = 0
                began = time.perf_counter()
                calm = storm.settle(is_settled)
                settled = time.perf_counter() - began
            finally:
                storm.end()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return [
        Measurement("processes killed in two minutes", float(sum(storm.kill_counts.values())), "", None, ""),
        Measurement("everybody stored and nothing stuck", float(calm), "", None, "1"),
        Measurement("settled after", settled, "s", None, ""),
    ]


def _track(engine: Engine, logins: list[str]) -> list[int]:
    with engine.begin() as connection:
        ids = list(
            connection.scalars(
                text("INSERT INTO account (login) SELECT * FROM unnest(CAST(:logins AS text[])) RETURNING id"),
                {"logins": logins},
            )
        )
        connection.execute(
            text("INSERT INTO tracked_account (account_id) SELECT * FROM unnest(CAST(:ids AS bigint[]))"), {"ids": ids}
        )
    return ids


def _queue(engine: Engine, logins: list[str]) -> None:
    ids = _track(engine, logins)
    with engine.begin() as connection:
        ingestions.start(connection, ids, jobs.JobOrigin("person", by="bench"), datetime.now(UTC))


def _start_worker(engine: Engine, github: SandboxProcess, redis_url: str) -> "subprocess.Popen[bytes]":
    given = {
        "DATABASE_URL": engine.url.render_as_string(hide_password=False),
        "REDIS_URL": redis_url,
        "GITHUB_API_URL": github.url,
        "GITHUB_TOKENS": "sandbox-token-1",
        "LOG_LEVEL": "WARNING",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "ingest", "worker"],
        env=os.environ | given,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _rate(engine: Engine, accounts: int) -> float:
    _wait_until_count(engine, "SELECT count(DISTINCT account_id) FROM ingest_item", accounts)
    _wait_until_count(engine, "SELECT -count(*) FROM ingest_run WHERE state = 'running'", 0)
    with engine.begin() as connection:
        seconds = connection.scalar(
            text("SELECT extract(epoch FROM max(finished_at) - min(started_at))::float FROM ingest_run")
        )
    return accounts / float(seconds or 0)


def _wait_until_count(engine: Engine, count: str, least: int) -> None:
    until = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < until:
        with engine.begin() as connection:
            if int(connection.scalar(text(count)) or 0) >= least:
                return
        time.sleep(0.2)
    raise TimeoutError(f"{count} did not reach {least} in {TIMEOUT_SECONDS} s")


def _stop(running: "list[subprocess.Popen[bytes]]") -> None:
    for process in running:
        process.terminate()
    for process in running:
        process.wait(15)
