"""Closes history: moves snapshots to `repository_month` and our captures to `capture_month`, counted in `capture_day`.

Each snapshot is either there or in `repository_snapshot_open`, where whoever writes a capture puts it: nothing of a
source that is older than its `closed_until`, which a late one lowers in the same transaction (`reopen_own`). So it is
with our captures and `capture_open`; imported ones stay there. Our rows of `repository_month` are complete up to
`last_month` whenever a transaction ends, so that reads are right at any time. An import writes there at once
(`store_rows`): nothing after a repository's last imported month, as `repository_import` has its last counts.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

import psycopg
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from core.db.partitions import first_of_month, months_between
from core.db.statement import text
from core.queries.captures import CAPTURES_OF_SPAN, FIRST_CAPTURE_AT
from core.queries.past_counts import month_columns, month_of
from core.sources import CLOSER_LOCK, OWN_SOURCE_ID

log = structlog.get_logger()
# Advisory lock key, shared by each transaction that writes our captures, until it ends.
WRITERS_LOCK = 0x636C6F73  # "clos"
LOCK_TIMEOUT = "3s"
ALL_CLOSED = datetime(9999, 12, 31, tzinfo=UTC)
"""`closed_until` of an imported source: nothing comes later, unless an import does, which lowers it."""

SELECT_MONTH_TO_CLOSE = f"""
    SELECT closed_until, closing_until AS until,
           CASE WHEN closed_until IS NULL THEN (
                     SELECT min({FIRST_CAPTURE_AT}) FROM account) END AS first_at
      FROM source WHERE id = 1
"""  # noqa: S608
# Moves the snapshots of a month and repeats the last ones before it. Only rows that differ are written.
CLOSE_MONTH = f"""
    WITH moved AS (
        DELETE FROM repository_snapshot_open
         WHERE source_id = :source AND captured_at >= :start_at AND captured_at < :end_at
        RETURNING repository_id, captured_at, stars, forks, size_kb
    ), merged AS (
        SELECT repository_id, captured_at, stars, forks, size_kb, true AS is_moved FROM moved
         UNION ALL
        SELECT repository_id, captured_at, stars, forks, size_kb, false FROM repository_snapshot_closed
         WHERE source_id = :source AND month = :month AND repository_id IN (SELECT repository_id FROM moved)
    ), filled AS (
        SELECT repository_id, array_agg(captured_at ORDER BY captured_at) AS captured_at,
               array_agg(ARRAY[stars, forks, size_kb] ORDER BY captured_at) AS counts
          FROM (SELECT DISTINCT ON (repository_id, captured_at) *
                  FROM merged ORDER BY repository_id, captured_at, is_moved DESC) AS once
         GROUP BY repository_id
    ), before AS (
        SELECT repository_id, {month_columns("cardinality(captured_at)")}
          FROM repository_month AS month
         WHERE source_id = :source AND month = CAST(:month AS date) - interval '1 month'
    ), closed AS (
        SELECT repository_id, before.captured_at AS before_at, before.stars AS stars_before,
               before.forks AS forks_before, before.size_kb AS size_kb_before, filled.captured_at, filled.counts
          FROM before
          FULL JOIN filled USING (repository_id)
    )
    INSERT INTO repository_month AS stored (repository_id, source_id, month, before_at, stars_before, forks_before,
           size_kb_before, captured_at, counts)
    SELECT closed.repository_id, :source, :month, closed.before_at, closed.stars_before, closed.forks_before,
           closed.size_kb_before, closed.captured_at, closed.counts
      FROM closed
      -- Without this join each row would be locked, differing or not.
      LEFT JOIN repository_month AS existing
        ON existing.source_id = :source AND existing.month = :month AND existing.repository_id = closed.repository_id
     WHERE existing.repository_id IS NULL OR closed.captured_at IS NOT NULL
        OR ROW(existing.before_at, existing.stars_before, existing.forks_before, existing.size_kb_before)
           IS DISTINCT FROM ROW(closed.before_at, closed.stars_before, closed.forks_before, closed.size_kb_before)
    ON CONFLICT (repository_id, source_id, month) DO UPDATE
       SET before_at = excluded.before_at, stars_before = excluded.stars_before,
           forks_before = excluded.forks_before, size_kb_before = excluded.size_kb_before,
           captured_at = coalesce(excluded.captured_at, stored.captured_at),
           counts = coalesce(excluded.counts, stored.counts)
