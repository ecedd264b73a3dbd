"""Jobs that nobody works on are handed out again or closed; jobs that somebody works on are left alone."""

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.errors import UniqueViolation
from sqlalchemy import Connection, Engine, Row, create_engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from core.queue import abandoned, ingestions, jobs
from core.queue.abandoned import AbandonedJobs
from core.queue.liveness import APPLICATION_NAME, JOB_LOCK_SPACE, lock_key
from ingest.planning import due_accounts
from ingest.planning.change_rate import ChangeObservation

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
SIX_HOURS = timedelta(hours=6)
NOTHING_NEW = ChangeObservation(None, 0, at_least=False, stars=0, repositories=0)
ACCOUNTS = 3


def execute(engine: Engine, sql: str, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(text(sql), values)


def scalars(engine: Engine, sql: str, **values: object) -> list[object]:
    with engine.begin() as connection:
        return list(connection.scalars(text(sql), values))


@dataclass
class Execution:
    """A job in the hands of a worker: its lock on a connection, and the accounts not stored yet."""

    job_id: int
    lock: Connection
    accounts: list[int]


@dataclass
class Queue:
    """A queue with tracked accounts, and workers as a sequence of single steps."""

    engine: Engine
    accounts: list[int] = field(default_factory=list)
    executions: list[Execution] = field(default_factory=list)
    requested: set[int] = field(default_factory=set)

    def reset(self) -> None:
        for execution in list(self.executions):
            self.end(execution)
        self.requested.clear()
        for table in ("tracked_account", "account", "ingestion", "procrastinate_jobs", "procrastinate_workers"):
            execute(self.engine, f"DELETE FROM {table}")
        self.accounts = [
            int(str(one))
            for one in scalars(
                self.engine,
                "INSERT INTO account (login) SELECT 'account-' || n FROM generate_series(1, :n) n RETURNING id",
                n=ACCOUNTS,
            )
        ]
        execute(self.engine, "INSERT INTO tracked_account (account_id, due_at) SELECT id, :at FROM account", at=NOW)

    def request(self, which: int) -> None:
        """A person asks for one account, or for all."""
        ids = self.accounts[which : which + 1] or self.accounts
        with self.engine.begin() as connection:
            ingestions.start(connection, ids, jobs.JobOrigin("person"), NOW)
        self.requested |= set(ids)

    def enqueue_due(self) -> None:
        with self.engine.begin() as connection:
            due = due_accounts.due_accounts(connection, NOW, 50)
            jobs.defer_refresh(connection, [one.account_id for one in due], jobs.JobOrigin("schedule"), NOW)

    def fetch_without_reply(self) -> Row[Any] | None:
        """A worker takes the next job, and Postgres goes away before it knows which."""
        with self.engine.begin() as connection:
            worker = connection.scalar(text("INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id"))
            return connection.execute(
                text(
                    "SELECT id, args FROM procrastinate_fetch_job_v2(CAST(:queues AS varchar[]), :worker)"
                    " WHERE id IS NOT NULL"
                ),
                {"queues": [jobs.QUEUE], "worker": worker},
            ).one_or_none()

    def fetch(self) -> None:
        """A worker takes the next job; without its lock it puts the job back."""
        job = self.fetch_without_reply()
        if job is None:
            return
        lock = self.engine.connect()
        key = {"space": JOB_LOCK_SPACE, "key": lock_key(job.id)}
        if not lock.scalar(text("SELECT pg_try_advisory_lock(:space, :key)"), key):
            lock.close()
            self.retry(job.id)
            return
        lock.commit()
        with self.engine.begin() as connection:
            left = due_accounts.unfinished_account_ids(connection, job.args["account_ids"], job.id)
        self.executions.append(Execution(job.id, lock, left))

    def store(self, execution: Execution) -> None:
        if execution.accounts:
            account = execution.accounts.pop()
            with self.engine.begin() as connection:
                due_accounts.record_successes(connection, {account: NOTHING_NEW}, NOW, SIX_HOURS, Random(1))
            self.requested.discard(account)

    def store_without_reply(self, execution: Execution) -> None:
        """The account is stored, and Postgres goes away before the worker knows: it stores it once more."""
        left = list(execution.accounts)
        self.store(execution)
        execution.accounts = left

    def finish_without_reply(self, execution: Execution) -> None:
        """The end of the job is stored, and Postgres goes away before the worker knows: it stores another end."""
        self.finish(execution)
        self.retry(execution.job_id)

    def outage(self, outcomes: int) -> None:
        """Postgres is away: all locks are lost. Each worker works on, loses the end of its job, or dies meanwhile."""
        for execution in list(self.executions):
            outcomes, outcome = divmod(outcomes, 3)
            (self.lose_lock, self.fail_without_storing_the_end, self.die)[outcome](execution)

    def kill_all(self) -> None:
        """All workers are killed at once, and start again."""
        for execution in list(self.executions):
            self.die(execution)

    def finish(self, execution: Execution) -> None:
        while execution.accounts:
            self.store(execution)
        self.end(execution)
        with suppress(DBAPIError):  # handed out again meanwhile, and finished there
            execute(self.engine, "SELECT procrastinate_finish_job_v1(:id, 'succeeded', true)", id=execution.job_id)

    def fail(self, execution: Execution) -> None:
        self.end(execution)
        with self.engine.begin() as connection:
            lock = connection.scalar(
                text("SELECT queueing_lock FROM procrastinate_jobs WHERE id = :id"), {"id": execution.job_id}
            )
            is_replaced = lock is not None and jobs.is_queued(connection, lock)
        if is_replaced:
            with suppress(DBAPIError):
                execute(self.engine, "SELECT procrastinate_finish_job_v1(:id, 'failed', false)", id=execution.job_id)
        else:
            self.retry(execution.job_id)

    def fail_without_storing_the_end(self, execution: Execution) -> None:
        self.end(execution)

    def die(self, execution: Execution) -> None:
        self.end(execution)
        execute(self.engine, "UPDATE procrastinate_jobs SET worker_id = NULL WHERE id = :id", id=execution.job_id)

    def lose_lock(self, execution: Execution) -> None:
        """The connection with the lock is lost, and the worker works on."""
        execution.lock.invalidate()

    def end(self, execution: Execution) -> None:
        execution.lock.invalidate()
        execution.lock.close()
        self.executions.remove(execution)

    def retry(self, job_id: int) -> None:
        with suppress(DBAPIError):  # it was closed, or a newer one waits: its end is lost
            execute(self.engine, "SELECT procrastinate_retry_job_v2(:id, now(), NULL, NULL, NULL)", id=job_id)

    def release(self) -> AbandonedJobs:
        """A minute later, the leader releases what nobody works on."""
        execute(self.engine, "UPDATE procrastinate_events SET at = at - interval '1 minute'")
        with self.engine.begin() as connection:
            released = abandoned.release_abandoned_jobs(connection)
            jobs.release_orphaned_accounts(connection)
        return released

    def drain(self) -> None:
        """Let all workers finish and new ones take what is left."""
        for _ in range(ACCOUNTS + 3):
            for execution in list(self.executions):
                self.finish(execution)
            self.release()
            self.enqueue_due()
            self.fetch()


@pytest.fixture
def queue(committing_database):
    engine = create_engine(committing_database.url)
    made = Queue(engine)
    made.reset()
    yield made
    made.reset()
    engine.dispose()


STEPS = st.one_of(
    st.tuples(st.just("request"), st.integers(0, ACCOUNTS)),
    st.tuples(st.just("outage"), st.integers(0, 3**3 - 1)),
    st.tuples(
        st.sampled_from(["enqueue_due", "fetch", "fetch", "fetch", "fetch_without_reply", "release", "kill_all"]),
        st.none(),
    ),
    st.tuples(st.sampled_from(["store", "store", "finish", "fail", "die", "lose_lock"]), st.integers(0, 2)),
    st.tuples(
        st.sampled_from(["store_without_reply", "finish_without_reply", "fail_without_storing_the_end"]),
        st.integers(0, 2),
    ),
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(STEPS, min_size=3, max_size=14))
def test_in_any_order_of_steps_each_requested_account_is_stored_and_nothing_stays_queued(queue, steps):
    queue.reset()
    for name, which in steps:
        step = getattr(queue, name)
        if name in {"request", "outage"}:
            step(which)
        elif which is None:
            step()
        elif queue.executions:
            step(queue.executions[which % len(queue.executions)])
    queue.drain()
    assert queue.requested == set()
    assert scalars(queue.engine, "SELECT id FROM procrastinate_jobs WHERE status IN ('todo', 'doing')") == []
    assert scalars(queue.engine, "SELECT account_id FROM tracked_account WHERE queued_at IS NOT NULL") == []
    assert scalars(queue.engine, "SELECT account_id FROM tracked_account WHERE due_at <= :now", now=NOW) == []


@pytest.fixture
def untracked_queue(queue):
    """A queue with accounts that have no mark: the lock of a job keeps them from being queued twice."""
    execute(queue.engine, "DELETE FROM tracked_account")
    return queue


def test_a_request_after_a_job_was_put_back_is_not_swallowed_by_it(queue):
    """Its worker lost the lock and works on: it stores the account, and ends the job that was put back."""
    queue.request(0)
    queue.fetch()
    queue.lose_lock(queue.executions[0])
    queue.release()
    queue.store(queue.executions[0])
    queue.request(0)
    queue.drain()
    assert queue.requested == set()


def test_a_dead_job_is_closed_when_its_account_was_requested_again(untracked_queue):
    queue = untracked_queue
    queue.request(0)
    queue.fetch()
    queue.store(queue.executions[0])
    queue.request(0)
    queue.die(queue.executions[0])
    assert queue.release() == AbandonedJobs(requeued=0, closed=1)
    assert scalars(queue.engine, "SELECT status::text FROM procrastinate_jobs ORDER BY id") == ["failed", "todo"]
    queue.drain()
    assert queue.requested == set()


def test_procrastinate_refuses_to_put_a_job_back_while_a_newer_one_waits(untracked_queue):
    """Which is why such a job is closed."""
    queue = untracked_queue
    queue.request(0)
    queue.fetch()
    queue.store(queue.executions[0])
    queue.request(0)
    with pytest.raises(IntegrityError) as refused:
        execute(
            queue.engine,
            "SELECT procrastinate_retry_job_v2(:id, now(), NULL, NULL, NULL)",
            id=queue.executions[0].job_id,
        )
    assert isinstance(refused.value.orig, UniqueViolation)


def test_a_job_whose_end_was_not_stored_is_requeued_although_its_worker_lives(queue):
    queue.request(0)
    queue.fetch()
    queue.fail_without_storing_the_end(queue.executions[0])
    assert queue.release() == AbandonedJobs(requeued=1)


def test_a_job_that_somebody_works_on_is_left_alone_although_its_worker_seems_dead(queue):
    queue.request(0)
    queue.fetch()
    execute(queue.engine, "DELETE FROM procrastinate_workers")
    assert queue.release() == AbandonedJobs()


def test_a_job_that_was_just_fetched_is_left_alone(queue):
    queue.request(0)
    queue.fetch()
    queue.lose_lock(queue.executions[0])
    with queue.engine.begin() as connection:
        assert abandoned.release_abandoned_jobs(connection) == AbandonedJobs()


def test_a_cancelled_job_of_a_dead_worker_is_not_run_again(queue):
    queue.request(0)
    queue.fetch()
    with queue.engine.begin() as connection:
        jobs.cancel_job(connection, queue.executions[0].job_id)
    queue.die(queue.executions[0])
    assert queue.release() == AbandonedJobs(closed=1)
    assert scalars(queue.engine, "SELECT status::text FROM procrastinate_jobs") == ["aborted"]


def test_connections_that_do_not_confirm_their_lock_are_ended(committing_database, monkeypatch):
    with committing_database.connect() as frozen, committing_database.connect() as other:
        frozen.execute(text(f"SET application_name = '{APPLICATION_NAME}'"))
        frozen.commit()
        with committing_database.begin() as connection:
            assert abandoned.disconnect_frozen_processes(connection) == 0
        monkeypatch.setattr(abandoned, "CONFIRMATION_TIMEOUT", timedelta(0))
        with committing_database.begin() as connection:
            assert abandoned.disconnect_frozen_processes(connection) == 1
        with pytest.raises(DBAPIError):
            frozen.execute(text("SELECT 1"))
        assert other.scalar(text("SELECT 1")) == 1
