"""Monthly partitions of the snapshot tables, created before they are written to.

A new partition is created as a table of its own and then attached. Attaching locks the default partition against
everybody for a moment. A backup holds its lock for hours, and all readers would queue behind whoever waits for it: so
the wait is short, and repeated.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import date

import psycopg
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from core.errors import AlmanacError

OPEN_TABLE = "repository_snapshot_open"
PARTITIONED_TABLES = (OPEN_TABLE, "repository_extra_snapshot")
IMPORTED_TABLES = ("repository_extra_snapshot",)
MONTHS_AHEAD = 2
CREATION_LOCK = 0x7061727469  # "parti"
LOCK_TIMEOUT = "200ms"
RETRY_DELAY_SECONDS = 1.0
MAX_TRIES = 30


class PartitionsLocked(AlmanacError):
    """A long transaction, such as a backup, reads the tables that a partition would be attached to."""

    code = "partitions_locked"

    def __init__(self, month: date) -> None:
        super().__init__(
            f"No place for {month:%B %Y} can be made while a backup or another long transaction reads the snapshots;"
            " try again when it has ended"
        )


def first_of_month(day: date, *, months_later: int = 0) -> date:
    month = day.year * 12 + day.month - 1 + months_later
    return date(month // 12, month % 12 + 1, 1)


def months_between(first: date, last: date) -> Iterator[date]:
    """Yield the first day of each month from *first*'s to *last*'s."""
    month = first_of_month(first)
    while month <= last:
        yield month
        month = first_of_month(month, months_later=1)


def create_partitions(
    begin: Callable[[], AbstractContextManager[Connection]],
    first: date,
    last: date,
    *,
    tables: Sequence[str] = PARTITIONED_TABLES,
    max_tries: int = MAX_TRIES,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Create the missing partitions from *first* to *last*, each month in a transaction of its own from *begin*.

    Returns how many were created. Raises PartitionsLocked after *max_tries* for one month.
    """
    return sum(_create_month(begin, month, tables, max_tries, sleep) for month in months_between(first, last))


def _create_month(
    begin: Callable[[], AbstractContextManager[Connection]],
    month: date,
    tables: Sequence[str],
    max_tries: int,
    sleep: Callable[[float], None],
) -> int:
    for tries in range(1, max_tries + 1):
        try:
            with begin() as connection:
                return ensure_partitions(connection, month, month, tables)
        except PartitionsLocked:
            if tries == max_tries:
                raise
            sleep(RETRY_DELAY_SECONDS)
    return 0


def ensure_partitions(
    connection: Connection, first: date, last: date, tables: Sequence[str] = PARTITIONED_TABLES
) -> int:
    """Create the missing partitions of the months from *first* to *last*; returns how many were created.

    The locks are held until the caller's transaction ends. Raises PartitionsLocked, at once.
    """
    missing = _missing_partitions(connection, first, last, tables)
    if not missing:
        return 0
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": CREATION_LOCK})
    missing = _missing_partitions(connection, first, last, tables)  # another process may have been faster
    before = connection.scalar(text("SELECT current_setting('lock_timeout')"))
    for table, month in missing:
        try:
            with connection.begin_nested():
                _set_lock_timeout(connection, LOCK_TIMEOUT)
                _create_partition(connection, table, month)
        except OperationalError as error:
            if isinstance(error.orig, psycopg.errors.LockNotAvailable):
                raise PartitionsLocked(month) from error
            raise
    _set_lock_timeout(connection, str(before))
    return len(missing)


def _missing_partitions(
    connection: Connection, first: date, last: date, tables: Sequence[str]
) -> list[tuple[str, date]]:
    existing = set(connection.scalars(text("SELECT relname FROM pg_class WHERE relname LIKE 'repository_%snapshot_%'")))
    return [
        (table, month)
        for month in months_between(first, last)
        for table in tables
        if _partition_name(table, month) not in existing
    ]


def _partition_name(table: str, month: date) -> str:
    return f"{table}_{month:%Y_%m}"


def _create_partition(connection: Connection, table: str, month: date) -> None:
    # DDL takes no bound values; names and bounds come from the calendar, never from input.
    name = _partition_name(table, month)
    connection.execute(
        text(f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)")
    )
    connection.execute(
        text(
            f"ALTER TABLE {table} ATTACH PARTITION {name}"
            f" FOR VALUES FROM ('{month} 00:00+00') TO ('{first_of_month(month, months_later=1)} 00:00+00')"
        )
    )


def drop_emptied_partitions(engine: Engine, before: date) -> int:
    """Drop the partitions of months before *before* whose snapshots are all closed; returns how many.

    One whose rows somebody may still see, or that is locked, stays until the next time. A later one is truncated.
    """
    sql = """
        SELECT relname FROM pg_class
         WHERE relispartition AND relkind = 'r' AND relname ~ '^repository_snapshot_open_\\d'
           AND (relname < :first OR pg_indexes_size(oid) > :least)
         ORDER BY relname
    """
    first = _partition_name(OPEN_TABLE, before)
    with engine.connect() as connection:
        names = list(connection.scalars(text(sql), {"first": first, "least": 1_000_000}))
        emptied = [name for name in names if not connection.scalar(text(f"SELECT EXISTS (SELECT 1 FROM {name})"))]  # noqa: S608
    return sum(_drop_if_empty(engine, name, "DROP" if name < first else "TRUNCATE") for name in emptied)


def _drop_if_empty(engine: Engine, name: str, verb: str) -> bool:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"VACUUM (INDEX_CLEANUP ON, TRUNCATE ON, SKIP_LOCKED) {name}"))
    try:
        with engine.begin() as connection:
            _set_lock_timeout(connection, LOCK_TIMEOUT)
            connection.execute(text(f"LOCK TABLE ONLY {OPEN_TABLE}, ONLY {name} IN ACCESS EXCLUSIVE MODE"))
            # Between the question before and the lock somebody can have stored a late row.
            if connection.scalar(text(f"SELECT EXISTS (SELECT 1 FROM {name})")):  # noqa: S608 - our own names
                return False
            # A vacuumed file keeps a page as long as any transaction sees a row in it. On Citus the rows are elsewhere.
            if connection.scalar(text("SELECT pg_relation_size(CAST(:name AS regclass))"), {"name": name}):
                return False
            connection.execute(text(f"{verb} TABLE {name}"))
    except OperationalError as error:
        if not isinstance(error.orig, psycopg.errors.LockNotAvailable):
            raise
        return False
    return verb == "DROP"


def _set_lock_timeout(connection: Connection, timeout: str) -> None:
    connection.execute(text("SELECT set_config('lock_timeout', :timeout, true)"), {"timeout": timeout})


def last_upcoming_month(today: date) -> date:
    """Return the last month that has to have partitions already."""
    return first_of_month(today, months_later=MONTHS_AHEAD)


def count_default_rows(connection: Connection) -> int:
    """Count the rows in the default partitions: a monthly partition was missing when they were inserted."""
    total = 0
    for table in PARTITIONED_TABLES:
        total += connection.scalar(text(f"SELECT count(*) FROM {table}_default")) or 0  # noqa: S608 - our own names
    return total
