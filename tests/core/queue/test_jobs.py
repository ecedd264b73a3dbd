"""Jobs are enqueued in the transaction of the caller, once per account and in batches."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from core.queue import jobs

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
JOB_ORIGIN = jobs.JobOrigin("test", by="somebody", request_id="r-1")


@pytest.fixture
def accounts(committing_database):
    """Return the ids of 120 tracked accounts."""
    with committing_database.begin() as connection:
        ids = connection.scalars(
            text("INSERT INTO account (login) SELECT 'account-' || n FROM generate_series(1, 120) n RETURNING id")
        ).all()
        connection.execute(
            text("INSERT INTO tracked_account (account_id) SELECT * FROM unnest(CAST(:ids AS bigint[]))"), {"ids": ids}
        )
    return list(ids)


def queued_jobs_and_marks(engine):
    with engine.begin() as connection:
        jobs_waiting = connection.execute(text("SELECT args, priority, status FROM procrastinate_jobs ORDER BY id"))
        marks = connection.scalar(text("SELECT count(*) FROM tracked_account WHERE queued_at IS NOT NULL"))
        return [row.args for row in jobs_waiting], marks


def defer(engine, ids, **given):
    with engine.begin() as connection:
        return jobs.defer_refresh(connection, ids, JOB_ORIGIN, NOW, **given)


def test_accounts_are_packed_into_batches_and_marked(committing_database, accounts):
    assert len(defer(committing_database, accounts)) == 2
    args, marks = queued_jobs_and_marks(committing_database)
    assert [len(one["account_ids"]) for one in args] == [74, 46]
    assert marks == 120
    assert {name: args[0][name] for name in ("trigger", "by", "request_id")} == {
        "trigger": "test", "by": "somebody", "request_id": "r-1",
    }  # fmt: skip
    assert len({one["ingestion_id"] for one in args}) == 1


def test_each_batch_is_of_one_token(committing_database, accounts):
    """A query is sent with one token, so that a batch of three would cost three points for its one."""
    update = text("UPDATE account SET token_fingerprint = (ARRAY['a', 'b', NULL])[id % 3 + 1] WHERE id = ANY(:ids)")
    with committing_database.begin() as connection:
        connection.execute(update, {"ids": accounts})
    assert len(defer(committing_database, accounts)) == 3
    args, marks = queued_jobs_and_marks(committing_database)
    assert [{id_ % 3 for id_ in one["account_ids"]} for one in args] == [{id_ % 3} for id_ in accounts[:3]]
    assert [len(one["account_ids"]) for one in args] == [40, 40, 40]
    assert marks == 120


def test_the_first_batch_has_the_first_of_those_given(committing_database, accounts):
    """The caller's order is that of priorities."""
    given = accounts[::-1]
    defer(committing_database, given, batch_size=50)
    args, _ = queued_jobs_and_marks(committing_database)
    assert [one["account_ids"] for one in args] == [given[:50], given[50:100], given[100:]]


def test_an_account_is_never_queued_twice(committing_database, accounts):
    defer(committing_database, accounts[:10])
    assert defer(committing_database, accounts[:10]) == []
    defer(committing_database, accounts[:11])
    args, marks = queued_jobs_and_marks(committing_database)
    assert [one["account_ids"] for one in args] == [accounts[:10], accounts[10:11]]
    assert marks == 11


def test_a_rollback_enqueues_nothing(committing_database, accounts):
    with committing_database.connect() as connection:
        jobs.defer_refresh(connection, accounts, JOB_ORIGIN, NOW)
        connection.rollback()
    assert queued_jobs_and_marks(committing_database) == ([], 0)


def test_an_untracked_account_can_be_queued_only_once(committing_database, accounts):
    with committing_database.begin() as connection:
        connection.execute(text("DELETE FROM tracked_account WHERE account_id = :id"), {"id": accounts[0]})
    assert len(defer(committing_database, accounts[:1])) == 1
    assert defer(committing_database, accounts[:1]) == []


def test_marks_of_finished_jobs_are_cleared(committing_database, accounts):
    defer(committing_database, accounts[:84])
    with committing_database.begin() as connection:
        connection.execute(text("DELETE FROM procrastinate_jobs WHERE id = (SELECT min(id) FROM procrastinate_jobs)"))
        assert jobs.release_orphaned_accounts(connection) == 74
    assert queued_jobs_and_marks(committing_database)[1] == 10
