"""Classify errors: is Postgres (or Redis) unreachable, can it not serve now, or did a statement fail?

Imports psycopg and redis exceptions only: the web process answers requests before SQLAlchemy has loaded. SQLAlchemy's
and procrastinate's own exceptions have psycopg's as their cause.
"""

import re
from collections.abc import Iterator

import psycopg
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from core.errors import ServerUnavailable, first_line

QUERY_CANCELED_SQLSTATE = "57014"
# Connection refused or closed by a server that shuts down, crashed or starts; a broken socket has no code at all.
CONNECTION_SQLSTATE_PREFIXES = ("08", "57P")
# Insufficient resources, and operator intervention: no statement of ours is at fault, and a later try may succeed.
UNAVAILABLE_SQLSTATE_CLASSES = ("08", "53", "57")
DISK_FULL = "disk full"
CONFLICT_REASONS = {"40001": "serialization failure", "40P01": "deadlock"}
REASONS = CONFLICT_REASONS | {
    "53100": DISK_FULL,
    "53200": "out of memory",
    "53300": "too many connections",
    "53400": "configured limit exceeded",
    "57014": "statement cancelled",
    "57P01": "server shutting down",
    "57P02": "server crashed",
    "57P03": "server starting up",
}
# What the coordinator of Citus says of a node that it cannot reach; the user's name is left out.
NODE_NOT_REACHED = re.compile(
    r"(?:connection to the remote node (?:[^\s@]+@)?|could not establish any connections to the node "
    r"|failure on connection marked as essential: |could not connect to node \"?)([^\s\"@]+:\d+)"
)
# A node that is lost during a statement: the coordinator reports libpq's message about it as an internal error.
NODE_OF_STATEMENT = re.compile(r"while executing command on (\S+:\d+)")
LOST_BY_LIBPQ = (
    *("server closed the connection", "SSL SYSCALL error", "SSL connection has been closed"),
    *("could not receive data from server", "could not send data to server", "no connection to the server"),
    "connection not open",
)
# Messages of Citus for a statement whose shards were moved or dropped, or whose node was removed, after it was planned:
# planned again, it finds the rows where they are now. The name of a shard is its table's and a number.
ROWS_MOVED = re.compile(
    r'relation "[^"]+_\d{6,}" does not exist|but there are no nodes in that group'
    r"|node group \d+ does not have a primary node|could not find valid entry for shard "
    r"|could not find any healthy placement for shard |shard \d+ does not have any shard placements"
    r"|cannot find a worker that has active placements for all shards in the query"
    r"|shard counts of co-located tables do not match|failed to assign \d+ task\(s\) to worker nodes"
    r"|could not open relation with OID \d+\b[^\n]*\n(?s:.*)while executing command on "
)
FOREIGN_KEY_SQLSTATE = "23503"
MAX_REPEATS_AFTER_CONFLICT = 1
MAX_REPEATS_AFTER_MOVE = 3  # a rebalance moves shard after shard


def is_connection_error(error: BaseException | None) -> bool:
    """Return True if *error*, or what caused it, is a lost or refused Postgres connection, not a failed statement."""
    return any(_is_connection_error(cause) for cause in causes(error))


def is_server_unavailable(error: BaseException | None) -> bool:
    """Return True if *error*, or what caused it, means that Postgres or Redis cannot serve now.

    It is unreachable, out of disk, memory or connections, it broke off a statement, as in a deadlock, or a node of
    Citus has yet to commit what a killed coordinator left prepared there.
    """
    return any(_is_outage(cause) for cause in causes(error))


def is_unavailable_sqlstate(sqlstate: str | None) -> bool:
    """Return True for the SQLSTATE of a server that cannot serve now."""
    return sqlstate is not None and (sqlstate.startswith(UNAVAILABLE_SQLSTATE_CLASSES) or sqlstate in CONFLICT_REASONS)


def is_conflict(error: BaseException | None) -> bool:
    """Return True for a deadlock or a serialization failure: the same transaction, run again, may succeed.

    So may one during which Citus moved rows from node to node.
    """
    return any(_is_conflict(cause) for cause in causes(error))


def max_repeats(error: BaseException | None) -> int:
    """Return how often a transaction that failed with *error* is worth repeating at once; 0 where it is no conflict."""
    if any(met_moved_rows(str(cause)) for cause in causes(error)):
        return MAX_REPEATS_AFTER_MOVE
    return MAX_REPEATS_AFTER_CONFLICT if is_conflict(error) else 0


