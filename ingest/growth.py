"""How many stars came within a day, a week, a month, a quarter, a year: the value now less the last one at or before.

"At or before" counts only what a look confirms that was near enough: otherwise nobody knows what the value was then,
and the growth is null. Before GitHub had the repository it had no stars.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from core.schema import GROWTH_DAYS

# How long before the moment in question the last look may lie.
TOLERANCE = {days: timedelta(days=days if days <= 7 else days / 2) for days in GROWTH_DAYS}

# What a source said last at or before a moment. Our own rows are changes only: a look at the account confirms them
# until then. Others' rows are looks themselves. The newer of the two counts.
BASE = """
    LEFT JOIN LATERAL (
         SELECT max(captured_at) AS at FROM capture
          WHERE account_id = subject.account_id AND source_id = 1
            AND captured_at > before.since AND captured_at <= before.then) AS look ON NOT before.unborn
    LEFT JOIN LATERAL (
         SELECT stars, captured_at FROM repository_snapshot
          WHERE repository_id = subject.repository_id AND source_id > 1
            AND captured_at > before.since AND captured_at <= before.then
          ORDER BY captured_at DESC LIMIT 1) AS kept ON NOT before.unborn
    LEFT JOIN LATERAL (
         SELECT stars FROM repository_snapshot
          WHERE repository_id = subject.repository_id AND source_id = 1 AND captured_at <= before.then
          ORDER BY captured_at DESC LIMIT 1) AS own ON look.at >= coalesce(kept.captured_at, look.at)
"""
WINDOWS = (
    "unnest(CAST(:days AS int[]), CAST(:lengths AS interval[]), CAST(:tolerances AS interval[]))"
    " AS span(days, length, tolerance)"
)
BASE_VALUE = "CASE WHEN before.unborn THEN 0 ELSE coalesce(own.stars, kept.stars) END"
COLUMNS = tuple(f"stars_{days}d" for days in GROWTH_DAYS)
GROWN = ", ".join(f"max(stars - base) FILTER (WHERE days = {days}) AS stars_{days}d" for days in GROWTH_DAYS)
SET = ", ".join(f"{column} = grown.{column}" for column in COLUMNS)
HELD, NEW = (f"ROW({', '.join(f'{table}.{column}' for column in COLUMNS)})" for table in ("held", "grown"))


def update_growth(connection: Connection, repository_ids: Sequence[int] | None, as_of: datetime) -> None:
    """Bring the growth of our own latest counts up to date: of some repositories, or of all (None)."""
    chosen = "" if repository_ids is None else "WHERE subject.repository_id = ANY(CAST(:ids AS bigint[]))"
    connection.execute(
        text(f"""
            WITH subject AS (
                SELECT repository_id, account_id, stars, created_at
                  FROM repository_current AS subject JOIN repository ON repository.id = repository_id {chosen}
            ), based AS (
                SELECT subject.repository_id, days, stars_now AS stars, {BASE_VALUE} AS base
                  FROM (SELECT repository_id, account_id, stars AS stars_now, created_at FROM subject) AS subject
                 CROSS JOIN {WINDOWS}
                 CROSS JOIN LATERAL (SELECT CAST(:as_of AS timestamptz) - length AS then,
                       CAST(:as_of AS timestamptz) - length - tolerance AS since,
                       coalesce(subject.created_at > CAST(:as_of AS timestamptz) - length, false) AS unborn) AS before
                 {BASE}
            ), grown AS (SELECT repository_id, {GROWN} FROM based GROUP BY repository_id)
            UPDATE repository_current AS held SET {SET}, growth_as_of = :as_of
              FROM grown WHERE grown.repository_id = held.repository_id
        """),  # noqa: S608 - our own names; values are bound
        {"ids": None if repository_ids is None else list(repository_ids), "as_of": as_of} | _windows(),
    )


def update_import_growth(connection: Connection, source_id: int, repository_ids: Sequence[int] | None = None) -> None:
    """The same for what an imported source says last, seen from the day on which it said it."""
    chosen = "" if repository_ids is None else "AND repository_id = ANY(CAST(:ids AS bigint[]))"
    connection.execute(
        text(f"""
            WITH subject AS (
                SELECT repository_id, account_id, stars AS stars_now, created_at, last_at
                  FROM repository_import JOIN repository ON repository.id = repository_id
                 WHERE source_id = :source {chosen}
            ), based AS (
                SELECT subject.repository_id, days, stars_now AS stars, {BASE_VALUE} AS base
                  FROM subject
                 CROSS JOIN {WINDOWS}
                 CROSS JOIN LATERAL (SELECT last_at - length AS then, last_at - length - tolerance AS since,
                       coalesce(subject.created_at > last_at - length, false) AS unborn) AS before
                 {BASE}
            ), grown AS (SELECT repository_id, {GROWN} FROM based GROUP BY repository_id)
            UPDATE repository_import AS held SET {SET}
              FROM grown
             WHERE grown.repository_id = held.repository_id AND held.source_id = :source
               AND {HELD} IS DISTINCT FROM {NEW}
        """),  # noqa: S608 - our own names; values are bound
        {"ids": None if repository_ids is None else list(repository_ids), "source": source_id} | _windows(),
    )


def _windows() -> dict[str, object]:
    return {
        "days": list(GROWTH_DAYS),
        "lengths": [timedelta(days=days) for days in GROWTH_DAYS],
        "tolerances": [TOLERANCE[days] for days in GROWTH_DAYS],
    }
