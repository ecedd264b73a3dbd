"""Statements that are executed again and again, read by SQLAlchemy once."""

from functools import lru_cache
from typing import Any

import psycopg
import sqlalchemy
from sqlalchemy import Connection, TextClause


@lru_cache(maxsize=512)
def text(sql: str) -> TextClause:
    """Return SQLAlchemy's `text`; for statements of a limited number, which a refresh executes again and again.

    Each time it searches the whole statement for parameters.
    """
    return sqlalchemy.text(sql)


def psycopg_connection(connection: Connection) -> psycopg.Connection[Any]:
    """Return the psycopg connection of *connection*, inside the same transaction."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver
