"""Outages of GitHub, a token, Postgres, Redis or the clock: nothing is lost, and recovery causes no burst."""

import os
import random
import signal
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from core.budget import rejected_tokens
from core.queue import abandoned, jobs
from core.queue.liveness import LEADER_LOCK
from core.settings import Settings
from core.tracking import accounts
from ingest import scheduler
from ingest.github import GitHub
from ingest.github.http import transport
from ingest.planning.rate_budget import RateBudget
from ingest.refresh.batch import Refresher, RefreshRequest
from ingest.sandbox import World, serve
from ingest.scheduler import ScheduledJobs
from tests.databases import scalar
from tests.socket_proxy import socket_proxy
from tests.waiting import wait_until

INTERVAL = timedelta(hours=6)
MINUTE = timedelta(minutes=1)
TOKENS = ("sandbox-token-1", "sandbox-token-2")


def track(engine, logins, due):
    with engine.begin() as connection:
        for login in logins:
            accounts.track(connection, login, "test")
        connection.execute(text("UPDATE tracked_account SET due_at = :due"), {"due": due})


class SimulatedHours:
    """Run a leader and a worker in simulated time: `advance(10)` runs ten minutes and the work due in them."""

    def __init__(self, sandbox, engine, redis, *tokens):
        self.sandbox, self.engine, self.redis = sandbox, engine, redis
        self.at = datetime.now(UTC)
        self.requests = []
        given = Settings(github_api_url=sandbox.url, github_tokens=tuple(map(SecretStr, tokens)))
        self.github = GitHub.from_settings(given, redis, sleep=lambda _seconds: time.sleep(0.01))
        self.scheduled = ScheduledJobs(engine, self.now, RateBudget.from_settings(given, redis))
        self.refresher = Refresher(self.github, engine, INTERVAL, self.now, random.Random(1))

    def now(self):
        return self.at

    def advance(self, minutes, step=1):
        for _ in range(0, minutes, step):
            before = len(self.sandbox.log)
            self.scheduled.enqueue_due_accounts()
            while (order := self._take_next_job()) is not None:
                self.refresher.run(order)
                with self.engine.begin() as connection:
                    connection.execute(text("DELETE FROM procrastinate_jobs WHERE id = :id"), {"id": order.job_id})
            self.requests.append(len(self.sandbox.log) - before)
            self.at += step * MINUTE

    def _take_next_job(self):
        with self.engine.begin() as connection:
            job = connection.execute(
                text("SELECT id, args FROM procrastinate_fetch_job_v2(ARRAY['ingest'], NULL) WHERE id IS NOT NULL")
            ).one_or_none()
        return job and RefreshRequest(jobs.JobOrigin("schedule"), account_ids=job.args["account_ids"], job_id=job.id)


@pytest.fixture
def github_of_many():
    with serve(World(accounts=24, repositories=40, seed=3)) as sandbox:
        yield sandbox


@pytest.fixture
def hours(github_of_many, committing_database, redis, monkeypatch):
    monkeypatch.setattr(transport, "OPEN_SECONDS", 0.05)
    passing = SimulatedHours(github_of_many, committing_database, redis, *TOKENS)
    with passing.github:
        yield passing


def test_after_a_github_outage_all_accounts_recover_once_without_a_burst(hours):
    logins = hours.sandbox.world.logins()
    track(hours.engine, logins, hours.at)
    hours.sandbox.faults.errors(share=1.0, statuses=(503,))
    hours.advance(10)
    assert scalar(hours.engine, "SELECT count(*) FROM capture") == 0
    assert scalar(hours.engine, "SELECT min(failures) FROM tracked_account") >= 1
    assert sum(hours.requests) < 4 * len(logins)
    hours.sandbox.faults.clear()
    hours.requests.clear()
    hours.advance(20)
    captures = scalar(hours.engine, "SELECT count(*) FROM capture")
    assert captures == scalar(hours.engine, "SELECT count(DISTINCT account_id) FROM capture") == len(logins)
    assert scalar(hours.engine, "SELECT max(failures) FROM tracked_account") == 0
    assert scalar(hours.engine, "SELECT count(*) FROM tracked_account WHERE queued_at IS NOT NULL") == 0
    # A look at everybody costs this much on any day: one query for 25, languages, and one for each organization.
    assert sum(hours.requests) < 2 * len(logins)
    spread = scalar(hours.engine, "SELECT max(due_at) - min(due_at) FROM tracked_account")
    assert spread > timedelta(minutes=15)


def test_a_token_revoked_during_a_run_is_skipped(hours):
    """Its accounts continue with another token in the same run, and the log names the token and the reason."""
    logins = hours.sandbox.world.logins()
    track(hours.engine, logins, hours.at)
    hours.advance(1)
    tokens = dict(rows(hours.engine, "SELECT token_fingerprint, count(*) FROM account GROUP BY 1"))
    assert len(tokens) == 2
    hours.sandbox.faults.refuse_token(TOKENS[0])
    hours.at += timedelta(days=1)
    hours.advance(2)
    assert scalar(hours.engine, "SELECT count(*) FROM capture") == 2 * len(logins)
    assert scalar(hours.engine, "SELECT count(*) FROM ingest_item WHERE state = 'failed'") == 0
    assert scalar(hours.engine, "SELECT count(DISTINCT token_fingerprint) FROM account") == 1
    (refused,) = rejected_tokens.load_rejected_tokens(hours.redis, hours.github.api_url)
    assert "token 1" in refused.name
    assert refused.reason
    assert TOKENS[0] not in f"{refused}"


def test_with_the_only_token_revoked_accounts_record_it_and_back_off(github_of_many, committing_database, redis):
    logins = github_of_many.world.logins()
    hours = SimulatedHours(github_of_many, committing_database, redis, TOKENS[0])
    track(committing_database, logins, hours.at)
    github_of_many.faults.refuse_token(TOKENS[0])
    with hours.github:
        hours.advance(60)
        assert len(github_of_many.log) < 10
        codes = rows(committing_database, "SELECT DISTINCT error_code FROM ingest_item")
        assert codes == [("bad_credentials",)]
        assert len(rejected_tokens.load_rejected_tokens(redis, hours.github.api_url)) == 1
        assert scalar(committing_database, "SELECT min(failures) FROM tracked_account") >= 3


@pytest.mark.slow
def test_a_clock_two_days_ahead_causes_no_burst_and_loses_no_account(hours):
    logins = hours.sandbox.world.logins()
    track(hours.engine, logins, hours.at)
    right = hours.at
    hours.advance(1)
    calm = sum(hours.requests)
    hours.at = right + timedelta(days=2)
    hours.requests.clear()
    hours.advance(30, step=3)
    assert sum(hours.requests) <= calm
    assert scalar(hours.engine, "SELECT count(*) FROM capture") == 2 * len(logins)
    hours.at = right + timedelta(minutes=32)
    hours.scheduled.update_refresh_plan()
    hours.requests.clear()
    hours.advance(1)
    assert sum(hours.requests) < calm
    assert scalar(hours.engine, "SELECT max(due_at) FROM tracked_account") < hours.at + 2 * INTERVAL
    hours.advance(13 * 60, step=20)
    missed = rows(hours.engine, "SELECT count(*) FROM capture GROUP BY account_id HAVING count(*) < 3")
    assert missed == []


@pytest.mark.slow
def test_a_clock_two_days_behind_causes_no_burst_and_loses_no_account(hours):
    logins = hours.sandbox.world.logins()
    track(hours.engine, logins, hours.at)
    hours.advance(1)
    calm, right = sum(hours.requests), hours.at
    hours.at = right - timedelta(days=2)
    hours.requests.clear()
    hours.scheduled.update_refresh_plan()
    hours.advance(30, step=3)
    hours.at = right + timedelta(minutes=30)
    hours.scheduled.update_refresh_plan()
    hours.advance(13 * 60, step=20)
    assert max(hours.requests) <= calm
    assert rows(hours.engine, "SELECT count(*) FROM capture GROUP BY account_id HAVING count(*) < 2") == []


def rows(engine, sql, **values):
    with engine.begin() as connection:
        return [tuple(row) for row in connection.execute(text(sql), values)]


