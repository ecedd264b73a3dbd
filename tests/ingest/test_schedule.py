"""One leader queues due accounts once, a worker refreshes them, and dead processes leave nothing stuck."""

import os
import signal
import threading
import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from core.queue import abandoned, ingestions, jobs
from core.tracking import accounts
from ingest import scheduler
from ingest.scheduler import ScheduledJobs, build_scheduler
from tests.databases import scalar
from tests.waiting import wait_until

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def scheduled(committing_database):
    return ScheduledJobs(committing_database, clock=lambda: NOW)


def track(engine, *logins, due=NOW - timedelta(minutes=1)):
    with engine.begin() as connection:
        for login in logins:
            accounts.track(connection, login, "test")
        connection.execute(text("UPDATE tracked_account SET due_at = :due"), {"due": due})


def test_due_accounts_are_queued_once(scheduled, committing_database):
    track(committing_database, "octocat", "hubot")
    assert scheduled.enqueue_due_accounts() == 2
    assert scheduled.enqueue_due_accounts() == 0
    assert scalar(committing_database, "SELECT count(*) FROM procrastinate_jobs") == 1


def test_accounts_paused_or_not_yet_due_are_not_queued(scheduled, committing_database):
    track(committing_database, "octocat", "hubot")
    with committing_database.begin() as connection:
        connection.execute(text("UPDATE tracked_account SET paused = true WHERE account_id = (SELECT min(account_id)"
                                " FROM tracked_account)"))  # fmt: skip
    assert scheduled.enqueue_due_accounts() == 1
    track(committing_database, "somebody", due=NOW + timedelta(hours=1))
    assert scheduled.enqueue_due_accounts() == 0


def test_the_job_of_a_dead_worker_is_requeued(scheduled, committing_database):
    track(committing_database, "octocat")
    scheduled.enqueue_due_accounts()
    with committing_database.begin() as connection:
        worker = connection.scalar(
            text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour') RETURNING id")
        )
        connection.execute(
            text("UPDATE procrastinate_jobs SET status = 'doing', worker_id = :worker"), {"worker": worker}
        )
    assert scheduled.release_abandoned_jobs().requeued == 1
    assert scalar(committing_database, "SELECT status FROM procrastinate_jobs") == "todo"


def test_a_job_that_its_workers_never_survive_is_given_up_and_its_accounts_wait(scheduled, committing_database):
    """As where one account needs more memory than there is: else all workers would die of it again and again."""
    track(committing_database, "octocat")
    scheduled.enqueue_due_accounts()
    with capture_logs() as logs:
        for _ in range(abandoned.MAX_ATTEMPTS):
            with committing_database.begin() as connection:
                connection.execute(text("UPDATE procrastinate_jobs SET status = 'doing' WHERE status = 'todo'"))
            scheduled.release_abandoned_jobs()
    with committing_database.begin() as connection:
        row = connection.execute(
            text("SELECT job_id, failures, due_at - :now FROM tracked_account"), {"now": NOW}
        ).one()
    assert row[:2] == (None, 1)
    assert timedelta(minutes=5) <= row[2] <= timedelta(minutes=6)
    assert scalar(committing_database, "SELECT status FROM procrastinate_jobs") == "failed"
    assert [one["accounts"] for one in logs if one["event"] == "job given up, no worker survives it"] == [1]
    assert scheduled.enqueue_due_accounts() == 0


def test_a_living_worker_keeps_its_job(scheduled, committing_database):
    track(committing_database, "octocat")
    scheduled.enqueue_due_accounts()
    with committing_database.begin() as connection:
        worker = connection.scalar(
            text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now()) RETURNING id")
        )
        connection.execute(
            text("UPDATE procrastinate_jobs SET status = 'doing', worker_id = :worker"), {"worker": worker}
        )
    assert scheduled.release_abandoned_jobs().requeued == 0


