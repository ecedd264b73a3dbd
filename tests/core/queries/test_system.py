"""The state of the installation, queried from real servers."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError

from core import redis_client
from core.queries import system
from core.queries.system import PoolUsage, QueueCounts, WorkerCounts
from core.queue import jobs
from core.queue.liveness import LEADER_LOCK


def add_worker(database: Connection, beat_at: datetime) -> int:
    added = database.execute(
        text("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (:at) RETURNING id"), {"at": beat_at}
    )
    return int(added.scalar_one())


def add_job(database: Connection, status: str = "todo", *, came: datetime | None = None, **values: object) -> None:
    given = {"queue_name": jobs.QUEUE, "task_name": "refresh", "status": status, "scheduled_at": None, **values}
    added = database.execute(
        text(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, status, scheduled_at)"
            " VALUES (:queue_name, :task_name, CAST(:status AS procrastinate_job_status), :scheduled_at) RETURNING id"
        ),
        given,
    ).scalar_one()
    if came:
        database.execute(text("UPDATE procrastinate_events SET at = :at WHERE job_id = :id"), {"at": came, "id": added})


def test_postgres_status_has_version_revision_size_and_connections(database):
    result = system.postgres_status()
    assert result.version == database.exec_driver_sql("SHOW server_version").scalar()
    assert result.revision == database.scalar(text("SELECT version_num FROM alembic_version"))
    assert result.bytes > 1_000_000
    assert 0 < result.connections <= result.max_connections
    assert result.started_at < datetime.now(UTC)


def test_redis_status_has_name_and_version(redis):
    result = system.redis_status()
    assert (result.name, result.version.split(".")[0]) == ("Valkey", "9")
    assert result.clients >= 1


def test_unavailable_redis_raises_within_its_timeout(monkeypatch, tmp_path):
    from redis import RedisError

    from core.settings import settings

    monkeypatch.setenv("REDIS_URL", f"unix://{tmp_path}/nobody.sock")
    settings.cache_clear()
    redis_client.redis.cache_clear()
    try:
        with pytest.raises(RedisError):
            system.redis_status()
    finally:
        redis_client.redis.cache_clear()


def test_the_leader_is_found_by_the_scheduler_s_lock(committing_database):
    assert system.scheduler_leader() is None
    with committing_database.connect() as leader:
        leader.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LEADER_LOCK})
        leader.commit()
        assert system.scheduler_leader().since <= datetime.now(UTC)
        leader.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": LEADER_LOCK})
    assert system.scheduler_leader() is None


def test_a_leader_of_another_database_is_not_ours(committing_database, test_engine):
    with test_engine.connect() as other:
        other.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LEADER_LOCK})
        assert system.scheduler_leader() is None
        other.invalidate()  # the lock outlives a rollback, and the connection returns to the pool


def test_workers_are_alive_while_they_send_heartbeats(database, now):
    assert system.worker_counts(now) == WorkerCounts(alive=0, unresponsive=0, last_heartbeat_at=None)
    add_worker(database, now - timedelta(seconds=5))
    add_worker(database, now - timedelta(minutes=5))
    result = system.worker_counts(now)
    assert (result.alive, result.unresponsive) == (1, 1)
    assert result.last_heartbeat_at == now - timedelta(seconds=5)


def test_queue_counts_have_jobs_by_state_and_the_oldest_waiting_one(database, now):
    add_job(database, came=now - timedelta(minutes=3))
    add_job(database, came=now - timedelta(minutes=9))
    add_job(database, came=now - timedelta(hours=2), scheduled_at=now + timedelta(minutes=1))
    add_job(database, "doing", came=now - timedelta(hours=3))
    add_job(database, "failed", came=now - timedelta(days=1))
    add_job(database, queue_name="somebody else's")
    result = system.queue_counts(now)
    assert result == QueueCounts(waiting=2, scheduled=1, running=1, failed=1, oldest_at=now - timedelta(minutes=9))


def test_a_scheduled_job_waits_only_from_its_scheduled_time(database, now):
    add_job(database, came=now - timedelta(hours=2), scheduled_at=now - timedelta(minutes=1))
    assert system.queue_counts(now).oldest_at == now - timedelta(minutes=1)


def test_an_empty_almanac_has_no_data_but_months_that_are_ready(database, now):
    result = system.data_status()
    assert result.version is None
    assert result.last_month is None or len(result.last_month) == len("2026_03")
    assert system.recent_failures(now) == []


def test_partitions_are_counted_with_their_table(database):
    from core.db.partitions import ensure_partitions

    ensure_partitions(database, datetime(2026, 1, 1).date(), datetime(2026, 3, 1).date())  # noqa: DTZ001 - a day
    found = {table.name: table for table in system.table_sizes()}
    assert found["repository_snapshot_open"].partitions >= 4  # three months and the default
    assert not any(name.startswith("repository_snapshot_open_2") for name in found)
    assert found["person"].partitions == 0
    assert found["repository_snapshot_open"].bytes > 0


def test_a_slow_query_raises_a_timeout(database, monkeypatch):
    monkeypatch.setattr(system, "STATEMENT_TIMEOUT_MS", 50)
    with pytest.raises(OperationalError, match="statement timeout"):
        system._records(dict, "SELECT pg_sleep(5)")


def test_pool_usage_counts_connections_in_use(database_url, monkeypatch):
    engine = create_engine(database_url, pool_size=2, max_overflow=1)
    monkeypatch.setattr(system, "engine", lambda: engine)
    assert system.pool_usage() == PoolUsage(checked_out=0, open=0, max_connections=3)
    with engine.connect():
        assert system.pool_usage() == PoolUsage(checked_out=1, open=1, max_connections=3)
    engine.dispose()


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        ("SELECT id FROM ingest_run WHERE state = 'running'", "ingest_run_running_idx"),
        ("SELECT id FROM ingest_run WHERE alerts_pending AND state <> 'running'", "ingest_run_alerts_pending_idx"),
        (
            "SELECT login FROM ingest_item WHERE state = 'failed' AND finished_at > now() - interval '7 days'"
            " ORDER BY finished_at DESC LIMIT 20",
            "ingest_item_failed_idx",
        ),
    ],
)
def test_what_is_asked_every_few_seconds_does_not_read_all_runs_there_ever_were(database, sql, index):
    database.execute(text("SET LOCAL enable_seqscan = off"))
    plan = "\n".join(database.scalars(text(f"EXPLAIN {sql}")))
    assert index in plan
