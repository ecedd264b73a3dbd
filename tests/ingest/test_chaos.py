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
@pytest.mark.timeout(240)
def test_a_storm_of_kills_loses_nothing_and_doubles_nothing():
    folder = Path(tempfile.mkdtemp(prefix="almanac-storm-", dir="/tmp"))
    folder.chmod(0o711)
    world = World(accounts=200, repositories=2000, biggest=260, seed=11)
    world.freeze()
    try:
        with serve(world) as sandbox, lease(folder, durable=True) as servers:
            sandbox.latency_ms = 2_500
            storm = ChaosRun(servers, folder, sandbox, seed=5)
            storm.begin()
            try:
                storm.kill_randomly(CHAOS_SECONDS)
                # It raged in the middle of the work, not before or after it.
                assert 0 < stored_so_far(storm) < len(world.logins())
                sandbox.latency_ms = 0
                assert storm.settle(is_settled), unfinished_work(storm)
                assert sum(storm.kill_counts.values()) >= 8
                assert {"worker", "scheduler"} <= set(storm.kill_counts)
                assert duplicate_snapshots(storm) == []
                assert accounts_that_differ(storm, world.logins(), sandbox) == []
            finally:
                storm.end()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def stored_so_far(storm):
    with suppress(DBAPIError):
        return storm.stored()
    return 1  # Postgres was just killed; something was stored before the storm began


def duplicate_snapshots(storm):
    """Nothing moved at GitHub meanwhile: more than one snapshot of anything is one too many."""
    with storm.engine.begin() as connection:
        return connection.execute(
            text("SELECT 'account', account_id FROM account_snapshot GROUP BY 2 HAVING count(*) > 1 UNION ALL"
                 " SELECT 'repository', repository_id FROM repository_snapshot GROUP BY 2 HAVING count(*) > 1")
        ).all()  # fmt: skip


def accounts_that_differ(storm, logins, sandbox):
    """Accounts of which something else is held than GitHub says."""
    wrong = []
    for login in logins:
        truth = sandbox.ground_truth(login)
        with storm.engine.begin() as connection:
            held = show.stored_account(connection, login)
        stars = {one["full_name"]: (one["stars"], one["forks"]) for one in held["repositories"]}
        if stars != {one["full_name"]: (one["stars"], one["forks"]) for one in truth["repositories"]}:
            wrong.append(login)
    return wrong


def unfinished_work(storm):
    with storm.engine.begin() as connection:
        jobs = connection.execute(
            text("SELECT task_name, status::text, count(*) FROM procrastinate_jobs GROUP BY 1, 2")
        )
        runs = connection.execute(text("SELECT state, count(*) FROM ingest_run GROUP BY 1"))
        return f"jobs {jobs.all()}, runs {runs.all()}"
