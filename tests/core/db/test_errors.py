"""An unreachable Postgres is distinguished from a failed statement, and its tracebacks are not logged."""

import logging

import psycopg
import pytest
from procrastinate.exceptions import ConnectorException
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from core.db.errors import is_connection_error, is_server_unavailable, is_statement_cancelled
from core.db.log_filter import filter_connection_errors
from core.errors import NotFound, ServerUnavailable


def test_a_refused_connection_is_a_connection_error():
    with pytest.raises(DBAPIError) as raised:
        create_engine("postgresql+psycopg://almanac@/almanac?host=/nowhere").connect()
    assert is_connection_error(raised.value)
    assert is_server_unavailable(raised.value)


def test_a_failed_statement_is_no_connection_error(database):
    with pytest.raises(DBAPIError) as raised, database.begin_nested():
        database.execute(text("SELECT 1 / 0"))
    assert not is_connection_error(raised.value)
    assert not is_connection_error(psycopg.errors.DiskFull("no space"))
    assert not is_connection_error(None)


def test_errors_wrapped_by_the_queue_are_unwrapped():
    wrapped = ConnectorException()
    wrapped.__cause__ = psycopg.errors.AdminShutdown("going down")
    assert is_connection_error(wrapped)
    assert not is_connection_error(ConnectorException())


def test_a_cancelled_statement_is_neither_failed_nor_a_connection_error():
    cancelled = DBAPIError("SELECT", {}, psycopg.errors.QueryCanceled("cancelled"))
    cancelled.__cause__ = cancelled.orig
    assert is_statement_cancelled(cancelled)
    assert not is_connection_error(cancelled)


@pytest.mark.parametrize(
    ("error", "expected"),
    [(RedisConnectionError(), True), (ServerUnavailable(""), True), (NotFound(""), False), (ValueError(), False)],
)
def test_redis_counts_as_a_server_but_not_as_postgres(error, expected):
    assert is_server_unavailable(error) is expected
    assert not is_connection_error(error)


def test_only_connection_errors_are_dropped_from_the_log(caplog):
    filter_connection_errors("somebody")
    logger = logging.getLogger("somebody.else")
    for error in (psycopg.OperationalError("gone"), ValueError("a bug")):
        logger.error("it broke", exc_info=error)
    assert [str(record.exc_info[1]) for record in caplog.records] == ["a bug"]