"""  # noqa: S608
# Merges the rows of `given`, which win over stored ones of the same time, and carries the last counts on. `of_source`
# is the condition on what is stored: false where nothing is, so that Postgres reads nothing.
STORE_ROWS = f"""
    WITH given AS MATERIALIZED ({{given}}
    ), stored AS (
        SELECT repository_id, max(month) AS last_month
          FROM (SELECT DISTINCT repository_id FROM given) AS one
          JOIN repository_month USING (repository_id)
         WHERE {{of_source}} GROUP BY repository_id
    ), first AS (
        SELECT repository_id,
               least(min({month_of("captured_at")}), min(last_month) + interval '1 month')::date AS month
          FROM given LEFT JOIN stored USING (repository_id) GROUP BY repository_id
    ), merged AS (
        SELECT repository_id, {month_of("captured_at")} AS month, captured_at, stars, forks, size_kb, true AS is_given
          FROM given
         UNION ALL
        SELECT repository_id, stored.month, captured_at, stars, forks, size_kb, false
          FROM first
          JOIN repository_snapshot_closed AS stored USING (repository_id)
         WHERE {{of_source}} AND stored.month >= first.month
    ), filled AS (
        SELECT repository_id, month, array_agg(captured_at ORDER BY captured_at) AS captured_at,
               array_agg(ARRAY[stars, forks, size_kb] ORDER BY captured_at) AS counts
          FROM (SELECT DISTINCT ON (repository_id, month, captured_at) *
                  FROM merged ORDER BY repository_id, month, captured_at, is_given DESC) AS once
         GROUP BY repository_id, month
    ), ended AS (
        SELECT repository_id, month, captured_at AS times, counts, captured_at[cardinality(captured_at)] AS captured_at,
               counts[cardinality(captured_at)][1] AS stars, counts[cardinality(captured_at)][2] AS forks,
               counts[cardinality(captured_at)][3] AS size_kb
          FROM filled
         UNION ALL
        SELECT repository_id, month.month, NULL, NULL, {month_columns("cardinality(captured_at)")}
          FROM first
          JOIN repository_month AS month USING (repository_id)
         WHERE {{of_source}} AND month.month = first.month - interval '1 month'
    ), ordered AS (
        SELECT *, lag(captured_at) OVER by_month AS before_at, lag(stars) OVER by_month AS stars_before,
               lag(forks) OVER by_month AS forks_before, lag(size_kb) OVER by_month AS size_kb_before,
               lead(month) OVER by_month AS next_month
          FROM ended WINDOW by_month AS (PARTITION BY repository_id ORDER BY month)
    ), spread AS (
        SELECT repository_id, month, before_at, stars_before, forks_before, size_kb_before, times, counts
          FROM ordered WHERE times IS NOT NULL
         UNION ALL
        -- Months without a snapshot.
        SELECT repository_id, begins_at::date, captured_at, stars, forks, size_kb, NULL, NULL
          FROM ordered
         CROSS JOIN LATERAL generate_series(
               month + interval '1 month', next_month - interval '1 month', interval '1 month') AS begins_at
    )
    INSERT INTO repository_month (repository_id, source_id, month, before_at, stars_before, forks_before,
           size_kb_before, captured_at, counts)
    SELECT repository_id, :source, month, before_at, stars_before, forks_before, size_kb_before, times, counts
      FROM spread
     ORDER BY month, repository_id
"""  # noqa: S608
REPLACE_STORED = """
    ON CONFLICT (repository_id, source_id, month) DO UPDATE
       SET before_at = excluded.before_at, stars_before = excluded.stars_before,
           forks_before = excluded.forks_before, size_kb_before = excluded.size_kb_before,
           captured_at = excluded.captured_at, counts = excluded.counts