def test_an_account_whose_job_vanished_becomes_due_again(scheduled, committing_database):
    track(committing_database, "octocat")
    scheduled.enqueue_due_accounts()
    with committing_database.begin() as connection:
        connection.execute(text("DELETE FROM procrastinate_jobs"))
    scheduled.release_abandoned_jobs()
    assert scheduled.enqueue_due_accounts() == 1


def test_of_two_schedulers_one_leads_and_the_other_takes_over(new_engine, monkeypatch):
    """Each runs its schedule only while it has the lock."""
    monkeypatch.setattr(scheduler, "ELECTION_INTERVAL_SECONDS", 0.2)
    led = {"first": threading.Event(), "second": threading.Event()}
    stops, threads = {}, []
    for name in ("first", "second"):
        scheduled = ScheduledJobs(new_engine())
        monkeypatch.setattr(scheduled, "enqueue_due_accounts", led[name].set)
        stops[name] = threading.Event()
        threads.append(threading.Thread(target=scheduler.serve, args=(scheduled, stops[name])))
        threads[-1].start()
        if name == "first":
            assert led["first"].wait(60)
    assert not led["second"].wait(1)
    stops["first"].set()
    assert led["second"].wait(60)
    stops["second"].set()
    for thread in threads:
        thread.join(60)


def test_a_leader_whose_session_was_ended_runs_nothing_more(committing_database, new_engine, monkeypatch):
    """It may learn of it last: its network or machine stood still, and another one leads meanwhile."""
    scheduled = ScheduledJobs(new_engine())
    done = []
    with scheduled.engine.connect() as connection:
        leadership = scheduler._try_become_leader(scheduled.engine, connection)
        assert scheduler._try_become_leader(scheduled.engine, connection)  # a session's own lock is no obstacle to it
        with scheduled.engine.connect() as other:
            assert scheduler._try_become_leader(scheduled.engine, other) is None
        job = build_scheduler(scheduled, leadership.is_held).get_job("create_partitions")
        monkeypatch.setattr(scheduler.partitions, "create_partitions", lambda *_: done.append("as leader"))
        job.func()
        with committing_database.begin() as killer:
            killer.execute(text("SELECT pg_terminate_backend(CAST(:pid AS int), 10000)"), {"pid": leadership.pid})
        job.func()
        connection.invalidate()
    assert done == ["as leader"]


def test_a_scheduled_job_that_met_a_shard_on_its_way_is_repeated(committing_database, monkeypatch):
    moved = psycopg.errors.UndefinedTable('relation "public.repository_102292" does not exist')
    outcomes = [moved, moved, moved, None]

    def clean(*_):
        if outcome := outcomes.pop(0):
            raise outcome

    monkeypatch.setattr(scheduler.cleanup, "delete_expired", clean)
    build_scheduler(ScheduledJobs(committing_database), lambda: True).get_job("delete_expired_sessions").func()
    assert outcomes == []


def test_alerts_are_updated_where_what_some_look_at_cannot_be_read(scheduled, committing_database, monkeypatch):
    """Neither Redis nor the disk: an alert about accounts is raised, those about the disk and tokens stay open."""

    def fail(*_given):
        raise OSError("no such disk")

    for name in ("embedded_disk_space", "_remaining_budgets", "_token_expiries"):
        monkeypatch.setattr(scheduler, name, fail)
    track(committing_database, "octo")
    with committing_database.begin() as connection:
        for kind in ("disk_low", "token_expiring"):
            connection.execute(
                text(
                    "INSERT INTO alert (rule_id, kind, subject, message, raised_at)"
                    " SELECT id, kind, kind, '', now() FROM alert_rule WHERE kind = :kind"
                ),
                {"kind": kind},
            )
    with capture_logs() as logs:
        scheduled.update_state_alerts()
    kinds = "SELECT array_agg(kind ORDER BY kind) FROM alert WHERE ended_at IS NULL"
    assert scalar(committing_database, kinds) == ["disk_low", "freshness_missed", "token_expiring"]
    unavailable = [one["source"] for one in logs if one["event"] == "alert source unavailable"]
    assert sorted(unavailable) == ["disk", "rate budgets", "token expiries"]


