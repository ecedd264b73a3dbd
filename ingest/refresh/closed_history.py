"""Closes history: keeps the snapshots by month in `repository_month` and counts refreshed accounts in `capture_day`.

What a source captured before its `closed_until` is read from there, what came later from the snapshots and captures
themselves: without a closed month reading is slower, never wrong. Whoever writes rows older than that lowers it in the
same transaction (`reopen_own`, `reopen_imported`), or rebuilds what they changed (`rebuild_repositories`).
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

import psycopg
import structlog
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from core.db.partitions import first_of_month, months_between

log = structlog.get_logger()
OWN_SOURCE_ID = 1
# Advisory lock keys. WRITERS: shared by each transaction that writes our captures, until it ends.
WRITERS_LOCK, CLOSER_LOCK = 0x636C6F73, 0x636C6F74  # "clos", "clot"
LOCK_TIMEOUT = "3s"
ALL_CLOSED = datetime(9999, 12, 31, tzinfo=UTC)
"""`closed_until` of an imported source: nothing comes later, unless an import does, which lowers it."""

SELECT_MONTH_TO_CLOSE = """
    SELECT closed_until, closing_until AS until,
           CASE WHEN closed_until IS NULL THEN coalesce(
                     (SELECT min(first_at) FROM repository_import WHERE source_id = source.id),
                     (SELECT min(own.at)
                        FROM account
                       CROSS JOIN LATERAL (
                             SELECT min(captured_at) AS at FROM capture
                              WHERE capture.account_id = account.id AND source_id = 1) AS own
                       WHERE source.id = 1)) END AS first_at
      FROM source WHERE id = :source
"""
# Only rows that differ are written: of the month that is not over, what changed since.
BUILD_MONTH = """
    WITH reported AS (
        SELECT repository_id, captured_at[cardinality(captured_at)] AS captured_at, stars[cardinality(stars)] AS stars,
               forks[cardinality(forks)] AS forks, size_kb[cardinality(size_kb)] AS size_kb
          FROM repository_month
         WHERE source_id = :source AND month = CAST(:month AS date) - interval '1 month' {chosen}
         UNION ALL
        SELECT repository_id, captured_at, stars, forks, size_kb
          FROM repository_snapshot
         WHERE source_id = :source AND captured_at >= :start_at AND captured_at < :end_at {chosen}
    )
    INSERT INTO repository_month AS stored (source_id, month, repository_id, captured_at, stars, forks, size_kb)
    SELECT :source, :month, repository_id, array_agg(captured_at ORDER BY captured_at),
           array_agg(stars ORDER BY captured_at), array_agg(forks ORDER BY captured_at),
           array_agg(size_kb ORDER BY captured_at)
      FROM reported
     GROUP BY repository_id
    ON CONFLICT (source_id, month, repository_id) DO UPDATE
       SET captured_at = excluded.captured_at, stars = excluded.stars, forks = excluded.forks,
           size_kb = excluded.size_kb
     WHERE ROW(stored.captured_at, stored.stars, stored.forks, stored.size_kb)
           IS DISTINCT FROM ROW(excluded.captured_at, excluded.stars, excluded.forks, excluded.size_kb)
"""
OF_REPOSITORIES = "AND repository_id = ANY(CAST(:ids AS bigint[]))"
COUNT_DAYS = """
    INSERT INTO capture_day AS stored (day, accounts)
    SELECT (captured_at AT TIME ZONE 'UTC')::date, count(DISTINCT account_id)
      FROM account
      JOIN capture ON capture.account_id = account.id
     WHERE source_id = 1 AND captured_at >= :start_at AND captured_at < :end_at
     GROUP BY 1
    ON CONFLICT (day) DO UPDATE SET accounts = excluded.accounts WHERE stored.accounts <> excluded.accounts
