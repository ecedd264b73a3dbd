"""How long it takes to plan a million tracked accounts: read from Postgres, spread the budget, write the plan down."""

import subprocess
import sys

from sqlalchemy import Engine, create_engine, text

from tests.bench.measurement import Measurement, temporary_servers

ACCOUNTS = 1_000_000


def run() -> list[Measurement]:
    with temporary_servers() as servers:
        engine = create_engine(servers.database_url)
        track_accounts(engine)
        engine.dispose()
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.measured_plan", servers.database_url],
            capture_output=True,
            text=True,
            check=True,
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
