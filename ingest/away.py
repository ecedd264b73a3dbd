"""Whether an error tells that Postgres does not answer, in whichever library's words; and how to be calm about it."""

import logging

import psycopg
from procrastinate.exceptions import ConnectorException
from sqlalchemy.exc import DBAPIError

QUERY_CANCELED_SQLSTATE = "57014"
# Connections refused or broken off by a server that goes, crashed or comes; a line that broke has no code at all.
CONNECTION_SQLSTATE_PREFIXES = ("08", "57P")


def is_connection_error(error: BaseException | None) -> bool:
    """True for a lost or refused connection, not for a statement that failed."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or is_connection_error(error.orig)
    if isinstance(error, ConnectorException):
        return is_connection_error(error.__cause__)
    if isinstance(error, psycopg.OperationalError):
        return error.sqlstate is None or error.sqlstate.startswith(CONNECTION_SQLSTATE_PREFIXES)
    return False


def is_statement_cancelled(error: BaseException | None) -> bool:
    """True for a statement that somebody ended: we did, because we were told to stop."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == QUERY_CANCELED_SQLSTATE


def filter_connection_errors(*loggers: str) -> None:
    """While Postgres is away libraries tell so with tracebacks, again and again: whoever calls this says it once."""
    for name in loggers:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [ConnectionErrorFilterHandler()], False


class ConnectionErrorFilterHandler(logging.Handler):
    """Passes on what other libraries have to say, but for what a Postgres that is away makes them say."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if record.levelno < logging.WARNING or record.name == "psycopg.pool":
            return
        if not is_connection_error(error) and not is_statement_cancelled(error):
            logging.getLogger().handle(record)
