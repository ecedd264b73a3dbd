"""Pure: whether an error tells that Postgres does not answer, in the words of whichever library met it."""

import psycopg
from procrastinate.exceptions import ConnectorException
from sqlalchemy.exc import DBAPIError

# Connections refused or broken off by a server that goes, crashed or comes; a line that broke has no code at all.
GOING = ("08", "57P")


def is_away(error: BaseException | None) -> bool:
    """True for a lost or refused connection, not for a statement that failed."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or is_away(error.orig)
    if isinstance(error, ConnectorException):
        return is_away(error.__cause__)
    if isinstance(error, psycopg.OperationalError):
        return error.sqlstate is None or error.sqlstate.startswith(GOING)
    return False
