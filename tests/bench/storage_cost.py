"""Bytes of a change, a refresh and a repository in a database of three years, and how long a night's work takes in it.

SCALE (default 0.02) sizes the database: 1 is 5,000 accounts with 200,000 repositories.
"""

import os
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import add
from pathlib import Path

from sqlalchemy import create_engine, text

from ingest.scheduler import ScheduledJobs
from tests.bench.measurement import Measurement, temporary_servers
from tests.bench.questions_of_readers import run_python

END = datetime(2026, 11, 1, tzinfo=UTC)
TREE = Path(__file__).parents[2]
CHANGE_TABLES = ("repository_snapshot_open", "repository_month")
REPOSITORY_TABLES = ("repository", "repository_current", "repository_language", "repository_summary")
SIZES_SQL = """
    SELECT coalesce(pg_partition_root(oid), oid)::regclass::text AS name, sum(pg_total_relation_size(oid)) AS bytes
      FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' GROUP BY 1
"""


def run() -> list[Measurement]:
    scale = os.environ.get("SCALE") or "0.02"
    with temporary_servers() as servers:
        url = servers.database_url
        run_python(TREE, url, str(TREE / "tests" / "bench" / "big_database.py"), url, scale, END.isoformat())
        engine = create_engine(url)
        # The first night closes all the years, the second one is like any other.
        for days in (1, 2):
            scheduled = ScheduledJobs(engine, partial(add, END, timedelta(days=days)))
            started = time.perf_counter()
            scheduled.run_daily_maintenance()
            scheduled.close_history()
            night = time.perf_counter() - started
        with engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM"))
            sizes = {row.name: float(row.bytes) for row in connection.execute(text(SIZES_SQL))}
            changes, captures, repositories = (
                float(connection.execute(text(f"SELECT {number}")).scalar_one())
                for number in (
                    "count(*) FROM repository_snapshot",
                    "sum(cardinality(captured_at)) FROM capture_month",
                    "count(*) FROM repository",
                )
            )
        engine.dispose()
    return [
        Measurement("changes stored", changes, ""),
        Measurement("bytes of a change", sum(sizes[name] for name in CHANGE_TABLES) / changes, "bytes"),
        Measurement("bytes of a refresh on a past day", sizes["capture_month"] / captures, "bytes"),
        Measurement("bytes of a repository", sum(sizes[name] for name in REPOSITORY_TABLES) / repositories, "bytes"),
        Measurement(f"a night's work for {repositories:,.0f} repositories", night, "s"),
    ]
