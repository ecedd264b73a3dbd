"""Monthly partitions of the snapshot tables, created before they are written to."""

from collections.abc import Iterator
from datetime import date

from sqlalchemy import Connection, text

PARTITIONED_TABLES = ("repository_snapshot", "repository_extra_snapshot")
MONTHS_AHEAD = 2


def first_of_month(day: date, *, months_later: int = 0) -> date:
    month = day.year * 12 + day.month - 1 + months_later
    return date(month // 12, month % 12 + 1, 1)


def months_between(first: date, last: date) -> Iterator[date]:
    """Yield the first day of each month from *first*'s to *last*'s."""
    month = first_of_month(first)
    while month <= last:
        yield month
        month = first_of_month(month, months_later=1)


def ensure_partitions(connection: Connection, first: date, last: date) -> int:
    """Create the missing partitions of the months from *first* to *last*; returns how many were created."""
    existing = set(
        connection.scalars(text("SELECT relname FROM pg_class WHERE relname LIKE 'repository_%snapshot_2%'"))
    )
    created = 0
    for month in months_between(first, last):
        for table in PARTITIONED_TABLES:
            name = f"{table}_{month:%Y_%m}"
            if name in existing:
                continue
            # DDL takes no bound values; names and bounds come from the calendar, never from input.
            connection.execute(
                text(
                    f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF {table}"
                    f" FOR VALUES FROM ('{month} 00:00+00') TO ('{first_of_month(month, months_later=1)} 00:00+00')"
                )
            )
            created += 1
    return created


def ensure_upcoming_partitions(connection: Connection, today: date) -> int:
    """Create the missing partitions of this month and the next MONTHS_AHEAD. Safe to repeat."""
    return ensure_partitions(connection, today, first_of_month(today, months_later=MONTHS_AHEAD))


def count_default_rows(connection: Connection) -> int:
    """Count the rows in the default partitions: a monthly partition was missing when they were inserted."""
    total = 0
    for table in PARTITIONED_TABLES:
        total += connection.scalar(text(f"SELECT count(*) FROM {table}_default")) or 0  # noqa: S608 - our own names
    return total
