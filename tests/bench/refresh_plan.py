"""How long it takes to plan a million tracked accounts: read from Postgres, spread the budget, write the plan down."""

import subprocess
import sys

from sqlalchemy import Engine, create_engine, text

from tests.bench.measurement import PEAK_MEGABYTES_SOURCE, Measurement, temporary_servers

ACCOUNTS = 1_000_000
MEASURED_PROGRAM = PEAK_MEGABYTES_SOURCE
MEASURED_PROGRAM += """
import sys, time
from datetime import UTC, datetime, timedelta
from sqlalchemy import create_engine
from core import log
from ingest.planning import refresh_plan
from ingest.refresh import writer
log.configure("ERROR", as_json=True)
engine = create_engine(sys.argv[1])
inputs = refresh_plan.PlanInputs(timedelta(hours=6), 15_000, with_token=True)
started = time.perf_counter()
with engine.begin() as connection, writer.psycopg_connection(connection).cursor() as cursor:
    with cursor.copy("COPY tracked_account TO STDOUT (FORMAT binary)") as copy:
        for row in copy:
            pass
floor = time.perf_counter() - started
started = time.perf_counter()
with engine.begin() as connection:
    rows = refresh_plan.read_tracked_accounts(connection)
read = time.perf_counter() - started
planned = refresh_plan.plan_refreshes(rows, inputs)
made = time.perf_counter() - started
with engine.begin() as connection:
    refresh_plan.write_plan(connection, planned, inputs, len(rows["id"]), datetime.now(UTC))
whole = time.perf_counter() - started
print(len(rows["id"]), floor, read, made - read, whole, peak_megabytes(), planned.allocation.cost_per_day / 24)
"""


def run() -> list[Measurement]:
    with temporary_servers() as servers:
        engine = create_engine(servers.database_url)
        track_accounts(engine)
        engine.dispose()
        done = subprocess.run(
            [sys.executable, "-c", MEASURED_PROGRAM, servers.database_url], capture_output=True, text=True, check=True
        )
    accounts, floor, read, spread, whole, megabytes, points = map(float, done.stdout.split())
    return [
        Measurement(f"a plan for {accounts:,.0f} tracked accounts", whole, "s", floor, "at most 2 s"),
        Measurement("  of that reading them", read, "s", floor),
        Measurement("  of that spreading the budget", spread, "s"),
        Measurement("memory of the planner", megabytes, "MB", target="at most 300 MB"),
        Measurement("points an hour that it plans for", points, "points", target="at most 11,250 of 15,000"),
    ]


def track_accounts(engine: Engine) -> None:
    """Accounts of all sizes and paces, one in fifty pinned, one in twenty hardly known."""
    with engine.begin() as connection:
        connection.execute(text("SELECT setseed(0.5)"))
        connection.execute(
            text("INSERT INTO account (login) SELECT 'account-' || n FROM generate_series(1, :count) AS n"),
            {"count": ACCOUNTS},
        )
        connection.execute(
            text("""
                INSERT INTO tracked_account (account_id, cadence, priority, change_rate, change_rate_shape,
                       change_rate_samples, stars, repositories)
                SELECT id, CASE WHEN id % 50 = 0 THEN interval '12 hours' END, (id % 3) - 1,
                       exp(4 * random() + 4 * random() - 5), 5, CASE WHEN id % 20 = 0 THEN 0 ELSE 40 END,
                       exp(12 * random())::bigint, exp(6 * random())::int
                  FROM account
            """)
        )
        connection.execute(text("ANALYZE tracked_account"))