def met_moved_rows(message: str) -> bool:
    """Return True for the message of a statement during which Citus moved rows from node to node."""
    return ROWS_MOVED.search(message) is not None


def unavailable_node(error: BaseException | None) -> str | None:
    """Return the node of Citus (`host:port`) that was lost; None where it is the server as a whole, or no outage."""
    return next((node for cause in causes(error) if (node := _lost_node(cause))), None)


def unavailable_part(error: BaseException | None) -> str | None:
    """Say which part of the database does not respond, without a full stop; None where it is not a part."""
    node = unavailable_node(error)
    return node and f"Part of the database is unavailable: its node {node} does not respond"


def unavailable_reason(error: BaseException | None) -> str:
    """Return why the server cannot serve, such as "disk full"; the error's type where it reported nothing."""
    if node := unavailable_node(error):
        return f"node {node} does not respond"
    if any(met_moved_rows(str(cause)) for cause in causes(error)):
        return "rows moved between nodes"
    if any(_misses_prepared_row(cause) for cause in causes(error)):
        return "a node has not committed an earlier transaction yet"
    return reported_reason(error) or type(error).__name__


def reported_reason(error: BaseException | None) -> str | None:
    """Return what the SQLSTATE of *error*, or of what caused it, means; None where there is none."""
    states = [state for cause in causes(error) if (state := _sqlstate(cause))]
    return REASONS.get(states[-1], f"SQLSTATE {states[-1]}") if states else None


def connection_reason(error: BaseException) -> str:
    """Return libpq's reason for a failed connection on one line, without its questions."""
    lines = [line.strip() for line in str(error).strip().splitlines()]
    reasons = [line.removeprefix("connection failed: ").removeprefix("- ") for line in lines if line[-1:] != "?"]
    return "; ".join(one for one in reasons if one) or type(error).__name__


def server_reason(error: BaseException) -> str:
    """Return on one line why a connection failed, or what the server reported, without the statement."""
    return connection_reason(error) if is_connection_error(error) else first_line(error)


def is_statement_cancelled(error: BaseException | None) -> bool:
    """Return True for a statement that was cancelled on request, as a stopping worker does."""
    return any(
        isinstance(cause, psycopg.Error) and cause.sqlstate == QUERY_CANCELED_SQLSTATE for cause in causes(error)
    )


def _is_outage(error: BaseException) -> bool:
    unavailable = (ServerUnavailable, ConnectionError, RedisConnectionError, RedisTimeoutError)
    return (
        isinstance(error, unavailable)
        or _is_connection_error(error)
        or is_unavailable_sqlstate(_sqlstate(error))
        or _is_conflict(error)
        or _lost_node(error) is not None
        or _misses_prepared_row(error)
    )


def _is_conflict(error: BaseException) -> bool:
    return _sqlstate(error) in CONFLICT_REASONS or met_moved_rows(str(error))


def _misses_prepared_row(error: BaseException) -> bool:
    """Return True where a node misses a row of a reference table that the others have.

    The coordinator was killed while it committed: it does so there within a minute of its start
    (`citus.recover_2pc_interval`). Until then the node refuses rows that refer to it.
    """
    return _sqlstate(error) == FOREIGN_KEY_SQLSTATE and NODE_OF_STATEMENT.search(str(error)) is not None


def _lost_node(error: BaseException) -> str | None:
    message = str(error)
    if found := NODE_NOT_REACHED.search(message):
        return found[1]
    is_lost = (_sqlstate(error) or "").startswith(CONNECTION_SQLSTATE_PREFIXES) or any(
        phrase in message for phrase in LOST_BY_LIBPQ
    )
    return found[1] if is_lost and (found := NODE_OF_STATEMENT.search(message)) else None


def _is_connection_error(error: BaseException) -> bool:
    if getattr(error, "connection_invalidated", False):  # SQLAlchemy's DBAPIError
        return True
    if not isinstance(error, psycopg.OperationalError):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(CONNECTION_SQLSTATE_PREFIXES)


def _sqlstate(error: BaseException) -> str | None:
    """Return the SQLSTATE of an error of psycopg or ADBC; SQLAlchemy's have one of these as their cause."""
    return getattr(error, "sqlstate", None)


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield *error*, what caused it, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
