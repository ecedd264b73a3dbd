"""Classify errors: is Postgres (or Redis) unreachable, or did a statement fail?

Imports psycopg and redis exceptions only: the web process answers requests before SQLAlchemy has loaded. SQLAlchemy's
and procrastinate's own exceptions have psycopg's as their cause.
"""

from collections.abc import Iterator

import psycopg
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from core.errors import ServerUnavailable

QUERY_CANCELED_SQLSTATE = "57014"
# Connection refused or closed by a server that shuts down, crashed or starts; a broken socket has no code at all.
CONNECTION_SQLSTATE_PREFIXES = ("08", "57P")


def is_connection_error(error: BaseException | None) -> bool:
    """Return True if *error*, or what caused it, is a lost or refused Postgres connection, not a failed statement."""
    return any(_is_connection_error(cause) for cause in _causes(error))


def is_server_unavailable(error: BaseException | None) -> bool:
    """Return True if *error*, or what caused it, means that Postgres or Redis is unreachable."""
    unavailable = (ServerUnavailable, ConnectionError, RedisConnectionError, RedisTimeoutError)
    return any(isinstance(cause, unavailable) or _is_connection_error(cause) for cause in _causes(error))


def is_statement_cancelled(error: BaseException | None) -> bool:
    """Return True for a statement that was cancelled on request, as a stopping worker does."""
    return any(
        isinstance(cause, psycopg.Error) and cause.sqlstate == QUERY_CANCELED_SQLSTATE for cause in _causes(error)
    )


def _is_connection_error(error: BaseException) -> bool:
    if getattr(error, "connection_invalidated", False):  # SQLAlchemy's DBAPIError
        return True
    if not isinstance(error, psycopg.OperationalError):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(CONNECTION_SQLSTATE_PREFIXES)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
