"""What more workers bring, what queueing costs, and two minutes of kills at random.

Each of three tokens has a budget of its own. GitHub's answers take 80 ms, then as long as its answer to a full query
takes. Nothing has changed since everything was stored, so that a worker mostly waits, and it does one job at a time:
else two processors are soon busy, and not with what is measured. The sandbox GitHub is a process of its own, and the
work begins when all workers are there. Accounts a second count only where the machine has processors to spare; the
other figures count everywhere.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, create_engine, text

from core.launcher.embedded import lease
from core.queue import ingestions, jobs
from ingest.sandbox import Sandbox, World, serve
from tests.bench.measurement import Measurement, temporary_database, temporary_servers
from tests.bench.sandbox_process import SandboxProcess, sandbox_process, set_latency
from tests.chaos_run import ChaosRun, is_settled

JOBS = 12
ACCOUNTS, REPOSITORIES = JOBS * jobs.BATCH_SIZE, 4 * JOBS * jobs.BATCH_SIZE
SHORT_MS, USUAL_MS = 80, 900
WORKERS = 3
TOKENS = "sandbox-token-1,sandbox-token-2,sandbox-token-3"
PAUSE_SECONDS = 4
CHAOS_SECONDS = 120
TIMEOUT_SECONDS = 300


def run() -> list[Measurement]:
    return [
        *measure_sweeps(),
        Measurement("100 accounts queued in", seconds_to_queue(100), "s", None, "under 0.3 s"),
        *measure_chaos(),
    ]


@dataclass(frozen=True)
class Sweep:
    """One refresh of all accounts: how fast from the first to the last, what it cost, and what went wrong."""

    accounts_per_second: float
    points: int
    lost: int
    repeated: int


def measure_sweeps() -> list[Measurement]:
    """Sweep with one worker, with three, and with one to which two come in the middle, when GitHub says to wait."""
    with ExitStack() as stack:
        servers = stack.enter_context(temporary_servers())
        engine = create_engine(servers.database_url, connect_args={"options": "-c timezone=UTC"})
        stack.callback(engine.dispose)
        github = stack.enter_context(sandbox_process(accounts=ACCOUNTS, repositories=REPOSITORIES, biggest=40, seed=4))
        github.call(freeze)
        _track(engine, github.logins)

        def sweep(workers: int, joining: int = 0) -> Sweep:
            running = [_start_worker(engine, github, servers.redis_url) for _ in range(workers)]
            try:
                _wait_until_count(engine, WORKERS_SQL, workers * len(jobs.QUEUES))
                newest = _newest_run(engine)
                with engine.begin() as connection:
                    # The first sweep replaces accounts of which only the login was known.
                    ids = list(connection.scalars(text("SELECT account_id FROM tracked_account")))
                    ingestions.start(connection, ids, jobs.JobOrigin("person", by="bench"), datetime.now(UTC))
                if joining:
                    _wait_until_count(engine, ITEMS_SQL.format(newest=newest), len(ids) // 3)
                    github.call(pause, PAUSE_SECONDS)
                    running += [_start_worker(engine, github, servers.redis_url) for _ in range(joining)]
                return _finished_sweep(engine, newest, len(ids))
            finally:
                _stop(running)

        sweep(WORKERS)
        github.call(set_latency, SHORT_MS)
        one, three, joined = sweep(1), sweep(WORKERS), sweep(1, joining=WORKERS - 1)
        github.call(set_latency, USUAL_MS)
        usual_one, usual_three = sweep(1), sweep(WORKERS)
        all_sweeps = (one, three, joined, usual_one, usual_three)
        return [
            *(
                Measurement(
                    f"accounts a second, {WORKERS} workers, answers take {delay} ms", many, "1/s", single, target
                )
                for delay, many, single, target in (
                    (SHORT_MS, three.accounts_per_second, one.accounts_per_second, "at least 2.5 times one worker's"),
                    (USUAL_MS, usual_three.accounts_per_second, usual_one.accounts_per_second, "the same"),
                )
            ),
            Measurement("points, three workers", three.points, "", one.points, "at most 1.02 times"),
            Measurement("points, two workers come in the middle", joined.points, "", one.points, "at most 1.02 times"),
            Measurement("requests into a pause", github.call(requests_into_pauses), "", None, "0"),
            Measurement("accounts lost", sum(one.lost for one in all_sweeps), "", None, "0"),
            Measurement("accounts done twice", sum(one.repeated for one in all_sweeps), "", None, "0"),
        ]


WORKERS_SQL = "SELECT count(*) FROM procrastinate_workers"
ITEMS_SQL = "SELECT count(DISTINCT account_id) FROM ingest_item WHERE run_id > {newest}"


def freeze(sandbox: Sandbox) -> None:
    """Let nothing change by itself."""
    sandbox.world.freeze()


def pause(sandbox: Sandbox, seconds: float) -> None:
    sandbox.faults.pause(seconds)


def requests_into_pauses(sandbox: Sandbox) -> int:
    """Count the requests that came after GitHub had asked to wait."""
    return sum(one.ignored for one in sandbox.faults.pauses)


def _newest_run(engine: Engine) -> int:
    with engine.begin() as connection:
        return int(connection.scalar(text("SELECT coalesce(max(id), 0) FROM ingest_run")) or 0)


def _finished_sweep(engine: Engine, newest: int, accounts: int) -> Sweep:
    _wait_until_count(engine, "SELECT -count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')", 0)
    sql = """
        WITH run AS (SELECT * FROM ingest_run WHERE id > :newest),
             item AS (SELECT account_id, count(*) AS times FROM ingest_item JOIN run ON run.id = run_id
                       WHERE ingest_item.state IN ('stored', 'unchanged') GROUP BY account_id)
        SELECT (SELECT extract(epoch FROM max(finished_at) - min(started_at))::float FROM run) AS seconds,
               (SELECT sum(points) FROM run) AS points, (SELECT count(*) FROM item) AS done,
               (SELECT coalesce(sum(times - 1), 0) FROM item) AS repeated
    """
    with engine.begin() as connection:
        row = connection.execute(text(sql), {"newest": newest}).one()
    return Sweep(row.done / row.seconds, row.points, accounts - row.done, row.repeated)


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


def _start_worker(engine: Engine, github: SandboxProcess, redis_url: str) -> "subprocess.Popen[bytes]":
    given = {
        "DATABASE_URL": engine.url.render_as_string(hide_password=False),
        "REDIS_URL": redis_url,
        "GITHUB_API_URL": github.url,
        "GITHUB_TOKENS": TOKENS,
        "LOG_LEVEL": "WARNING",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "ingest", "worker", "--concurrency", "1"],
        env=os.environ | given,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


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
