"""The lock of a running job: exclusive, acquired again after a lost connection, lost when another process has it."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core.queue.liveness import APPLICATION_NAME, JOB_LOCK_SPACE
from ingest import liveness_lock
from ingest.liveness_lock import LivenessLock, LockTaken
from tests.waiting import wait_until


@pytest.fixture
def engine(committing_database, monkeypatch):
    monkeypatch.setattr(liveness_lock, "CONFIRMATION_SECONDS", 0.05)
    monkeypatch.setattr(liveness_lock, "RECONNECT_SECONDS", 0.05)
    return committing_database


def holders(engine):
    with engine.begin() as connection:
        return connection.scalars(
            text("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid::bigint = :space"
                 " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"),
            {"space": JOB_LOCK_SPACE},
        ).all()  # fmt: skip


def end_connection(engine, pid):
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})


def lock(engine, id_=7):
    return LivenessLock(engine, JOB_LOCK_SPACE, id_)


def test_one_process_at_a_time_holds_the_lock_of_a_job(engine):
    with lock(engine).held():
        with pytest.raises(LockTaken), lock(engine).held():
            pass
        with lock(engine, 8).held():
            assert len(holders(engine)) == 2
    wait_until(lambda: holders(engine) == [])


def test_its_connection_can_be_recognized_and_is_confirmed(engine):
    activity = text("SELECT state_change FROM pg_stat_activity WHERE application_name = :name"
                    " AND datname = current_database()")  # fmt: skip

    def confirmed_at():
        with engine.begin() as connection:
            return connection.scalar(activity, {"name": APPLICATION_NAME})

    with lock(engine).held():
        first = confirmed_at()
        wait_until(lambda: confirmed_at() > first)


def test_after_a_lost_connection_it_is_acquired_again(engine):
    with lock(engine).held() as held:
        (first,) = holders(engine)
        end_connection(engine, first)
        wait_until(lambda: holders(engine) not in ([], [first]))
        assert not held.is_lost
    wait_until(lambda: holders(engine) == [])


def test_it_goes_on_trying_while_the_pool_has_no_connection_free(engine, monkeypatch):
    with lock(engine).held() as held:
        (first,) = holders(engine)
        acquire, attempts = held._acquire, []

        def exhausted_once():
            attempts.append(1)
            if len(attempts) == 1:
                raise PoolTimeout
            return acquire()

        monkeypatch.setattr(held, "_acquire", exhausted_once)
        end_connection(engine, first)
        wait_until(lambda: holders(engine) not in ([], [first]))


def test_it_is_lost_when_another_process_has_it_after_a_lost_connection(engine, monkeypatch):
    monkeypatch.setattr(liveness_lock, "CONFIRMATION_SECONDS", 1.0)
    with lock(engine).held() as held:
        (first,) = holders(engine)
        end_connection(engine, first)
        with lock(engine).held():
            wait_until(lambda: held.is_lost)
