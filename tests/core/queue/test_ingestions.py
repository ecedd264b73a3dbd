from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from core.queue import ingestions, jobs

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
INTERVAL = timedelta(hours=6)
JOB_ORIGIN = jobs.JobOrigin("person", by="ada")


@pytest.fixture
def accounts(committing_database):
    """Return the ids of 120 tracked accounts that are due."""
    with committing_database.begin() as connection:
        ids = connection.scalars(
            text("INSERT INTO account (login) SELECT 'account-' || n FROM generate_series(1, 120) n RETURNING id")
        ).all()
        connection.execute(
            text("INSERT INTO tracked_account (account_id, due_at) SELECT id, :now FROM account WHERE id = ANY(:ids)"),
            {"ids": list(ids), "now": NOW},
        )
    return list(ids)


@pytest.fixture
def start(committing_database):
    def started(ids, origin=JOB_ORIGIN):
        with committing_database.begin() as connection:
            return ingestions.start(connection, ids, origin, NOW)

    return started


def rows(engine, sql):
    with engine.begin() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def test_one_ingestion_covers_all_its_jobs(committing_database, accounts, start):
    started = start(accounts)
    assert (started.accounts, started.queued_already, started.is_new) == (120, 0, True)
    assert rows(committing_database, "SELECT accounts, trigger, requested_by FROM ingestion") == [
        (120, "person", "ada")
    ]
    assert rows(committing_database, "SELECT accounts FROM ingestion_job ORDER BY job_id") == [(74,), (46,)]
    ids = rows(committing_database, "SELECT DISTINCT (args ->> 'ingestion_id')::bigint FROM procrastinate_jobs")
    assert ids == [(started.id,)]


def test_a_repeated_start_returns_the_same_ingestion(committing_database, accounts, start):
    first = start(accounts)
    second = start(accounts)
    assert second.id == first.id
    assert (second.accounts, second.queued_already, second.is_new) == (0, 120, False)
    assert rows(committing_database, "SELECT count(*) FROM ingestion") == [(1,)]
    assert rows(committing_database, "SELECT count(*) FROM procrastinate_jobs") == [(2,)]


def test_requesting_a_scheduled_account_raises_its_priority(committing_database, accounts, start):
    with committing_database.begin() as connection:
        jobs.defer_refresh(connection, accounts[:50], jobs.JobOrigin("schedule"), NOW)
    started = start(accounts[:3])
    assert not started.is_new
    assert rows(committing_database, "SELECT priority FROM procrastinate_jobs") == [(jobs.PRIORITY_PERSON,)]


def test_only_accounts_that_are_not_queued_start_a_new_ingestion(accounts, start):
    first = start(accounts[:10])
    second = start(accounts[:12])
    assert second.id != first.id
    assert (second.accounts, second.queued_already) == (2, 10)


def test_no_accounts_start_no_ingestion(committing_database, start):
    assert start([]) is None
    assert rows(committing_database, "SELECT count(*) FROM ingestion") == [(0,)]


def test_cancelling_a_queued_ingestion_clears_the_queue_and_postpones_its_accounts(
    committing_database, accounts, start
):
    started = start(accounts)
    with committing_database.begin() as connection:
        assert ingestions.cancel(connection, started.id, "grace", NOW, INTERVAL)
    assert rows(committing_database, "SELECT DISTINCT status::text FROM procrastinate_jobs") == [("cancelled",)]
    marks = rows(committing_database, "SELECT count(*), count(queued_at), min(due_at) FROM tracked_account")
    assert marks == [(120, 0, NOW + INTERVAL)]
    assert rows(committing_database, "SELECT cancelled_by FROM ingestion") == [("grace",)]


def test_cancelling_a_running_job_requests_it_to_stop(committing_database, accounts, start):
    started = start(accounts[:2])
    with committing_database.begin() as connection:
        connection.execute(text("UPDATE procrastinate_jobs SET status = 'doing'"))
        assert ingestions.cancel(connection, started.id, "grace", NOW, INTERVAL)
    assert rows(committing_database, "SELECT status::text, abort_requested FROM procrastinate_jobs") == [
        ("doing", True)
    ]


def test_an_ended_ingestion_cannot_be_cancelled(committing_database, accounts, start):
    started = start(accounts[:2])
    with committing_database.begin() as connection:
        connection.execute(text("DELETE FROM procrastinate_jobs"))
        assert not ingestions.cancel(connection, started.id, "grace", NOW, INTERVAL)
    assert rows(committing_database, "SELECT cancelled_at FROM ingestion") == [(None,)]
