"""A Postgres that is away is told apart from a statement that failed, and is no reason for tracebacks."""

import logging

import psycopg
import pytest
from procrastinate.exceptions import ConnectorException
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from ingest.away import filter_connection_errors, is_connection_error


def test_nobody_at_the_address_is_away():
    with pytest.raises(DBAPIError) as met:
        create_engine("postgresql+psycopg://almanac@/almanac?host=/nowhere").connect()
    assert is_connection_error(met.value)


def test_a_statement_that_failed_is_not_away(database):
    with pytest.raises(DBAPIError) as met, database.begin_nested():
        database.execute(text("SELECT 1 / 0"))
    assert not is_connection_error(met.value)
    assert not is_connection_error(psycopg.errors.DiskFull("no space"))
    assert not is_connection_error(None)


def test_what_the_queue_wraps_is_looked_into():
    wrapped = ConnectorException()
    wrapped.__cause__ = psycopg.errors.AdminShutdown("going down")
    assert is_connection_error(wrapped)
    assert not is_connection_error(ConnectorException())


def test_only_a_postgres_that_is_away_is_passed_over(caplog):
    filter_connection_errors("somebody")
    logger = logging.getLogger("somebody.else")
    for error in (psycopg.OperationalError("gone"), ValueError("a bug")):
        logger.error("it broke", exc_info=error)
    assert [str(record.exc_info[1]) for record in caplog.records] == ["a bug"]
