"""What was asked for at once is one ingestion: asked twice it is still one, and it can be cancelled."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from core.queue import ingestions, jobs

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
INTERVAL = timedelta(hours=6)
JOB_ORIGIN = jobs.JobOrigin("person", by="ada")


@pytest.fixture
def accounts(committing_database):
    """120 tracked accounts that are due, by our id."""
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
    def started(ids, asked=JOB_ORIGIN):
        with committing_database.begin() as connection:
            return ingestions.start(connection, ids, asked, NOW)

    return started


def rows(engine, sql):
    with engine.begin() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def test_an_ingestion_is_one_however_many_jobs_share_it(committing_database, accounts, start):
    started = start(accounts)
    assert (started.accounts, started.queued_already, started.is_new) == (120, 0, True)
    assert rows(committing_database, "SELECT accounts, trigger, requested_by FROM ingestion") == [
        (120, "person", "ada")
    ]
    assert rows(committing_database, "SELECT accounts FROM ingestion_job ORDER BY job_id") == [(50,), (50,), (20,)]
    told = rows(committing_database, "SELECT DISTINCT (args ->> 'ingestion_id')::bigint FROM procrastinate_jobs")
    assert told == [(started.id,)]


def test_started_twice_it_is_still_one(committing_database, accounts, start):
    first = start(accounts)
    second = start(accounts)
    assert second.id == first.id
    assert (second.accounts, second.queued_already, second.is_new) == (0, 120, False)
    assert rows(committing_database, "SELECT count(*) FROM ingestion") == [(1,)]
    assert rows(committing_database, "SELECT count(*) FROM procrastinate_jobs") == [(3,)]


def test_who_asks_for_what_the_timetable_queued_moves_it_to_the_front(committing_database, accounts, start):
    with committing_database.begin() as connection:
        jobs.defer_refresh(connection, accounts[:50], jobs.JobOrigin("schedule"), NOW)
    started = start(accounts[:3])
    assert not started.is_new
    assert rows(committing_database, "SELECT priority FROM procrastinate_jobs") == [(jobs.PRIORITY_PERSON,)]


def test_what_is_not_queued_yet_is_started_beside_what_is(accounts, start):
    first = start(accounts[:10])
    second = start(accounts[:12])
    assert second.id != first.id
    assert (second.accounts, second.queued_already) == (2, 10)


def test_nothing_starts_for_nobody(committing_database, start):
    assert start([]) is None
    assert rows(committing_database, "SELECT count(*) FROM ingestion") == [(0,)]


def test_cancelled_before_anybody_began_it_leaves_nothing_queued_and_nothing_due_at_once(
    committing_database, accounts, start
):
    started = start(accounts)
    with committing_database.begin() as connection:
        assert ingestions.cancel(connection, started.id, "grace", NOW, INTERVAL)
    assert rows(committing_database, "SELECT DISTINCT status::text FROM procrastinate_jobs") == [("cancelled",)]
    marks = rows(committing_database, "SELECT count(*), count(queued_at), min(due_at) FROM tracked_account")
    assert marks == [(120, 0, NOW + INTERVAL)]
    assert rows(committing_database, "SELECT cancelled_by FROM ingestion") == [("grace",)]


def test_cancelled_at_work_its_job_is_asked_to_stop(committing_database, accounts, start):
    started = start(accounts[:2])
    with committing_database.begin() as connection:
        connection.execute(text("UPDATE procrastinate_jobs SET status = 'doing'"))
        assert ingestions.cancel(connection, started.id, "grace", NOW, INTERVAL)
    assert rows(committing_database, "SELECT status::text, abort_requested FROM procrastinate_jobs") == [
        ("doing", True)
    ]


def test_what_is_over_cannot_be_cancelled(committing_database, accounts, start):
    started = start(accounts[:2])
    with committing_database.begin() as connection:
        connection.execute(text("DELETE FROM procrastinate_jobs"))
        assert not ingestions.cancel(connection, started.id, "grace", NOW, INTERVAL)
    assert rows(committing_database, "SELECT cancelled_at FROM ingestion") == [(None,)]
