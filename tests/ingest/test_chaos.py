"""Processes are killed at any time: every account is stored once, nothing is duplicated, lost or stuck."""

import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.launcher.embedded import lease
from ingest.cli import show
from ingest.sandbox import World, serve
from tests.chaos_run import ChaosRun, is_settled

CHAOS_SECONDS = 20
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kill -9 is cleaned up after at once on Linux only")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_random_kills_lose_and_duplicate_nothing():
    folder = Path(tempfile.mkdtemp(prefix="almanac-storm-", dir="/tmp"))
    folder.chmod(0o711)
    world = World(accounts=200, repositories=2000, biggest=260, seed=11)
    world.freeze()
    try:
        with serve(world) as sandbox, lease(folder, durable=True) as servers:
            sandbox.latency_ms = 2_500
            chaos_run = ChaosRun(servers, folder, sandbox, seed=5)
            chaos_run.begin()
            try:
                chaos_run.kill_randomly(CHAOS_SECONDS)
                # It raged in the middle of the work, not before or after it.
                assert 0 < stored_so_far(chaos_run) < len(world.logins())
                sandbox.latency_ms = 0
                assert chaos_run.settle(is_settled), unfinished_work(chaos_run)
                assert sum(chaos_run.kill_counts.values()) >= 8
                assert {"worker", "scheduler"} <= set(chaos_run.kill_counts)
                assert duplicate_snapshots(chaos_run) == []
                assert accounts_that_differ(chaos_run, world.logins(), sandbox) == []
            finally:
                chaos_run.end()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def stored_so_far(chaos_run):
    with suppress(DBAPIError):
        return chaos_run.stored()
    return 1  # Postgres was just killed; something was stored before the storm began


def duplicate_snapshots(chaos_run):
    """Nothing changed at GitHub: a second snapshot of anything is a duplicate."""
    with chaos_run.engine.begin() as connection:
        return connection.execute(
            text("SELECT 'account', account_id FROM account_snapshot GROUP BY 2 HAVING count(*) > 1 UNION ALL"
                 " SELECT 'repository', repository_id FROM repository_snapshot GROUP BY 2 HAVING count(*) > 1")
        ).all()  # fmt: skip


def accounts_that_differ(chaos_run, logins, sandbox):
    """Return accounts whose stored values differ from GitHub's."""
    wrong = []
    for login in logins:
        truth = sandbox.ground_truth(login)
        with chaos_run.engine.begin() as connection:
            stored = show.stored_account(connection, login)
        stars = {one["full_name"]: (one["stars"], one["forks"]) for one in stored["repositories"]}
        if stars != {one["full_name"]: (one["stars"], one["forks"]) for one in truth["repositories"]}:
            wrong.append(login)
    return wrong


def unfinished_work(chaos_run):
    with chaos_run.engine.begin() as connection:
        jobs = connection.execute(
            text("SELECT task_name, status::text, count(*) FROM procrastinate_jobs GROUP BY 1, 2")
        )
        runs = connection.execute(text("SELECT state, count(*) FROM ingest_run GROUP BY 1"))
        return f"jobs {jobs.all()}, runs {runs.all()}"