@pytest.fixture
def environment(sandbox, committing_database, redis):
    return os.environ | {
        "DATABASE_URL": committing_database.url.render_as_string(hide_password=False),
        "GITHUB_API_URL": sandbox.url,
        "GITHUB_TOKENS": TOKENS[0],
        "REDIS_URL": os.environ["REDIS_URL"],
    }


def stops_when_terminated(process):
    """Its current work would take ten minutes, longer than any machine needs to stop."""
    process.send_signal(signal.SIGTERM)
    return process.wait(120) == 0


def queue_accounts(engine, logins):
    now = datetime.now(UTC)
    track(engine, logins, now)
    assert ScheduledJobs(engine).enqueue_due_accounts() == len(logins)


@pytest.mark.slow
@pytest.mark.parametrize("state", ["asking", "waiting", "storing"])
def test_a_worker_stops_without_finishing_its_current_work(state, start, sandbox, committing_database):
    queue_accounts(committing_database, sandbox.world.logins())
    if state == "asking":
        sandbox.faults.slow(600, times=None)
    elif state == "waiting":
        sandbox.faults.pause(600)
    with committing_database.connect() as other:
        if state == "storing":
            other.execute(text("LOCK TABLE capture IN ACCESS EXCLUSIVE MODE"))
        worker = start("worker")
        wait_until(lambda: has_reached_state(state, sandbox, committing_database))
        assert stops_when_terminated(worker), worker.read_log()
        other.rollback()
    assert "Traceback" not in worker.read_log()


def has_reached_state(state, sandbox, engine):
    if state == "asking":
        return scalar(engine, "SELECT count(*) FROM ingest_run") == 1
    if state == "waiting":
        return len(sandbox.log) > 0
    return scalar(engine, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                       " AND datname = current_database()") > 0  # fmt: skip


@pytest.mark.slow
def test_a_worker_survives_postgres_and_redis_outages_without_log_noise(
    start, sandbox, committing_database, environment, tmp_path_factory
):
    here = Path(f"/tmp/almanac-wire-{os.getpid()}")
    here.mkdir(mode=0o755)
    url = committing_database.url
    postgres, valkey = Path(url.query["host"]) / ".s.PGSQL.5432", Path(unquote(urlsplit(environment["REDIS_URL"]).path))
    number = parse_qs(urlsplit(environment["REDIS_URL"]).query)["db"][0]
    logins = sandbox.world.logins()
    try:
        with (
            socket_proxy(here / ".s.PGSQL.5432", postgres) as to_postgres,
            socket_proxy(here / "valkey", valkey) as to_valkey,
        ):
            worker = start(
                "worker",
                DATABASE_URL=url.update_query_dict({"host": str(here)}).render_as_string(hide_password=False),
                REDIS_URL=f"unix://{here}/valkey?db={number}",
            )
            sandbox.latency_ms = 300
            queue_accounts(committing_database, logins)
            wait_until(lambda: scalar(committing_database, "SELECT count(*) FROM capture") > 0)
            to_postgres.cut()
            to_valkey.cut()
            time.sleep(6)
            assert worker.poll() is None, worker.read_log()
            to_postgres.reconnect()
            to_valkey.reconnect()
            sandbox.latency_ms = 0
            wait_until(lambda: worker.read_log().count("worker started") == 2)
            with committing_database.begin() as connection:  # a minute later
                connection.execute(text("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'"))
                connection.execute(text("UPDATE procrastinate_jobs SET scheduled_at = NULL"))
            ScheduledJobs(committing_database).release_abandoned_jobs()
            wait_until(
                lambda: scalar(committing_database, "SELECT count(DISTINCT account_id) FROM capture") == len(logins)
            )
            to_postgres.cut()
            wait_until(lambda: worker.read_log().count("worker lost Postgres") == 2)
            assert stops_when_terminated(worker), worker.read_log()
    finally:
        here.rmdir()
    log = worker.read_log()
    assert "Traceback" not in log, log
    assert log.count("worker lost Postgres") <= 6
    loud = Counter(line[29:70] for line in log.splitlines() if "error" in line[:40])
    assert not loud, log


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.1, 4])
def test_no_job_stays_running_after_postgres_was_away_while_all_slots_were_busy(
    seconds, start, sandbox, committing_database, monkeypatch
):
    """Ends of jobs that could not be stored are found by the lock of the job, not by the worker's heartbeat."""
    monkeypatch.setattr(abandoned, "START_GRACE", timedelta(seconds=3))
    here = Path(f"/tmp/almanac-wire-{os.getpid()}")
    here.mkdir(mode=0o755)
    url, logins = committing_database.url, sandbox.world.logins()
    try:
        with socket_proxy(here / ".s.PGSQL.5432", Path(url.query["host"]) / ".s.PGSQL.5432") as to_postgres:
            track(committing_database, logins, datetime.now(UTC))
            with committing_database.begin() as connection:  # two jobs
                connection.execute(text("UPDATE account SET token_fingerprint = id % 2"))
            ScheduledJobs(committing_database).enqueue_due_accounts()
            sandbox.latency_ms = 300
            worker = start(
                "worker", DATABASE_URL=url.update_query_dict({"host": str(here)}).render_as_string(hide_password=False)
            )
            wait_until(lambda: scalar(committing_database, "SELECT count(*) FROM ingest_run") == 2)
            to_postgres.cut()
            time.sleep(seconds)
            to_postgres.reconnect()
            sandbox.latency_ms = 0
            wait_until(lambda: all_stored_and_released(committing_database, logins))
            wait_until(lambda: worker.read_log().count("worker started") == 2)
            assert stops_when_terminated(worker), worker.read_log()
    finally:
        here.rmdir()
    assert scalar(committing_database, "SELECT count(*) FROM ingest_run WHERE state = 'running'") == 0
    assert "Traceback" not in worker.read_log(), worker.read_log()


