"""Frames are answered once per data version, transactions are whole, and no failure is kept."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from core.db.data_version import data_version, publish_data_version
from core.db.engine import parse_database_url, transaction
from core.db.frames import FrameCache, pin_version, read_frame

TRACKED = "SELECT count(*) AS accounts FROM account"


def add_account(connection, login):
    connection.execute(text("INSERT INTO account (login) VALUES (:login)"), {"login": login})


def test_a_frame_stays_the_same_until_a_run_publishes(database):
    assert read_frame(TRACKED).accounts[0] == 0
    add_account(database, "octocat")
    assert read_frame(TRACKED).accounts[0] == 0
    publish_data_version(database)
    assert read_frame(TRACKED).accounts[0] == 1


def test_a_fresh_frame_asks_each_time(database):
    assert read_frame(TRACKED, fresh=True).accounts[0] == 0
    add_account(database, "octocat")
    assert read_frame(TRACKED, fresh=True).accounts[0] == 1


def test_a_page_reads_one_version_even_while_a_run_publishes(database):
    pin_version(data_version())
    try:
        assert read_frame(TRACKED).accounts[0] == 0
        add_account(database, "octocat")
        publish_data_version(database)
        assert read_frame(TRACKED).accounts[0] == 0
    finally:
        pin_version(None)
    assert read_frame(TRACKED).accounts[0] == 1


def test_a_frame_says_how_it_came_to_be(database):
    frame = read_frame("SELECT :login AS login", login="octocat")
    assert frame.attrs == {"sql": "SELECT :login AS login", "values": {"login": "octocat"}}


def test_other_values_are_another_question(database):
    sql = "SELECT CAST(:number AS int) AS number"
    assert [read_frame(sql, number=number).number[0] for number in (1, 2, 1)] == [1, 2, 1]


def test_what_a_reader_writes_into_a_frame_stays_with_that_reader(database):
    mine = read_frame("SELECT 1 AS number")
    mine.loc[0, "number"] = 99
    assert read_frame("SELECT 1 AS number").number[0] == 1


def test_an_error_undoes_the_whole_transaction(database):
    with pytest.raises(IntegrityError), transaction() as connection:
        add_account(connection, "half")
        add_account(connection, "half")
    assert database.scalar(text(TRACKED)) == 0


def frame_of(number):
    return pd.DataFrame({"number": [number]})


def test_many_who_ask_at_once_share_one_computation():
    frames, asked, everybody = FrameCache(), [], threading.Barrier(8)

    def compute():
        asked.append(1)
        return frame_of(7)

    def ask():
        everybody.wait()
        return frames.get(1, ("question",), compute).number[0]

    with ThreadPoolExecutor(8) as pool:
        answers = [future.result() for future in [pool.submit(ask) for _ in range(8)]]
    assert answers == [7] * 8
    assert len(asked) == 1


def test_a_failure_is_told_but_not_kept():
    frames = FrameCache()

    def fail():
        raise ConnectionError

    with pytest.raises(ConnectionError):
        frames.get(1, ("question",), fail)
    assert frames.get(1, ("question",), lambda: frame_of(1)).number[0] == 1


def test_a_new_version_forgets_the_old_one():
    frames = FrameCache()
    frames.get(1, ("question",), lambda: frame_of(1))
    assert frames.get(2, ("question",), lambda: frame_of(2)).number[0] == 2
    assert frames.held == frame_of(2).memory_usage(index=True, deep=True).sum()


def test_the_cache_is_bounded_in_bytes_and_drops_what_was_longest_unused():
    one = int(frame_of(0).memory_usage(index=True, deep=True).sum())
    frames = FrameCache(limit=2 * one)
    for question in ("a", "b"):
        frames.get(1, (question,), lambda: frame_of(1))
    frames.get(1, ("a",), lambda: frame_of(1))
    frames.get(1, ("c",), lambda: frame_of(1))
    assert frames.held <= 2 * one
    asked = []
    frames.get(1, ("a",), lambda: asked.append("a") or frame_of(1))
    frames.get(1, ("b",), lambda: asked.append("b") or frame_of(1))
    assert asked == ["b"]


@pytest.mark.parametrize("given", ["postgres://u@h/d", "postgresql://u@h/d", "postgresql+psycopg://u@h/d"])
def test_every_usual_spelling_of_a_database_address_means_psycopg(given):
    assert parse_database_url(given).drivername == "postgresql+psycopg"


def test_an_error_of_the_database_does_not_tell_the_values(database_url, monkeypatch):
    from sqlalchemy.exc import DBAPIError

    from core.db import engine
    from core.settings import settings

    monkeypatch.setenv("DATABASE_URL", database_url)
    settings.cache_clear()
    engine.engine.cache_clear()
    with pytest.raises(DBAPIError) as failed, engine.engine().connect() as connection:
        connection.execute(text("SELECT CAST(:told AS text) FROM no_such_table"), {"told": "between us"})
    engine.engine().dispose()
    engine.engine.cache_clear()
    assert "between us" not in str(failed.value)
