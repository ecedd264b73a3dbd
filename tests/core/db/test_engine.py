"""Transactions, and frames cached per data version."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from core.db import engine
from core.db.data_version import data_version, publish_data_version
from core.db.engine import read_rows, transaction
from core.db.frames import FrameCache, pin_version, read_frame
from core.settings import settings
from core.shared_cache import SharedCache

TRACKED = "SELECT count(*) AS accounts FROM account"


def add_account(connection, login):
    connection.execute(text("INSERT INTO account (login) VALUES (:login)"), {"login": login})


def test_a_frame_is_cached_until_a_new_data_version(database):
    assert read_frame(TRACKED).accounts[0] == 0
    add_account(database, "octocat")
    assert read_frame(TRACKED).accounts[0] == 0
    publish_data_version(database)
    assert read_frame(TRACKED).accounts[0] == 1


def test_a_fresh_frame_is_not_cached(database):
    assert read_frame(TRACKED, fresh=True).accounts[0] == 0
    add_account(database, "octocat")
    assert read_frame(TRACKED, fresh=True).accounts[0] == 1


def test_a_pinned_version_is_read_while_a_run_publishes_the_next(database):
    pin_version(data_version())
    try:
        assert read_frame(TRACKED).accounts[0] == 0
        add_account(database, "octocat")
        publish_data_version(database)
        assert read_frame(TRACKED).accounts[0] == 0
    finally:
        pin_version(None)
    assert read_frame(TRACKED).accounts[0] == 1


def test_a_frame_has_its_sql_and_values_as_attributes(database):
    frame = read_frame("SELECT :login AS login", login="octocat")
    assert frame.attrs == {"sql": "SELECT :login AS login", "values": {"login": "octocat"}}


def test_other_values_are_another_cache_key(database):
    sql = "SELECT CAST(:number AS int) AS number"
    assert [read_frame(sql, number=number).number[0] for number in (1, 2, 1)] == [1, 2, 1]


def test_writing_into_a_frame_does_not_change_the_cached_one(database):
    mine = read_frame("SELECT 1 AS number")
    mine.loc[0, "number"] = 99
    assert read_frame("SELECT 1 AS number").number[0] == 1


def test_an_error_rolls_the_transaction_back(database):
    with pytest.raises(IntegrityError), transaction() as connection:
        add_account(connection, "half")
        add_account(connection, "half")
    assert database.scalar(text(TRACKED)) == 0


def frame_of(number):
    return pd.DataFrame({"number": [number]})


def test_concurrent_callers_share_one_computation():
    frames, computations, barrier = FrameCache(SharedCache()), [], threading.Barrier(8)

    def compute():
        computations.append(1)
        return frame_of(7)

    def read():
        barrier.wait()
        return frames.get(1, ("key",), compute).number[0]

    with ThreadPoolExecutor(8) as pool:
        numbers = [future.result() for future in [pool.submit(read) for _ in range(8)]]
    assert numbers == [7] * 8
    assert len(computations) == 1


def test_an_error_is_raised_but_not_cached():
    frames = FrameCache(SharedCache())

    def fail():
        raise ConnectionError

    with pytest.raises(ConnectionError):
        frames.get(1, ("key",), fail)
    assert frames.get(1, ("key",), lambda: frame_of(1)).number[0] == 1


def test_a_new_version_clears_the_cache():
    cache = SharedCache()
    frames = FrameCache(cache)
    frames.get(1, ("key",), lambda: frame_of(1))
    assert frames.get(2, ("key",), lambda: frame_of(2)).number[0] == 2
    assert cache.stored_bytes == frame_of(2).memory_usage(index=True, deep=True).sum()


def test_a_frame_of_an_older_version_is_computed_but_not_cached():
    cache = SharedCache()
    frames = FrameCache(cache)
    frames.get(2, ("key",), lambda: frame_of(2))
    stored = cache.stored_bytes
    assert frames.get(1, ("key",), lambda: frame_of(1)).number[0] == 1
    assert cache.stored_bytes == stored


def test_the_cache_is_bounded_in_bytes_and_evicts_the_least_recently_used():
    one = int(frame_of(0).memory_usage(index=True, deep=True).sum())
    cache = SharedCache(max_bytes=2 * one)
    frames = FrameCache(cache)
    for name in ("a", "b"):
        frames.get(1, (name,), lambda: frame_of(1))
    frames.get(1, ("a",), lambda: frame_of(1))
    frames.get(1, ("c",), lambda: frame_of(1))
    assert cache.stored_bytes <= 2 * one
    computed = []
    frames.get(1, ("a",), lambda: computed.append("a") or frame_of(1))
    frames.get(1, ("b",), lambda: computed.append("b") or frame_of(1))
    assert computed == ["b"]


def test_a_frame_larger_than_the_cache_is_returned_but_not_cached():
    cache = SharedCache(max_bytes=1)
    frames = FrameCache(cache)
    assert frames.get(1, ("key",), lambda: frame_of(1)).number[0] == 1
    assert cache.stored_bytes == 0


def test_a_database_error_does_not_contain_the_bound_values(database_url, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", database_url)
    settings.cache_clear()
    engine.engine.cache_clear()
    with pytest.raises(DBAPIError) as failed, engine.engine().connect() as connection:
        connection.execute(text("SELECT CAST(:secret AS text) FROM no_such_table"), {"secret": "hunter2"})
    engine.dispose_engines()
    assert "hunter2" not in str(failed.value)


def test_disposed_engines_keep_no_connection(committing_database):
    engine.engine.cache_clear()
    with engine.direct_engine().connect() as connection:
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
    engine.dispose_engines()
    with committing_database.connect() as connection:
        wait = text("SELECT pg_stat_clear_snapshot(), count(*) AS open FROM pg_stat_activity WHERE pid = :pid")
        until = time.monotonic() + 60
        while connection.execute(wait, {"pid": pid}).one().open:
            assert time.monotonic() < until


@pytest.fixture
def own_engine(database_url, monkeypatch):
    """The engine of the settings, with one idle connection."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    settings.cache_clear()
    engine.engine.cache_clear()
    yield engine.engine()
    engine.dispose_engines()


def server_process() -> int:
    return int(read_frame("SELECT pg_backend_pid() AS pid", fresh=True)["pid"].iloc[0])


def close_by_the_server(pid: int, admin: Engine) -> None:
    with admin.begin() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": pid})


def write() -> int:
    with transaction() as connection:
        return int(connection.scalar(text("SELECT pg_backend_pid()")) or 0)


@pytest.mark.parametrize("use", [server_process, write, data_version])
def test_a_connection_that_the_server_closed_is_replaced(own_engine, database_url, use):
    pid, admin = server_process(), engine.create_engine_for(database_url)
    assert own_engine.pool.checkedin() == 1
    close_by_the_server(pid, admin)
    admin.dispose()
    assert use() not in {None, pid}


def test_a_read_of_rows_sends_its_statement_alone(own_engine):
    """A ping, BEGIN and COMMIT are three more round trips, each as dear as a small query."""
    server_process()
    pings: list[object] = []
    own_engine.dialect.do_ping = pings.append
    states = read_rows(lambda connection: [connection.connection.driver_connection.autocommit, *pings])
    assert states == [True]
    assert write()
    assert len(pings) == 1


def test_a_connection_that_read_rows_begins_transactions_again(own_engine):
    server_process()
    with pytest.raises(IntegrityError), transaction() as connection:
        add_account(connection, "half")
        add_account(connection, "half")
    assert read_frame(TRACKED, fresh=True).iat[0, 0] == 0