def all_stored_and_released(engine, logins):
    """Release abandoned jobs as the leader does every half minute; return whether nothing is left to do."""
    with engine.begin() as connection:  # without the wait before a retry
        connection.execute(text("UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE id IN (SELECT id FROM"
                                " procrastinate_jobs WHERE scheduled_at > now() FOR UPDATE SKIP LOCKED)"))  # fmt: skip
    ScheduledJobs(engine).release_abandoned_jobs()
    return (
        scalar(engine, "SELECT count(DISTINCT account_id) FROM capture") == len(logins)
        and scalar(engine, "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')") == 0
        and scalar(engine, "SELECT count(*) FROM tracked_account WHERE queued_at IS NOT NULL") == 0
    )


LEADER_PID_SQL = """
    SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database
     WHERE datname = current_database()) AND (classid::bigint << 32) + objid::bigint = :lock
"""


def leader_pid(engine):
    return scalar(engine, LEADER_PID_SQL, lock=LEADER_LOCK)


@pytest.mark.slow
def test_a_standby_takes_over_after_the_leaders_death(start, committing_database):
    first = start("scheduler")
    wait_until(lambda: leader_pid(committing_database))
    dead = leader_pid(committing_database)
    second = start("scheduler")
    wait_until(lambda: "scheduler on standby" in second.read_log())
    first.kill()
    wait_until(lambda: leader_pid(committing_database) not in (None, dead))


def test_a_terminated_leader_cancels_a_long_round(committing_database, new_engine, monkeypatch):
    """Unfinished work is rolled back and repeated by the next leader."""
    monkeypatch.setattr(scheduler, "ELECTION_INTERVAL_SECONDS", 0.2)
    scheduled = ScheduledJobs(new_engine())

    def round_of_a_day():
        with scheduled.engine.begin() as connection:
            connection.execute(text("SELECT pg_sleep(60)"))

    monkeypatch.setattr(scheduled, "enqueue_due_accounts", round_of_a_day)
    stop = threading.Event()
    leading = threading.Thread(target=scheduler.serve, args=(scheduled, stop))
    leading.start()
    try:
        wait_until(lambda: scalar(committing_database, "SELECT count(*) FROM pg_stat_activity WHERE state = 'active'"
                             " AND datname = current_database() AND query LIKE '%pg_sleep%'") == 2)  # fmt: skip
    finally:
        stop.set()
        leading.join(60)
    assert not leading.is_alive()
