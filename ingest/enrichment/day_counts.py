"""Stores counts per day; a day is written again only when its count differs from the last stored one."""

from collections.abc import Mapping
from datetime import date, datetime

from sqlalchemy import Connection, text

COLUMNS_BY_TABLE = {
    "star_day": ("repository_id", "stars"),
    "commit_day": ("repository_id", "commits"),
    "contribution_day": ("account_id", "contributions"),
}
# A day without a stored count counts as zero, so zeros are not written; pages show days from `first_day` on.
INSERT_CHANGED_DAYS = """
    WITH stored AS (
        SELECT DISTINCT ON (day) day, {count}, captured_at FROM {table}
         WHERE {subject} = :id AND day BETWEEN :first AND :last ORDER BY day, captured_at DESC
    )
    INSERT INTO {table} ({subject}, day, captured_at, {count})
    SELECT :id, day, :at, reported.count
      FROM unnest(CAST(:days AS date[]), CAST(:counts AS int[])) AS reported(day, count)
      LEFT JOIN stored USING (day)
     WHERE coalesce(stored.{count}, 0) <> reported.count AND (stored.captured_at IS NULL OR stored.captured_at < :at)
    ON CONFLICT DO NOTHING
"""


def write_days(connection: Connection, table: str, subject_id: int, counts: Mapping[date, int], at: datetime) -> int:
    """Store the *counts* reported at *at*; a response older than the stored one changes nothing.

    Returns the rows written, in one statement.
    """
    if not counts:
        return 0
    subject, count = COLUMNS_BY_TABLE[table]
    return connection.execute(
        text(INSERT_CHANGED_DAYS.format(table=table, subject=subject, count=count)),
        {
            "id": subject_id,
            "at": at,
            "first": min(counts),
            "last": max(counts),
            "days": list(counts),
            "counts": list(counts.values()),
        },
    ).rowcount