def test_a_clock_set_back_a_day_does_not_stop_the_schedule(new_engine, monkeypatch):
    """The next run times are a day ahead then: the schedule is rebuilt from the new time."""
    monkeypatch.setattr(scheduler, "ELECTION_INTERVAL_SECONDS", 0.1)
    clock = {"ahead": timedelta(0)}
    scheduled = ScheduledJobs(new_engine(), clock=lambda: datetime.now(UTC) + clock["ahead"])
    starts, build = [], scheduler.build_scheduler
    monkeypatch.setattr(scheduler, "build_scheduler", lambda of, lead: starts.append(of.clock()) or build(of, lead))
    stop = threading.Event()
    leading = threading.Thread(target=scheduler.serve, args=(scheduled, stop))
    leading.start()
    try:
        wait_until(lambda: len(starts) == 1)
        time.sleep(0.5)
        assert len(starts) == 1
        clock["ahead"] = timedelta(days=-1)
        wait_until(lambda: len(starts) == 2)
    finally:
        stop.set()
        leading.join(60)
    assert starts[1] < starts[0]


@pytest.fixture
def environment(sandbox, committing_database, redis):
    """Return the environment that a worker needs to find this test's servers."""
    return os.environ | {
        "DATABASE_URL": committing_database.url.render_as_string(hide_password=False),
        "GITHUB_API_URL": sandbox.url,
        "GITHUB_TOKENS": "sandbox-token-1",
        "REDIS_URL": os.environ["REDIS_URL"],
    }


def captured_account_count(engine):
    return scalar(engine, "SELECT count(DISTINCT account_id) FROM capture")


def test_a_worker_refreshes_queued_accounts_and_stops_when_terminated(start, sandbox, committing_database):
    logins = sandbox.world.logins()
    track(committing_database, *logins)
    assert ScheduledJobs(committing_database).enqueue_due_accounts() == len(logins)
    worker = start("worker")
    try:
        wait_until(lambda: captured_account_count(committing_database) == len(logins))
        wait_until(lambda: scalar(committing_database, "SELECT count(*) FROM procrastinate_jobs") == 0)
        assert scalar(committing_database, "SELECT count(*) FROM tracked_account WHERE queued_at IS NOT NULL") == 0
        assert scalar(committing_database, "SELECT min(due_at) > now() FROM tracked_account")
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0, worker.read_log()


def test_a_killed_worker_leaves_complete_accounts_and_the_next_one_finishes(start, sandbox, committing_database):
    logins = sandbox.world.logins()
    sandbox.latency_ms = 150
    track(committing_database, *logins)
    ScheduledJobs(committing_database).enqueue_due_accounts()
    worker = start("worker")
    wait_until(lambda: captured_account_count(committing_database) >= 1)
    worker.kill()
    worker.wait()
    assert has_complete_rows(committing_database)
    with committing_database.begin() as connection:
        connection.execute(text("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'"))
    ScheduledJobs(committing_database).release_abandoned_jobs()
    sandbox.latency_ms = 0
    second = start("worker")
    try:
        wait_until(lambda: captured_account_count(committing_database) == len(logins))
        assert has_complete_rows(committing_database)
        wait_until(lambda: scalar(committing_database, "SELECT count(*) FROM ingest_run WHERE state = 'done'") == 1)
        assert scalar(committing_database, "SELECT count(*) FROM ingest_run WHERE state = 'stopped'") == 1
    finally:
        second.terminate()
        second.wait(60)


