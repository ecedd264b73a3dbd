"""The state of servers, workers, queue and data, for the system page and `/metrics`.

Never cached, and each query has a statement timeout: the page that shows trouble must not hang on it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import text

from core import redis_client
from core.db.engine import engine, transaction
from core.queries import freshness
from core.queries.cluster import ClusterStatus, cluster_status
from core.queries.freshness import FreshnessCounts
from core.queue.jobs import QUEUES
from core.queue.liveness import HEARTBEAT_TIMEOUT, LEADER_LOCK
from core.settings import settings

STATEMENT_TIMEOUT_MS = 2_000

Record = TypeVar("Record")


@dataclass(frozen=True)
class PostgresStatus:
    """The database server; *revision* is of the migrations, *bytes* of the whole database."""

    version: str
    revision: str
    bytes: int
    started_at: datetime
    connections: int
    max_connections: int


@dataclass(frozen=True)
class RedisStatus:
    """The Redis or Valkey server; *bytes* of memory used, *max_bytes* None without a limit."""

    name: str
    version: str
    bytes: int
    max_bytes: int | None
    clients: int


@dataclass(frozen=True)
class PoolUsage:
    """This process's connections to Postgres: in use, open (in use or idle), and how many it may open."""

    checked_out: int
    open: int
    max_connections: int


@dataclass(frozen=True)
class SchedulerLeader:
    """The scheduler that holds the leader lock.

    since     when its database connection began
    address   IP address; None for a socket on the database's machine
    """

    since: datetime
    address: str | None


@dataclass(frozen=True)
class WorkerCounts:
    """Worker processes by heartbeat: unresponsive ones are older than HEARTBEAT_TIMEOUT; the newest heartbeat or None.

    A process has one worker in procrastinate's sense for each queue.
    """

    alive: int
    unresponsive: int
    last_heartbeat_at: datetime | None


@dataclass(frozen=True)
class QueueCounts:
    """Jobs by state: *scheduled* ones wait for a later time; *oldest_at* is since when the oldest waiting one waits."""

    waiting: int
    scheduled: int
    running: int
    failed: int
    oldest_at: datetime | None


@dataclass(frozen=True)
class RefreshFailure:
    """A failed refresh of an account: an error code for programs and a sentence for people."""

    at: datetime
    login: str
    code: str | None
    error: str | None


@dataclass(frozen=True)
class DataStatus:
    """The published data version, None before the first, and the last month (`2026_03`) that has a partition."""

    version: int | None
    published_at: datetime | None
    last_month: str | None


@dataclass(frozen=True)
class TableSize:
    """A table: rows as of the last ANALYZE (None before one), bytes with indexes, and its number of partitions."""

    name: str
    rows: int | None
    bytes: int
    partitions: int


def _records(record: Callable[..., Record], sql: str, **values: object) -> list[Record]:
    with transaction() as connection:
        connection.execute(text("SELECT set_config('statement_timeout', :ms, true)"), {"ms": str(STATEMENT_TIMEOUT_MS)})
        return [record(**dict[str, Any](row)) for row in connection.execute(text(sql), values).mappings()]


def postgres_status() -> PostgresStatus:
    sql = """
        SELECT current_setting('server_version') AS version,
               (SELECT version_num FROM alembic_version) AS revision,
               pg_database_size(current_database()) AS bytes,
               pg_postmaster_start_time() AS started_at,
               (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) AS connections,
               current_setting('max_connections')::int AS max_connections
    """
    return _records(PostgresStatus, sql)[0]


def cluster_nodes() -> ClusterStatus | None:
    """Read the nodes of Citus; None where the database has none."""
    with transaction() as connection:
        connection.execute(text("SELECT set_config('statement_timeout', :ms, true)"), {"ms": str(STATEMENT_TIMEOUT_MS)})
        return cluster_status(connection)


def redis_status() -> RedisStatus:
    """Read the server's own report. Raises RedisError when it is unavailable."""
    info: dict[str, Any] = redis_client.redis().info()
    is_valkey = "valkey_version" in info
    return RedisStatus(
        name="Valkey" if is_valkey else "Redis",
        version=info["valkey_version"] if is_valkey else info["redis_version"],
        bytes=info["used_memory"],
        max_bytes=info.get("maxmemory") or None,
        clients=info["connected_clients"],
    )


