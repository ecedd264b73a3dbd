"""Two schedulers and two workers with eight threads share the work: nothing is done twice or left undone."""

import os
import subprocess
import sys

import pytest
from sqlalchemy import text

from tests.databases import scalar
from tests.waiting import wait_until

SCHEDULER_COMMAND, WORKER_COMMAND = ("scheduler",), ("worker", "--concurrency", "4")


@pytest.fixture
def start(sandbox, committing_database, redis, tmp_path):
    """Start processes; each one's log is a file, which is returned."""
    given = {
        "DATABASE_URL": committing_database.url.render_as_string(hide_password=False),
        "GITHUB_API_URL": sandbox.url,
        "GITHUB_TOKENS": "sandbox-token-1",
        "REDIS_URL": os.environ["REDIS_URL"],
    }
    running = []

    def begin(command):
        log = tmp_path / f"{len(running)}.log"
        with log.open("wb") as out:
            running.append(
                subprocess.Popen([sys.executable, "-m", "ingest", *command], env=os.environ | given, stderr=out)
            )
        return log

    yield begin
    for process in running:
        process.terminate()
    for process in running:
        process.wait(60)


def leader_role(log):
    lines = log.read_text()
    return "leads" if "scheduler became leader" in lines else "standby" if "scheduler on standby" in lines else ""


@pytest.mark.slow
def test_two_schedulers_and_eight_worker_threads_do_each_job_once(start, sandbox, committing_database):
    logins = sandbox.world.logins()
    sandbox.latency_ms = 150  # so that what could be done twice would be done at the same time
    workers = [start(WORKER_COMMAND), start(WORKER_COMMAND)]
    # All hands wait when the work comes.
    wait_until(lambda: all("worker started" in log.read_text() for log in workers))
    with committing_database.begin() as connection:
        connection.execute(
            text("INSERT INTO account (login) SELECT * FROM unnest(CAST(:logins AS text[]))"), {"logins": logins}
        )
        # As if each were another token's, so that there are as many jobs as accounts.
        connection.execute(text("UPDATE account SET token_fingerprint = login"))
        connection.execute(text("INSERT INTO tracked_account (account_id) SELECT id FROM account"))
    schedulers = [start(SCHEDULER_COMMAND), start(SCHEDULER_COMMAND)]
    wait_until(lambda: scalar(committing_database, "SELECT count(DISTINCT account_id) FROM capture") == len(logins))
    wait_until(
        lambda: not scalar(committing_database, "SELECT count(*) FROM procrastinate_jobs WHERE task_name='refresh'")
    )
    assert scalar(committing_database, "SELECT count(*) FROM capture") == len(logins)
    assert scalar(committing_database, "SELECT count(*) FROM ingest_item") == len(logins)
    assert scalar(committing_database, "SELECT count(*) FROM ingest_run WHERE state = 'done'") == len(logins)
    wait_until(lambda: sorted(leader_role(log) for log in schedulers) == ["leads", "standby"])
    at_once = scalar(committing_database, "SELECT max(others) FROM (SELECT count(*) AS others FROM ingest_run AS run"
                  " JOIN ingest_run AS other ON other.started_at <= run.started_at"
                  "  AND other.finished_at > run.started_at GROUP BY run.id) AS counted")  # fmt: skip
    assert at_once > 4, "one worker did it all"
