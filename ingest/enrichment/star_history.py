"""Star history: weeks as told, into readings of days. A reading is kept where it differs, so withdrawn stars show."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, text

from ingest.enrichment.day_readings import write_days
from ingest.github.api.fact_types import StarWeek, daily_counts, pacific_day

PAGE_WEEKS = 30
# After so long without a look the first page does not reach back to the last one: walk again.
FIRST_PAGE_REACH = timedelta(weeks=PAGE_WEEKS - 1)


def store_first_page(
    connection: Connection,
    repository_id: int,
    weeks: Sequence[StarWeek],
    at: datetime,
    *,
    has_more: bool,
    read_before: datetime | None,
) -> int:
    """Store the newest weeks, and begin the walk to the beginning where there was none; returns how many rows."""
    rows = _store(connection, repository_id, weeks, at)
    is_cut_off = read_before is not None and at - read_before > FIRST_PAGE_REACH
    connection.execute(
        text(
            "INSERT INTO star_backfill (repository_id, first_day, next_page, completed_at)"
            " VALUES (:id, :first, :next, :walked) ON CONFLICT (repository_id) DO UPDATE"
            "    SET first_day = excluded.first_day, next_page = excluded.next_page, completed_at = excluded.completed_at"
            "  WHERE :cut_off"
        ),
        {
            "id": repository_id,
            "first": _first_day(weeks, at),
            "next": 2 if has_more else None,
            "walked": None if has_more else at,
            "cut_off": is_cut_off,
        },
    )
    return rows


def store_older_page(
    connection: Connection, repository_id: int, page: int, weeks: Sequence[StarWeek], at: datetime, *, has_more: bool
) -> int:
    """Store a page further back, and remember where the walk goes on; returns how many rows.

    Pages shift by a week on Sundays: the next page then begins with a week that was read before, never after a gap.
    """
    rows = _store(connection, repository_id, weeks, at)
    connection.execute(
        text(
            "UPDATE star_backfill SET first_day = least(first_day, :first), next_page = :next, completed_at = :walked"
            " WHERE repository_id = :id AND next_page = :page"
        ),
        {
            "id": repository_id,
            "page": page,
            "first": _first_day(weeks, at),
            "next": page + 1 if has_more else None,
            "walked": None if has_more else at,
        },
    )
    return rows


def _store(connection: Connection, repository_id: int, weeks: Sequence[StarWeek], at: datetime) -> int:
    return write_days(connection, "star_day", repository_id, daily_counts(weeks, pacific_day(at)), at)


def _first_day(weeks: Sequence[StarWeek], at: datetime) -> date:
    return min((week.sunday for week in weeks), default=pacific_day(at))
