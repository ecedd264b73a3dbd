"""Stores star history: stars per day, newest page first, then backfilled to the first star.

Only surviving stars are reported; as counts that differ are stored again, withdrawn stars show.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, text

from ingest.enrichment.day_counts import write_days
from ingest.github.api.fact_types import StarWeek, daily_counts, pacific_day

PAGE_WEEKS = 30
# If the stored history is older, the first page does not reach back to it: the backfill starts again.
FIRST_PAGE_REACH = timedelta(weeks=PAGE_WEEKS - 1)


def store_first_page(
    connection: Connection,
    repository_id: int,
    weeks: Sequence[StarWeek],
    at: datetime,
    *,
    has_more: bool,
    stored_at: datetime | None,
) -> int:
    """Store the newest weeks and start the backfill if there is none; returns the rows written.

    *stored_at* is when the newest weeks were last captured.
    """
    rows = _store(connection, repository_id, weeks, at)
    has_gap = stored_at is not None and at - stored_at > FIRST_PAGE_REACH
    connection.execute(
        text(
            "INSERT INTO star_backfill (repository_id, first_day, next_page, completed_at)"
            " VALUES (:id, :first, :next, :completed) ON CONFLICT (repository_id) DO UPDATE"
            "    SET first_day = excluded.first_day, next_page = excluded.next_page,"
            "        completed_at = excluded.completed_at"
            "  WHERE :has_gap"
        ),
        {
            "id": repository_id,
            "first": _first_day(weeks, at),
            "next": 2 if has_more else None,
            "completed": None if has_more else at,
            "has_gap": has_gap,
        },
    )
    return rows


def store_older_page(
    connection: Connection, repository_id: int, page: int, weeks: Sequence[StarWeek], at: datetime, *, has_more: bool
) -> int:
    """Store an older page and the position of the backfill; returns the rows written.

    Pages shift by a week on Sundays: the next page then repeats a week, it never leaves a gap.
    """
    rows = _store(connection, repository_id, weeks, at)
    connection.execute(
        text(
            "UPDATE star_backfill"
            "   SET first_day = least(first_day, :first), next_page = :next, completed_at = :completed"
            " WHERE repository_id = :id AND next_page = :page"
        ),
        {
            "id": repository_id,
            "page": page,
            "first": _first_day(weeks, at),
            "next": page + 1 if has_more else None,
            "completed": None if has_more else at,
        },
    )
    return rows


def _store(connection: Connection, repository_id: int, weeks: Sequence[StarWeek], at: datetime) -> int:
    return write_days(connection, "star_day", repository_id, daily_counts(weeks, pacific_day(at)), at)


def _first_day(weeks: Sequence[StarWeek], at: datetime) -> date:
    return min((week.sunday for week in weeks), default=pacific_day(at))