def test_what_a_killed_worker_stored_raises_its_alerts_and_is_published(start, ingestor, committing_database):
    """A repository was archived; the worker stores that and is killed where it would publish it."""
    login = ingestor.login_with_most_repositories("user")
    ingestor.refresh(login)
    ingestor.world.edit.archive(ingestor.active_repository(login))
    track(committing_database, login)
    ScheduledJobs(committing_database).enqueue_due_accounts()
    with committing_database.begin() as connection:
        connection.execute(text("LOCK TABLE data_version IN EXCLUSIVE MODE"))
        worker = start("worker")
        archived = "SELECT count(*) FROM change WHERE kind = 'archived'"
        wait_until(lambda: scalar(committing_database, archived) == 1)
        worker.kill()
        worker.wait()
    version = scalar(committing_database, "SELECT version FROM data_version")
    running = "SELECT count(*) FROM ingest_run WHERE state = 'running'"

    def is_closed():
        ScheduledJobs(committing_database).release_abandoned_jobs()
        return not scalar(committing_database, running)

    wait_until(is_closed)
    assert scalar(committing_database, "SELECT stored FROM ingest_run WHERE state = 'stopped'") == 1
    for _ in range(2):
        ScheduledJobs(committing_database).finish_ended_runs()
        assert scalar(committing_database, "SELECT count(*) FROM alert WHERE kind = 'archived'") == 1
        assert scalar(committing_database, "SELECT version FROM data_version") == version + 1


def has_complete_rows(engine):
    """Each captured account has all its repositories, each with counts and a snapshot."""
    half = scalar(
        engine,
        """
        SELECT count(*) FROM account JOIN account_snapshot ON account_id = account.id
          LEFT JOIN (SELECT account_id AS owner, count(*) AS stored FROM repository
                       JOIN repository_current ON repository_id = id JOIN repository_snapshot USING (repository_id)
                      GROUP BY account_id) AS owned ON owner = account.id
         WHERE public_repositories <> coalesce(stored, 0)
        """,
    )
    loose = scalar(engine, "SELECT count(*) FROM repository WHERE account_id NOT IN (SELECT account_id FROM capture)")
    return half == 0 and loose == 0


def test_an_urgent_batch_goes_first(committing_database):
    track(committing_database, "octocat", "hubot")
    with committing_database.begin() as connection:
        first, second = connection.scalars(text("SELECT account_id FROM tracked_account ORDER BY 1")).all()
        jobs.defer_refresh(connection, [first], jobs.JobOrigin("schedule"), NOW)
        jobs.defer_refresh(connection, [second], jobs.JobOrigin("person"), NOW, priority=jobs.PRIORITY_PERSON)
        fetched = connection.execute(
            text("SELECT args FROM procrastinate_fetch_job_v2(ARRAY['ingest'], NULL)")
        ).scalar_one()
    assert fetched["account_ids"] == [second]


def test_a_cancelled_ingestion_stops_between_accounts_and_keeps_due_times(start, sandbox, committing_database):
    logins = sandbox.world.logins()
    sandbox.latency_ms = 400
    track(committing_database, *logins)
    with committing_database.begin() as connection:
        ids = connection.scalars(text("SELECT account_id FROM tracked_account")).all()
        started = ingestions.start(connection, ids, jobs.JobOrigin("person", by="ada"), datetime.now(UTC))
    worker = start("worker")
    try:
        wait_until(lambda: captured_account_count(committing_database) >= 1)
        with committing_database.begin() as connection:
            assert ingestions.cancel(connection, started.id, "ada", datetime.now(UTC), timedelta(hours=6))
        wait_until(lambda: scalar(committing_database, "SELECT status::text FROM procrastinate_jobs") == "aborted")
    finally:
        worker.terminate()
        worker.wait(60)
    assert captured_account_count(committing_database) < len(logins)
    assert has_complete_rows(committing_database)
    ScheduledJobs(committing_database).release_abandoned_jobs()
    assert ScheduledJobs(committing_database).enqueue_due_accounts() == 0
    assert scalar(committing_database, "SELECT count(*) FROM tracked_account WHERE queued_at IS NOT NULL") == 0
