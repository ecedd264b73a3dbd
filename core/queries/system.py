"""What the installation is doing right now, for the system page. Each answer comes within a bounded time, or fails.

Nothing here is cached, and nothing waits for a lock or a busy server: a page that shows trouble must not be part of it.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import text

from core import redis_client
from core.db.engine import engine, transaction
from core.queue.jobs import QUEUE
from core.queue.liveness import HEARTBEAT_TIMEOUT, LEADER_LOCK
from core.settings import settings

STATEMENT_TIMEOUT_MS = 2_000

Row = dict[str, Any]


def _rows(sql: str, **values: object) -> list[Row]:
    with transaction() as connection:
        connection.execute(text("SELECT set_config('statement_timeout', :ms, true)"), {"ms": str(STATEMENT_TIMEOUT_MS)})
        return [dict(row) for row in connection.execute(text(sql), values).mappings()]


def postgres_status() -> Row:
    """Tell about the server: version, revision (of the tables), bytes (of the database), started_at, connections, most.

    most is how many connections it takes.
    """
    return _rows("""
        SELECT current_setting('server_version') AS version,
               (SELECT version_num FROM alembic_version) AS revision,
               pg_database_size(current_database()) AS bytes,
               pg_postmaster_start_time() AS started_at,
               (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) AS connections,
               current_setting('max_connections')::int AS most
    """)[0]


def redis_status() -> Row:
    """Tell about the server: name, version, bytes (in memory), most_bytes (None: no bound), clients.

    Raises RedisError when it is away.
    """
    found: Row = redis_client.redis().info()
    is_valkey = "valkey_version" in found
    return {
        "name": "Valkey" if is_valkey else "Redis",
        "version": found["valkey_version"] if is_valkey else found["redis_version"],
        "bytes": found["used_memory"],
        "most_bytes": found.get("maxmemory") or None,
        "clients": found["connected_clients"],
    }


def pool_usage() -> Row:
    """Tell how many connections to Postgres this process has lent out, and how many it may: lent, most."""
    held = engine().pool
    lent, size, extra = (int(getattr(held, name, lambda: 0)()) for name in ("checkedout", "size", "overflow"))
    return {"lent": lent, "most": size + int(getattr(held, "_max_overflow", 0)), "open": size + extra}


def scheduler_leader() -> Row | None:
    """Tell who leads: since (moment its connection began), address (None: a socket of that machine); None: nobody."""
    found = _rows(
        """
        SELECT backend_start AS since, host(client_addr) AS address
          FROM pg_locks JOIN pg_stat_activity USING (pid)
         WHERE locktype = 'advisory' AND granted AND objsubid = 1
           AND classid::bigint = :high AND objid::bigint = :low
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        """,
        high=LEADER_LOCK >> 32,
        low=LEADER_LOCK & 0xFFFFFFFF,
    )
    return found[0] if found else None


def worker_counts(now: datetime) -> Row:
    """Count workers: alive, silent (not heard of in SILENT); heard_at is the newest sign of life, None without any."""
    sql = """
        SELECT count(*) FILTER (WHERE last_heartbeat > :since) AS alive,
               count(*) FILTER (WHERE last_heartbeat <= :since) AS silent,
               max(last_heartbeat) AS heard_at
          FROM procrastinate_workers
    """
    return _rows(sql, since=now - HEARTBEAT_TIMEOUT)[0]


def queue_counts(now: datetime) -> Row:
    """Count jobs: waiting, later (to be tried again), doing, failed; oldest_at: since when the oldest one waits."""
    sql = """
        WITH job AS (
            SELECT status, scheduled_at > :now AS later, CASE WHEN status = 'todo' AND scheduled_at IS NULL THEN (
                       SELECT max(at) FROM procrastinate_events AS event WHERE event.job_id = procrastinate_jobs.id)
                   ELSE scheduled_at END AS since
              FROM procrastinate_jobs WHERE queue_name = :queue
        )
        SELECT count(*) FILTER (WHERE status = 'todo' AND later IS NOT TRUE) AS waiting,
               count(*) FILTER (WHERE status = 'todo' AND later) AS later,
               count(*) FILTER (WHERE status = 'doing') AS doing,
               count(*) FILTER (WHERE status = 'failed') AS failed,
               min(since) FILTER (WHERE status = 'todo' AND later IS NOT TRUE) AS oldest_at
          FROM job
    """
    return _rows(sql, now=now, queue=QUEUE)[0]


def freshness_counts(now: datetime) -> Row:
    """Count tracked accounts that are not paused: tracked, in_time (looked at within their cadence), never, failing."""
    sql = """
        SELECT count(*) AS tracked,
               count(*) FILTER (WHERE checked_at > CAST(:now AS timestamptz)
                                                   - coalesce(every, planned_cadence, :every)) AS in_time,
               count(*) FILTER (WHERE checked_at IS NULL) AS never,
               count(*) FILTER (WHERE failures > 0) AS failing
          FROM tracked_account JOIN account ON account.id = account_id
         WHERE NOT paused
    """
    return _rows(sql, now=now, every=settings().refresh_every)[0]


def recent_failures(since: datetime, most: int = 20) -> list[Row]:
    """List what went wrong after *since*, newest first: at, login, code (what programs call it), error (a sentence)."""
    sql = """
        SELECT finished_at AS at, login, error_code AS code, error
          FROM ingest_item
         WHERE state = 'failed' AND finished_at > :since
         ORDER BY finished_at DESC
         LIMIT :most
    """
    return _rows(sql, since=since, most=most)


def data_status() -> Row:
    """Tell version (of the data), published_at, both None before the first, and last_month that has a partition."""
    sql = """
        SELECT version, published_at,
               (SELECT max(right(relname, 7)) FROM pg_class
                 WHERE relispartition AND relkind = 'r' AND relname LIKE 'repository_snapshot_2%') AS last_month
          FROM (SELECT) AS one LEFT JOIN data_version ON true
    """
    return _rows(sql)[0]


def table_sizes() -> list[Row]:
    """List the tables, largest first: name, rows (about: as of the last ANALYZE; None before one), bytes, partitions.

    bytes are of the table with its indexes.
    """
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
    return _rows(sql)
