"""Plan the refreshes of all tracked accounts in a process of its own, whose memory is measured."""

import sys
import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import create_engine

from core import log
from core.db.statement import psycopg_connection
from ingest.planning import refresh_plan
from tests.bench.memory import peak_megabytes


def main(database_url: str) -> None:
    log.configure("ERROR", as_json=True)
    engine = create_engine(database_url)
    inputs = refresh_plan.PlanInputs(timedelta(hours=6), 15_000, with_token=True)
    started = time.perf_counter()
    with (
        engine.begin() as connection,
        psycopg_connection(connection).cursor() as cursor,
        cursor.copy("COPY tracked_account TO STDOUT (FORMAT binary)") as copy,
    ):
        for _row in copy:
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
    points = planned.allocation.cost_per_day / 24
    print(len(rows["id"]), floor, read, made - read, whole, peak_megabytes(), points)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
