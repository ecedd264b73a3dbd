"""Jobs are enqueued in the transaction of the caller, once per account and in batches."""

from datetime import UTC, datetime, timedelta
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st
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


def test_equals_are_packed_in_the_order_given(committing_database, accounts):
    given = accounts[::-1]
    defer(committing_database, given, batch_size=50)
    args, _ = queued_jobs_and_marks(committing_database)
    assert [one["account_ids"] for one in args] == [given[:50], given[50:100], given[100:]]


def test_large_accounts_share_a_job_after_the_highest_priority(committing_database, accounts):
    """Their further pages then go into the same queries: the 4th, 8th … have two pages, the last two priority 1."""
    with committing_database.begin() as connection:
        set_size = "UPDATE tracked_account SET repositories = CASE WHEN account_id = ANY(:large) THEN 101 ELSE 100 END"
        connection.execute(text(set_size), {"large": accounts[3::4]})
        connection.execute(
            text("UPDATE tracked_account SET priority = 1 WHERE account_id = ANY(:ids)"), {"ids": accounts[-2:]}
        )
    defer(committing_database, accounts, batch_size=31)
    args, _ = queued_jobs_and_marks(committing_database)
    assert args[0]["account_ids"] == [accounts[-1], accounts[-2], *accounts[3:-1:4]]


to_queue = st.builds(
    jobs.AccountToQueue,
    account_id=st.integers(),
    token=st.sampled_from([None, "a", "b"]),
    repositories=st.integers(0, 300) | st.integers(0, 150_000),
    priority=st.integers(-1, 1),
)


@given(st.lists(to_queue, unique_by=lambda one: one.account_id), st.integers(1, 5))
def test_every_account_is_in_one_job_of_its_token_in_which_it_fits(accounts, size):
    by_id = {one.account_id: one for one in accounts}
    packed = [[by_id[id_] for id_ in job] for job in jobs.pack_into_jobs(accounts, size)]
    assert sorted(one.account_id for job in packed for one in job) == sorted(by_id)
    for job in packed:
        assert 1 <= len(job) <= size
        assert len({one.token for one in job}) == 1
        assert len(job) == 1 or sum(one.repositories for one in job) <= jobs.MAX_REPOSITORIES_PER_JOB
    for token in (None, "a", "b"):
        order = [one for job in packed for one in job if one.token == token]
        assert order == sorted(order, key=lambda one: (-one.priority, -max(1, ceil(one.repositories / 100))))


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


@pytest.mark.parametrize(
    ("status", "is_kept"), [("todo", True), ("doing", True), ("failed", False), ("aborted", False)]
)
def test_jobs_that_ended_long_ago_are_deleted(database, status, is_kept):
    job = jobs.defer_once(database, jobs.LOOKUP, lock="lookup:1", priority=0, lookup_id="1")
    database.execute(text(f"UPDATE procrastinate_jobs SET status = '{status}'"))
    ended_at = database.scalar(text("SELECT max(at) FROM procrastinate_events"))
    assert jobs.delete_ended_jobs(database, ended_at + jobs.RETENTION) == 0
    assert jobs.delete_ended_jobs(database, ended_at + jobs.RETENTION + timedelta(seconds=1)) == (not is_kept)
    assert database.scalar(text("SELECT count(*) FROM procrastinate_jobs WHERE id = :id"), {"id": job}) == is_kept
