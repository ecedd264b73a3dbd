"""Reads on a streaming replica of Postgres, named by DATABASE_READ_URL.

A data version is published after the data that belongs to it. So a replica on which a version can be read has all of
that version's data; until then, and while the replica does not respond, the primary answers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import structlog
from sqlalchemy import Engine, text

from core import prometheus
from core.circuit_breaker import CircuitBreaker
from core.db import engine as engines
from core.db.errors import is_server_unavailable, unavailable_reason
from core.errors import ServerUnavailable
from core.settings import settings

log = structlog.get_logger()
Result = TypeVar("Result")
breaker = CircuitBreaker()
POOL_TIMEOUT_SECONDS = 5
CONNECT_TIMEOUT_SECONDS = 5
# A server that left recovery is no replica any more: it has a history of its own, or is the primary itself.
VERSION_SQL = "SELECT CASE WHEN pg_is_in_recovery() THEN (SELECT version FROM data_version) END"
LAG_SQL = """
    SELECT pg_is_in_recovery() AS is_replica,
           (SELECT version FROM data_version) AS version,
           CASE WHEN pg_last_wal_replay_lsn() < CAST(:written AS pg_lsn)
                THEN pg_wal_lsn_diff(:written, pg_last_wal_replay_lsn()) ELSE 0 END::bigint AS lag_bytes,
           extract(epoch FROM now() - pg_last_xact_replay_timestamp())::float AS replayed_seconds_ago
"""


@dataclass(frozen=True)
class ReplicaStatus:
    """The replica as it is now.

    version      the data version that can be read on it; None before the first
    lag_bytes    of the primary's log, not replayed yet
    lag_seconds  age of the newest transaction that was replayed; 0 while nothing is left to replay
    """

    version: int | None
    lag_bytes: int
    lag_seconds: float


@lru_cache(maxsize=1)
def _engine(url: str) -> Engine:
    return engines.pooled_engine(url, pool_timeout=POOL_TIMEOUT_SECONDS, connect_timeout=CONNECT_TIMEOUT_SECONDS)


def read_at_version(version: int, read: Callable[[], Result]) -> Result:
    """Call *read* with `transaction()` on the replica if it has *version*, else on the primary.

    *read* may be called twice: once more on the primary when the replica fails during it.
    """
    url = settings().database_read_url
    if not url or engines.is_overridden() or not breaker.allow_request():
        return read()
    try:
        replica = _engine(url)
        if _has_version(replica, version):
            with engines.override_engine(replica, everywhere=False):
                result = read()
            _count("replica")
            _record_success()
            return result
        _record_success()
        _count("behind")
    except Exception as error:
        # Any failure: on a replica that has not replayed a migration tables are missing. Where the replica is not at
        # fault, the primary raises it again.
        _count("failed")
        if is_server_unavailable(error) and breaker.record_failure(error):
            log.warning("replica unavailable, the primary answers", reason=unavailable_reason(error))
    return read()


def status() -> ReplicaStatus:
    """Ask the replica how far it is. Raises ServerUnavailable for a server that is none, or the driver's error."""
    # The insert position: with synchronous_commit=off the written one is behind what has been committed.
    with engines.transaction() as primary:
        written = primary.scalar(text("SELECT pg_current_wal_insert_lsn()::text"))
    with _engine(settings().database_read_url).connect() as connection:
        found = connection.execute(text(LAG_SQL), {"written": written}).one()
    if not found.is_replica:
        raise ServerUnavailable("DATABASE_READ_URL leads to a server that is not a replica")
    age = found.replayed_seconds_ago or 0.0
    return ReplicaStatus(found.version, found.lag_bytes, age if found.lag_bytes else 0.0)


def _has_version(replica: Engine, version: int) -> bool:
    with replica.connect() as connection:
        found = connection.scalar(text(VERSION_SQL))
    return found is not None and found >= version


def _record_success() -> None:
    if breaker.record_success():
        log.info("replica responds again")


def _count(outcome: str) -> None:
    prometheus.replica_reads.labels(outcome).inc()
