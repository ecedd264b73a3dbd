"""Statements that are executed again and again: read by SQLAlchemy once, and planned by Postgres a few times only."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import psycopg
import sqlalchemy
from sqlalchemy import Connection, TextClause

EXECUTIONS_BEFORE_PREPARE = 2


@lru_cache(maxsize=512)
def text(sql: str) -> TextClause:
    """Return SQLAlchemy's `text`; for statements of a limited number, which a refresh executes again and again.

    Each time it searches the whole statement for parameters.
    """
    return sqlalchemy.text(sql)


@contextmanager
def prepared(connection: Connection) -> Iterator[None]:
    """Prepare the statements that this block executes repeatedly, on this connection to the server.

    Not through a pooler that shares server connections. After five executions Postgres may use one plan for all values,
    made for arrays of ten: a block that binds large ones is better planned each time.
    """
    driver = psycopg_connection(connection)
    before, driver.prepare_threshold = driver.prepare_threshold, EXECUTIONS_BEFORE_PREPARE
    try:
        yield
    finally:
        driver.prepare_threshold = before


def psycopg_connection(connection: Connection) -> psycopg.Connection[Any]:
    """Return the psycopg connection of *connection*, inside the same transaction."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver
