"""What more workers bring, what queueing costs, and two minutes of kills at random."""

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

from core import ingestions, jobs
from core.local import lease
from ingest.sandbox import Sandbox, World, serve
from tests.bench.figures import Figure, database, servers
from tests.chaos import Storm, is_calm

ACCOUNTS, REPOSITORIES, LATENCY_MS = 800, 3_200, 1_200
STORM_SECONDS = 120
PATIENCE = 300


def run() -> list[Figure]:
    one, four = storing(1), storing(4)
    return [
        Figure("accounts a second, four workers", four, "1/s", one, "at least 3 times one worker's"),
        Figure("100 accounts queued in", queueing(100), "s", None, "under 0.3 s"),
        *storming(),
    ]


def storing(workers: int) -> float:
    """Accounts stored a second by so many workers, from the first to the last; GitHub takes its usual time."""
    world = World(accounts=ACCOUNTS, repositories=REPOSITORIES, biggest=40, seed=4)
    with ExitStack() as stack:
        engine = stack.enter_context(database())
        sandbox = stack.enter_context(serve(world))
        held = stack.enter_context(servers())
        sandbox.latency_ms = LATENCY_MS
        _queue(engine, world.logins())
        running = [_worker(engine, sandbox, held.redis_url) for _ in range(workers)]
        stack.callback(_stop, running)
        return _rate(engine, len(world.logins()))


def queueing(accounts: int) -> float:
    with database() as engine:
        ids = _track(engine, [f"account-{n}" for n in range(accounts)])
        started = time.perf_counter()
        with engine.begin() as connection:
            ingestions.start(connection, ids, jobs.Asked("person", by="bench"), datetime.now(UTC))
        return time.perf_counter() - started


def storming() -> list[Figure]:
    """Two minutes of kills; then how long until nothing is left to do."""
    folder = Path(tempfile.mkdtemp(prefix="almanac-bench-", dir="/tmp"))
    folder.chmod(0o711)
    world = World(accounts=600, repositories=4_000, biggest=300, seed=11)
    world.freeze()
    try:
        with serve(world) as sandbox, lease(folder, durable=True) as held:
            sandbox.latency_ms = 2_500
            storm = Storm(held, folder, sandbox, seed=5)
            storm.begin()
            try:
                storm.rage(STORM_SECONDS)
                sandbox.latency_ms = 0
                began = time.perf_counter()
                calm = storm.settle(is_calm)
                settled = time.perf_counter() - began
            finally:
                storm.end()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return [
        Figure("processes killed in two minutes", float(sum(storm.killed.values())), "", None, ""),
        Figure("everybody stored and nothing stuck", float(calm), "", None, "1"),
        Figure("settled after", settled, "s", None, ""),
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
        ingestions.start(connection, ids, jobs.Asked("person", by="bench"), datetime.now(UTC))


def _worker(engine: Engine, sandbox: Sandbox, redis_url: str) -> "subprocess.Popen[bytes]":
    given = {
        "DATABASE_URL": engine.url.render_as_string(hide_password=False),
        "REDIS_URL": redis_url,
        "GITHUB_API_URL": sandbox.url,
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
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with engine.begin() as connection:
            stored, seconds = connection.execute(
                text(
                    "SELECT count(DISTINCT account_id), extract(epoch FROM max(finished_at) -"
                    " (SELECT min(started_at) FROM ingest_run)) FROM ingest_item"
                )
            ).one()
        if stored == accounts:
            return accounts / float(seconds)
        time.sleep(0.2)
    raise TimeoutError(f"{stored} of {accounts} accounts were stored in {PATIENCE} s")


def _stop(running: "list[subprocess.Popen[bytes]]") -> None:
    for process in running:
        process.terminate()
    for process in running:
        process.wait(15)
