"""How near storing snapshots comes to the fastest that Postgres takes rows: a raw binary COPY."""

import time
from datetime import UTC, datetime

from sqlalchemy import Engine, text

from core.db.statement import psycopg_connection
from ingest.refresh import writer
from tests.bench.measurement import Measurement, temporary_database

ROWS = 500_000
ROUNDS = 3
CAPTURED_AT = datetime(2026, 11, 23, tzinfo=UTC)


def run() -> list[Measurement]:
    with temporary_database() as engine:
        rows = [(number, CAPTURED_AT, number % 1000, number % 100, number % 5000) for number in range(ROWS)]
        floor, ours = [], []
        for _ in range(ROUNDS):
            floor.append(raw_copy_rate(engine, rows))
            ours.append(write_snapshots_rate(engine, rows))
        middle = ROUNDS // 2
        return [
            Measurement("snapshots stored", sorted(ours)[middle], "rows/s", sorted(floor)[middle], "at least 0.60"),
        ]


def raw_copy_rate(engine: Engine, rows: list[writer.SnapshotRow]) -> float:
    """The floor: the same rows into a plain table with the same key, nothing else."""
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS floor"))
        connection.execute(
            text("CREATE TABLE floor (LIKE repository_snapshot_open,"
                 " PRIMARY KEY (repository_id, captured_at, source_id))")
        )  # fmt: skip
        connection.execute(text("ALTER TABLE floor ALTER source_id SET DEFAULT 1"))
    started = time.perf_counter()
    with engine.begin() as connection, psycopg_connection(connection).cursor() as cursor:
        columns = "repository_id, captured_at, stars, forks, size_kb"
        with cursor.copy(f"COPY floor ({columns}) FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["int8", "timestamptz", "int4", "int4", "int4"])
            for row in rows:
                copy.write_row(row)
    return len(rows) / (time.perf_counter() - started)


def write_snapshots_rate(engine: Engine, rows: list[writer.SnapshotRow]) -> float:
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE repository_snapshot_open"))
    started = time.perf_counter()
    with engine.begin() as connection:
        writer.write_snapshots(connection, rows)
    return len(rows) / (time.perf_counter() - started)