def pool_usage() -> PoolUsage:
    """Count this process's connections to Postgres; zeros for a pool that does not count."""
    pool = engine().pool
    checked_out, size, overflow = (int(getattr(pool, name, lambda: 0)()) for name in ("checkedout", "size", "overflow"))
    max_connections = size + int(getattr(pool, "_max_overflow", 0))
    return PoolUsage(checked_out, open=size + overflow, max_connections=max_connections)


def scheduler_leader() -> SchedulerLeader | None:
    """Return the scheduler that holds the leader lock; None without one."""
    sql = """
        SELECT backend_start AS since, host(client_addr) AS address
          FROM pg_locks JOIN pg_stat_activity USING (pid)
         WHERE locktype = 'advisory' AND granted AND objsubid = 1
           AND classid::bigint = :high AND objid::bigint = :low
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    """
    found = _records(SchedulerLeader, sql, high=LEADER_LOCK >> 32, low=LEADER_LOCK & 0xFFFFFFFF)
    return found[0] if found else None


def worker_counts(now: datetime) -> WorkerCounts:
    sql = """
        SELECT ceil(count(*) FILTER (WHERE last_heartbeat > :since) / :queues)::integer AS alive,
               ceil(count(*) FILTER (WHERE last_heartbeat <= :since) / :queues)::integer AS unresponsive,
               max(last_heartbeat) AS last_heartbeat_at
          FROM procrastinate_workers
    """
    return _records(WorkerCounts, sql, since=now - HEARTBEAT_TIMEOUT, queues=float(len(QUEUES)))[0]


def queue_counts(now: datetime) -> QueueCounts:
    sql = """
        WITH job AS (
            SELECT status, scheduled_at > :now AS is_scheduled,
                   CASE WHEN status = 'todo' AND scheduled_at IS NULL THEN (
                       SELECT max(at) FROM procrastinate_events AS event WHERE event.job_id = procrastinate_jobs.id)
                   ELSE scheduled_at END AS since
              FROM procrastinate_jobs WHERE queue_name = ANY(:queues)
        )
        SELECT count(*) FILTER (WHERE status = 'todo' AND is_scheduled IS NOT TRUE) AS waiting,
               count(*) FILTER (WHERE status = 'todo' AND is_scheduled) AS scheduled,
               count(*) FILTER (WHERE status = 'doing') AS running,
               count(*) FILTER (WHERE status = 'failed') AS failed,
               min(since) FILTER (WHERE status = 'todo' AND is_scheduled IS NOT TRUE) AS oldest_at
          FROM job
    """
    return _records(QueueCounts, sql, now=now, queues=list(QUEUES))[0]


def freshness_counts(now: datetime) -> FreshnessCounts:
    """Count the tracked accounts by freshness, as `core.queries.freshness` defines it."""
    return _records(FreshnessCounts, freshness.COUNTS_SQL, now=now, every=settings().refresh_every)[0]


def recent_failures(since: datetime, limit: int = 20) -> list[RefreshFailure]:
    """List refreshes that failed after *since*, newest first."""
    sql = """
        SELECT finished_at AS at, login, error_code AS code, error
          FROM ingest_item
         WHERE state = 'failed' AND finished_at > :since
         ORDER BY finished_at DESC
         LIMIT :limit
    """
    return _records(RefreshFailure, sql, since=since, limit=limit)


def data_status() -> DataStatus:
    sql = """
        SELECT version, published_at,
               (SELECT max(right(relname, 7)) FROM pg_class
                 WHERE relispartition AND relkind = 'r' AND relname LIKE 'repository_snapshot_open_2%') AS last_month
          FROM (SELECT) AS one LEFT JOIN data_version ON true
    """
    return _records(DataStatus, sql)[0]


def table_sizes() -> list[TableSize]:
    """List the tables, largest first."""
    sql = """
        WITH part AS (
            SELECT coalesce(parent.oid, class.oid) AS root, class.oid, class.reltuples,
                   parent.oid IS NOT NULL AS is_part
              FROM pg_class AS class
              LEFT JOIN pg_inherits ON inhrelid = class.oid
              LEFT JOIN pg_class AS parent ON parent.oid = inhparent
             WHERE class.relkind = 'r' AND class.relnamespace = 'public'::regnamespace
        )
        SELECT pg_class.relname AS name,
               sum(part.reltuples) FILTER (WHERE part.reltuples >= 0)::bigint AS rows,
               sum(pg_total_relation_size(part.oid))::bigint AS bytes,
               count(*) FILTER (WHERE is_part) AS partitions
          FROM part JOIN pg_class ON pg_class.oid = root
         GROUP BY pg_class.relname
         ORDER BY bytes DESC, name
    """
    return _records(TableSize, sql)
