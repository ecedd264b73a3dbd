"""How long seven years of real weekly history take to come in, beside a raw COPY of the same file."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
from sqlalchemy import Engine, create_engine, text

from core.db.statement import psycopg_connection
from tests.bench.measurement import Measurement, console, temporary_servers

FILE = Path("../shared/data/history/weekly.parquet")


def run() -> list[Measurement]:
    file = Path(os.environ.get("HISTORY_FILE") or FILE)
    if not file.exists():
        console.print(f"skipped: no history at {file}; HISTORY_FILE names one")
        return []
    with temporary_servers() as servers:
        engine = create_engine(servers.database_url)
        floor = raw_copy(engine, file)
        engine.dispose()
        first, again = (import_figures(file, servers.database_url) for _ in range(2))
    rows, seconds, megabytes = first
    return [
        Measurement(f"import of {rows:,.0f} weekly rows", seconds, "s", floor, "at most 60 s"),
        Measurement("memory of the import", megabytes, "MB", target="at most 400 MB"),
        Measurement("the same file again", again[1], "s", floor),
    ]


def import_figures(file: Path, url: str) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.measured_import", str(file), url],
        capture_output=True,
        text=True,
        check=True,
    )
    return [float(part) for part in done.stdout.split()]


def raw_copy(engine: Engine, file: Path) -> float:
    """The floor: reading the file and copying its five columns into a table without any key."""
    with engine.begin() as connection:
        connection.execute(
            text("CREATE TABLE floor (captured_on date, full_name text, stars int, forks int, open_issues int)")
        )
    started = time.perf_counter()
    names = ["captured_on", "full_name", "stars", "forks", "open_issues"]
    with (
        engine.begin() as connection,
        psycopg_connection(connection).cursor() as cursor,
        cursor.copy("COPY floor FROM STDIN (FORMAT binary)") as copy,
    ):
        copy.set_types(["date", "text", "int4", "int4", "int4"])
        for batch in pq.ParquetFile(file).iter_batches(50_000, columns=names):
            for row in zip(*(batch.column(name).to_pylist() for name in names), strict=True):
                copy.write_row(row)
    return time.perf_counter() - started