"""
SELECT_OPEN_ROWS = """
        SELECT repository_id, captured_at, stars, forks, size_kb
          FROM repository_snapshot_open WHERE source_id = :source"""
SELECT_MOVED_ROWS = """
        SELECT pair.real AS repository_id, captured_at, stars, forks, size_kb
          FROM unnest(CAST(:named AS bigint[]), CAST(:real AS bigint[])) AS pair(named, real)
          JOIN repository_snapshot_closed AS stored ON stored.repository_id = pair.named
         WHERE source_id = :source AND NOT EXISTS (
               SELECT FROM capture_open
                WHERE capture_open.repository_id = pair.real AND capture_open.source_id = stored.source_id
                  AND capture_open.captured_at = stored.captured_at)"""
# Of the same time, the one that was closed first stays. Two statements: Citus takes no rows from a deletion here.
CLOSE_CAPTURES = (
    """
    WITH open AS (
        SELECT account_id, captured_at, run_id, cadence FROM capture_open
         WHERE source_id = 1 AND captured_at >= :start_at AND captured_at < :end_at
    ), merged AS (
        SELECT account_id, captured_at, run_id, cadence, true AS is_open FROM open
         UNION ALL
        SELECT account_id, one.captured_at, one.run_id, one.cadence, false
          FROM capture_month
         CROSS JOIN LATERAL unnest(capture_month.captured_at, run_ids, cadences) AS one (captured_at, run_id, cadence)
         WHERE month = :month AND account_id IN (SELECT account_id FROM open)
    )
    INSERT INTO capture_month (account_id, month, captured_at, run_ids, cadences)
    SELECT account_id, CAST(:month AS date), array_agg(captured_at ORDER BY captured_at),
           CASE WHEN count(run_id) > 0 THEN array_agg(run_id ORDER BY captured_at) END,
           CASE WHEN count(cadence) > 0 THEN array_agg(cadence ORDER BY captured_at) END
      FROM (SELECT DISTINCT ON (account_id, captured_at) *
              FROM merged ORDER BY account_id, captured_at, is_open) AS once
     GROUP BY account_id
     ORDER BY account_id
    ON CONFLICT (account_id, month) DO UPDATE
       SET captured_at = excluded.captured_at, run_ids = excluded.run_ids, cadences = excluded.cadences
    """,
    # Not those that came since.
    """
    DELETE FROM capture_open USING capture_month AS month
     WHERE month.account_id = capture_open.account_id AND month.month = :month AND source_id = 1
       AND capture_open.captured_at >= :start_at AND capture_open.captured_at < :end_at
       AND capture_open.captured_at = ANY(month.captured_at)
    """,
)
COUNT_DAYS = f"""
    INSERT INTO capture_day AS stored (day, accounts)
    SELECT (captured_at AT TIME ZONE 'UTC')::date, count(DISTINCT account_id)
      FROM (SELECT id AS account_id, CAST(:start_at AS timestamptz) AS from_at, CAST(:end_at AS timestamptz) AS to_at
              FROM account) AS span
     CROSS JOIN LATERAL ({CAPTURES_OF_SPAN}) AS own
     GROUP BY 1
    ON CONFLICT (day) DO UPDATE SET accounts = excluded.accounts WHERE stored.accounts <> excluded.accounts
"""  # noqa: S608


@dataclass(frozen=True)
class OpenMonth:
    """A month of ours that is not closed, and up to when it can be."""

    month: date
    end_at: datetime

    @property
    def values(self) -> dict[str, object]:
        start_at = start_of_month(self.month)
        return {"source": OWN_SOURCE_ID, "month": self.month, "start_at": start_at, "end_at": self.end_at}


def start_of_month(month: date) -> datetime:
    return datetime.combine(month, time.min, UTC)


def close_own_history(begin: Callable[[], AbstractContextManager[Connection]], until: datetime) -> int:
    """Close what we captured before *until*, each month in a transaction of its own; returns how many were written.

    Writers go on meanwhile: those who write older rows after the first transaction reopen the months they touch.
    While a transaction that writes captures hangs, or another one that closes a month, nothing is closed.
    """
    try:
        with begin() as connection:
            _announce(connection, until)
    except OperationalError as error:
        if not isinstance(error.orig, psycopg.errors.LockNotAvailable):
            raise
        log.info("history not closed, a transaction that writes or closes it goes on")
        return 0
    months = 0
    while True:
        with begin() as connection:
            if not close_next_month(connection):
                return months
        months += 1


def _announce(connection: Connection, until: datetime) -> None:
    """Wait for the transactions that write captures: later ones see that months up to *until* are being closed."""
    # Other writers queue behind the second lock: one that is frozen must not keep them.
    connection.execute(text("SELECT set_config('lock_timeout', :timeout, true)"), {"timeout": LOCK_TIMEOUT})
    # Who closes a month learns from `closing_until` what was written meanwhile: it must not be raised until then.
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": CLOSER_LOCK})
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": WRITERS_LOCK})
    connection.execute(
        text("UPDATE source SET closing_until = greatest(closing_until, :until) WHERE id = 1"), {"until": until}
    )


def keep_from_closing(connection: Connection) -> None:
    """Wait for who announces that history is being closed, and keep it from being announced in this transaction.

    Call it before writing a capture; a later statement sees what was announced: `is_closed`.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock_shared(:lock)"), {"lock": WRITERS_LOCK})


def is_closed(at: str) -> str:
    """Return SQL for whether the history of a `source` is closed, or being closed, at the time *at*."""
    return f"coalesce(closing_until > {at}, false)"