"""


@dataclass(frozen=True)
class OpenMonth:
    """A month of a source that is not closed, and up to when it can be."""

    source_id: int
    month: date
    end_at: datetime

    @property
    def values(self) -> dict[str, object]:
        start_at = start_of_month(self.month)
        return {"source": self.source_id, "month": self.month, "start_at": start_at, "end_at": self.end_at}


def start_of_month(month: date) -> datetime:
    return datetime.combine(month, time.min, UTC)


def close_own_history(begin: Callable[[], AbstractContextManager[Connection]], until: datetime) -> int:
    """Close what we captured before *until*, each month in a transaction of its own; returns how many were written.

    Writers go on meanwhile: those who write older rows after the first transaction reopen the months they touch.
    While a transaction that writes captures hangs, nothing is closed.
    """
    try:
        with begin() as connection:
            _announce(connection, until)
    except OperationalError as error:
        if not isinstance(error.orig, psycopg.errors.LockNotAvailable):
            raise
        log.info("history not closed, a transaction that writes captures goes on")
        return 0
    months = 0
    while True:
        with begin() as connection:
            if not close_next_month(connection, OWN_SOURCE_ID):
                return months
        months += 1


def _announce(connection: Connection, until: datetime) -> None:
    """Wait for the transactions that write captures: later ones see that months up to *until* are being closed."""
    # Other writers queue behind this lock: one that is frozen must not keep them.
    connection.execute(text("SELECT set_config('lock_timeout', :timeout, true)"), {"timeout": LOCK_TIMEOUT})
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": WRITERS_LOCK})
    connection.execute(
        text("UPDATE source SET closing_until = greatest(closing_until, :until) WHERE id = 1"), {"until": until}
    )


def reopen_own(connection: Connection, at: datetime) -> None:
    """Reopen our history from *at* on if it is closed or being closed; call it when writing a capture of that time."""
    # Two statements: the second has to see what was announced while the first waited.
    connection.execute(text("SELECT pg_advisory_xact_lock_shared(:lock)"), {"lock": WRITERS_LOCK})
    _reopen(connection, OWN_SOURCE_ID, at)


def reopen_imported(connection: Connection, source_id: int, first: datetime) -> None:
    """Reopen the history of an imported source from *first* on."""
    _reopen(connection, source_id, first)


def _reopen(connection: Connection, source_id: int, at: datetime) -> None:
    connection.execute(
        text("""
            UPDATE source
               SET closing_until = :at, closed_until = CASE WHEN closed_until > :at THEN :at ELSE closed_until END
             WHERE id = :source AND closing_until > :at
        """),
        {"source": source_id, "at": at},
    )


def close_imported_history(connection: Connection, source_id: int) -> None:
    """Close all months of an imported source. The caller holds the lock of imports."""
    values = {"source": source_id, "until": ALL_CLOSED}
    last_at = connection.scalar(
        text("SELECT max(last_at) FROM repository_import WHERE source_id = :source"), {"source": source_id}
    )
    if last_at is None:
        return
    connection.execute(text("UPDATE source SET closing_until = :until WHERE id = :source"), values)
    end = first_of_month(last_at.astimezone(UTC).date(), months_later=1)
    while month := _open_month(connection, source_id):
        if month.month >= end:
            break
        _close(connection, month)
    connection.execute(text("UPDATE source SET closed_until = :until WHERE id = :source"), values)


def open_imported_sources(connection: Connection) -> list[int]:
    """Return the ids of imported sources whose history is not closed, as after an interrupted import."""
    sql = """
        SELECT id FROM source
         WHERE id <> 1 AND closed_until IS DISTINCT FROM :until
           AND EXISTS (SELECT FROM repository_import WHERE source_id = source.id)
         ORDER BY id
    """
    return list(connection.scalars(text(sql), {"until": ALL_CLOSED}))


def close_next_month(connection: Connection, source_id: int) -> bool:
    """Close the next month, or what has become complete of the last one; returns False if there is nothing to do."""
    if not connection.scalar(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": CLOSER_LOCK}):
        return False
    month = _open_month(connection, source_id)
    if month is None:
        return False
    _close(connection, month)
    return True


def _open_month(connection: Connection, source_id: int) -> OpenMonth | None:
    found = connection.execute(text(SELECT_MONTH_TO_CLOSE), {"source": source_id}).one()
    begins_at = found.closed_until or found.first_at
    if begins_at is None or found.until is None or begins_at >= found.until:
        return None
    month = first_of_month(begins_at.astimezone(UTC).date())
    return OpenMonth(source_id, month, min(found.until, start_of_month(first_of_month(month, months_later=1))))


def _close(connection: Connection, month: OpenMonth) -> None:
    connection.execute(text(BUILD_MONTH.format(chosen="")), month.values)
    if month.source_id == OWN_SOURCE_ID:
        connection.execute(text(COUNT_DAYS), month.values)
    # An older row that was written meanwhile has lowered closing_until.
    connection.execute(
        text("""
            UPDATE source SET closed_until = least(:end_at, closing_until), last_month = greatest(last_month, :month)
             WHERE id = :source
        """),
        month.values,
    )


def rebuild_repositories(connection: Connection, source_ids: Sequence[int], repository_ids: Sequence[int]) -> None:
    """Write the closed months of these repositories again, after imported rows were moved, in the same transaction."""
    values = {"sources": list(source_ids), "ids": list(repository_ids)}
    connection.execute(
        text(f"DELETE FROM repository_month WHERE source_id = ANY(:sources) {OF_REPOSITORIES}"),  # noqa: S608
        values,
    )
    spans = connection.execute(
        text(f"""
            SELECT source_id, last_month, min(captured_at) AS first_at
              FROM capture
              JOIN source ON source.id = source_id
             WHERE source_id = ANY(:sources) AND last_month IS NOT NULL {OF_REPOSITORIES}
             GROUP BY source_id, last_month
        """),  # noqa: S608
        values,
    ).all()
    for span in spans:
        for month in months_between(span.first_at.astimezone(UTC).date(), span.last_month):
            end_at = start_of_month(first_of_month(month, months_later=1))
            one = OpenMonth(span.source_id, month, end_at)
            connection.execute(text(BUILD_MONTH.format(chosen=OF_REPOSITORIES)), one.values | {"ids": values["ids"]})
