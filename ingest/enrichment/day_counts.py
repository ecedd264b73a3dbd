"""Readings of single days: only what differs from the last reading of that day is written, all in one statement."""

from collections.abc import Mapping
from datetime import date, datetime

from sqlalchemy import Connection, text

COLUMNS_BY_TABLE = {
    "star_day": ("repository_id", "stars"),
    "commit_day": ("repository_id", "commits"),
    "contribution_day": ("account_id", "contributions"),
}
# A day that was never read before counts as zero: only what is known since the walk's first day is shown.
INSERT_CHANGED_DAYS = """
    WITH held AS (
        SELECT DISTINCT ON (day) day, {count}, captured_at FROM {table}
         WHERE {subject} = :id AND day BETWEEN :first AND :last ORDER BY day, captured_at DESC
    )
    INSERT INTO {table} ({subject}, day, captured_at, {count})
    SELECT :id, day, :at, told.count
      FROM unnest(CAST(:days AS date[]), CAST(:counts AS int[])) AS told(day, count) LEFT JOIN held USING (day)
     WHERE coalesce(held.{count}, 0) <> told.count AND (held.captured_at IS NULL OR held.captured_at < :at)
    ON CONFLICT DO NOTHING
"""


def write_days(connection: Connection, table: str, subject_id: int, told: Mapping[date, int], at: datetime) -> int:
    """Store what was told of days at moment *at*; an older answer changes nothing. Returns how many rows."""
    if not told:
        return 0
    subject, count = COLUMNS_BY_TABLE[table]
    return connection.execute(
        text(INSERT_CHANGED_DAYS.format(table=table, subject=subject, count=count)),
        {
            "id": subject_id,
            "at": at,
            "first": min(told),
            "last": max(told),
            "days": list(told),
            "counts": list(told.values()),
        },
    ).rowcount