def reopen_own(connection: Connection, at: datetime) -> None:
    """Reopen our history from *at* on, where it `is_closed`."""
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
    """Close all months of an imported source. The caller holds the lock of imports and updated `repository_import`."""
    last_at = connection.scalar(
        text("SELECT max(last_at) FROM repository_import WHERE source_id = :source"), {"source": source_id}
    )
    if last_at is None:
        return
    # A subquery without a column is one that Citus does not take.
    is_open = text("SELECT EXISTS (SELECT 1 FROM repository_snapshot_open WHERE source_id = :source)")
    if connection.scalar(is_open, {"source": source_id}):
        store_rows(connection, source_id, SELECT_OPEN_ROWS, {})
        connection.execute(
            text("DELETE FROM repository_snapshot_open WHERE source_id = :source"), {"source": source_id}
        )
    connection.execute(
        text("""
            UPDATE source SET closing_until = :until, closed_until = :until, last_month = greatest(last_month, :month)
             WHERE id = :source
        """),
        {"source": source_id, "until": ALL_CLOSED, "month": first_of_month(last_at.astimezone(UTC).date())},
    )


def analyze_sources(connection: Connection) -> None:
    """Let Postgres know how few rows `source` has: too few for autovacuum, without which it expects hundreds.

    It would then read the months of all sources where those of one are wanted. In a transaction of its own: Citus
    refuses it in one that has read the table.
    """
    connection.execute(text("ANALYZE source"))


def open_imported_sources(connection: Connection) -> list[int]:
    """Return the ids of imported sources whose history is not closed, as after an interrupted import."""
    sql = """
        SELECT id FROM source
         WHERE id <> 1 AND closed_until IS DISTINCT FROM :until
           AND id IN (SELECT source_id FROM repository_import)
         ORDER BY id
    """
    return list(connection.scalars(text(sql), {"until": ALL_CLOSED}))


def close_next_month(connection: Connection) -> bool:
    """Close the next month, or what has become complete of the last one; returns False if there is nothing to do.

    What was reopened is closed up to the last month at once: the months after it repeat its last counts, those too that
    were closed by a clock that was ahead.
    """
    if not connection.scalar(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": CLOSER_LOCK}):
        return False
    last = connection.scalar(text("SELECT last_month FROM source WHERE id = 1"))
    month = _open_month(connection)
    if month is None:
        return False
    _close(connection, month)
    for later in months_between(first_of_month(month.month, months_later=1), last) if last else ():
        month = _open_month(connection)
        if month and month.month == later:
            _close(connection, month)
        else:
            connection.execute(text(CLOSE_MONTH), OpenMonth(later, start_of_month(later)).values)
    return True


def _open_month(connection: Connection) -> OpenMonth | None:
    found = connection.execute(text(SELECT_MONTH_TO_CLOSE)).one()
    begins_at = found.closed_until or found.first_at
    if begins_at is None or found.until is None or begins_at >= found.until:
        return None
    month = first_of_month(begins_at.astimezone(UTC).date())
    return OpenMonth(month, min(found.until, start_of_month(first_of_month(month, months_later=1))))


def _close(connection: Connection, month: OpenMonth) -> None:
    connection.execute(text(CLOSE_MONTH), month.values)
    for statement in CLOSE_CAPTURES:
        connection.execute(text(statement), month.values)
    connection.execute(text(COUNT_DAYS), month.values)
    # An older row that was written meanwhile has lowered closing_until.
    connection.execute(
        text("""
            UPDATE source SET closed_until = least(:end_at, closing_until), last_month = greatest(last_month, :month)
             WHERE id = :source
        """),
        month.values,
    )


def store_rows(
    connection: Connection, source_id: int, given: str, values: Mapping[str, Any], *, are_new: bool = False
) -> None:
    """Store snapshots of an imported source: those of the query *given*, which wins over stored ones of the same time.

    given  repository_id, captured_at, stars, forks, size_kb
    are_new  the source has no snapshots of these repositories yet
    Counts as of a later month than the source's last one are seen once that is closed.
    """
    sql = STORE_ROWS.format(given=given, of_source="false" if are_new else "source_id = :source")
    sql += "" if are_new else REPLACE_STORED
    connection.execute(text(sql), {**values, "source": source_id})


def move_rows(connection: Connection, source_id: int, named: Sequence[int], real: Sequence[int]) -> None:
    """Move imported snapshots from each of *named* to its counterpart in *real*, except those of its captures."""
    values = {"named": list(named), "real": list(real)}
    store_rows(connection, source_id, SELECT_MOVED_ROWS, values)
    connection.execute(
        text("DELETE FROM repository_month WHERE source_id = :source AND repository_id = ANY(:named)"),
        values | {"source": source_id},
    )
