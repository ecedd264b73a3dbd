"""Star growth over 1, 7, 30, 90 and 365 days: the value now minus the last value at or before the start of the span.

The earlier value counts only if a capture near enough to the start confirms it; otherwise the growth is null. Before
the repository was created it had no stars.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from core.db.schema import GROWTH_DAYS

# Maximum age of the last capture at the start of the span.
TOLERANCE = {days: timedelta(days=days if days <= 7 else days / 2) for days in GROWTH_DAYS}
MAX_LOOKBACK = max(timedelta(days=days) + TOLERANCE[days] for days in GROWTH_DAYS)

# For each subject and span: the last value at or before the start. Our own rows are changes only, so a capture of the
# account must confirm them; rows of imported sources are captures themselves. The newer of the two counts.
# Each month is a partition: the bound timestamps prune them, and CASE queries only where it must.
GROWTH_CTE = """
    grown AS (
        SELECT subject.repository_id,
               max(growth) FILTER (WHERE days = 1) AS stars_1d,
               max(growth) FILTER (WHERE days = 7) AS stars_7d,
               max(growth) FILTER (WHERE days = 30) AS stars_30d,
               max(growth) FILTER (WHERE days = 90) AS stars_90d,
               max(growth) FILTER (WHERE days = 365) AS stars_365d
          FROM subject
         CROSS JOIN unnest(CAST(:days AS int[]), CAST(:lengths AS interval[]), CAST(:tolerances AS interval[]))
                    AS span(days, length, tolerance)
         CROSS JOIN LATERAL (
               SELECT as_of - length AS until, as_of - length - tolerance AS since,
                      coalesce(created_at > as_of - length, false) AS unborn) AS before
          LEFT JOIN LATERAL (
               SELECT max(captured_at) AS at FROM capture
                WHERE NOT unborn AND account_id = subject.account_id AND source_id = 1
                  AND captured_at > since AND captured_at <= until) AS own ON true
          LEFT JOIN LATERAL (
               SELECT stars, captured_at FROM repository_snapshot
                WHERE imported AND NOT unborn AND repository_id = subject.repository_id AND source_id > 1
                  AND captured_at > since AND captured_at <= until
                  AND captured_at > CAST(:oldest AS timestamptz) AND captured_at <= CAST(:newest AS timestamptz)
                ORDER BY captured_at DESC LIMIT 1) AS external ON true
         CROSS JOIN LATERAL (
               SELECT subject.stars - CASE
                      WHEN unborn THEN 0
                      WHEN own.at < external.captured_at OR own.at IS NULL THEN external.stars
                      WHEN changed_at <= until THEN subject.stars
                      ELSE coalesce(
                           (SELECT stars FROM repository_snapshot
                             WHERE repository_id = subject.repository_id AND source_id = 1 AND captured_at <= until
                               AND captured_at >= CAST(:began AS timestamptz)
                               AND captured_at <= CAST(:newest AS timestamptz)
                             ORDER BY captured_at DESC LIMIT 1),
                           external.stars)
                      END AS growth) AS result
         GROUP BY subject.repository_id
    )
"""
UPDATE_OWN_GROWTH = """
    WITH subject AS (
        SELECT repository_id, account_id, stars, created_at, captured_at AS changed_at,
               CAST(:as_of AS timestamptz) AS as_of,
               EXISTS (SELECT FROM repository_import WHERE repository_id = repository.id) AS imported
          FROM repository_current JOIN repository ON repository.id = repository_id
         WHERE {chosen}
    ), {grown}
    UPDATE repository_current AS stored
       SET stars_1d = grown.stars_1d, stars_7d = grown.stars_7d, stars_30d = grown.stars_30d,
           stars_90d = grown.stars_90d, stars_365d = grown.stars_365d, growth_as_of = :as_of
      FROM grown WHERE grown.repository_id = stored.repository_id
"""
UPDATE_IMPORT_GROWTH = """
    WITH subject AS (
        SELECT repository_id, account_id, stars, created_at, CAST(NULL AS timestamptz) AS changed_at,
               last_at AS as_of, true AS imported
          FROM repository_import JOIN repository ON repository.id = repository_id
         WHERE source_id = :source AND {chosen}
    ), {grown}
    UPDATE repository_import AS stored
       SET stars_1d = grown.stars_1d, stars_7d = grown.stars_7d, stars_30d = grown.stars_30d,
           stars_90d = grown.stars_90d, stars_365d = grown.stars_365d
      FROM grown
     WHERE grown.repository_id = stored.repository_id AND stored.source_id = :source
       AND ROW(stored.stars_1d, stored.stars_7d, stored.stars_30d, stored.stars_90d, stored.stars_365d) IS DISTINCT FROM
           ROW(grown.stars_1d, grown.stars_7d, grown.stars_30d, grown.stars_90d, grown.stars_365d)
"""
# Our first capture of any of the accounts: none of our changes is older.
SELECT_FIRST_CAPTURE = """
    SELECT min(first.at)
      FROM (SELECT DISTINCT account_id FROM repository WHERE {chosen}) AS owner
     CROSS JOIN LATERAL (
           SELECT min(captured_at) AS at FROM capture WHERE account_id = owner.account_id AND source_id = 1) AS first
"""
SPAN_PARAMETERS = {
    "days": list(GROWTH_DAYS),
    "lengths": [timedelta(days=days) for days in GROWTH_DAYS],
    "tolerances": [TOLERANCE[days] for days in GROWTH_DAYS],
}


def update_growth(connection: Connection, repository_ids: Sequence[int] | None, as_of: datetime) -> None:
    """Update the growth of our own latest counts, of some repositories or of all (None)."""
    chosen, values = _repository_filter("repository_id", repository_ids)
    bounds = {"as_of": as_of, "oldest": as_of - MAX_LOOKBACK, "newest": as_of - timedelta(days=min(GROWTH_DAYS))}
    began = _first_capture_at(connection, repository_ids) or as_of
    statement = text(UPDATE_OWN_GROWTH.format(chosen=chosen, grown=GROWTH_CTE))
    connection.execute(statement, SPAN_PARAMETERS | bounds | values | {"began": began})


def update_import_growth(connection: Connection, source_id: int, repository_ids: Sequence[int] | None = None) -> None:
    """Update the growth of an imported source's latest counts, as of the day of those counts."""
    chosen, values = _repository_filter("repository_id", repository_ids)
    first, last = connection.execute(
        text(f"SELECT min(last_at), max(last_at) FROM repository_import WHERE source_id = :source AND {chosen}"),  # noqa: S608
        values | {"source": source_id},
    ).one()
    if first is None:
        return
    bounds = {
        "oldest": first - MAX_LOOKBACK,
        "newest": last,
        "began": _first_capture_at(connection, repository_ids) or last,
    }
    statement = text(UPDATE_IMPORT_GROWTH.format(chosen=chosen, grown=GROWTH_CTE))
    connection.execute(statement, SPAN_PARAMETERS | bounds | values | {"source": source_id})


def _first_capture_at(connection: Connection, repository_ids: Sequence[int] | None) -> datetime | None:
    chosen, values = _repository_filter("id", repository_ids)
    began: datetime | None = connection.scalar(text(SELECT_FIRST_CAPTURE.format(chosen=chosen)), values)
    return began


def _repository_filter(column: str, repository_ids: Sequence[int] | None) -> tuple[str, dict[str, object]]:
    """Return the SQL condition for these repositories, and its values."""
    if repository_ids is None:
        return "true", {}
    return f"{column} = ANY(CAST(:ids AS bigint[]))", {"ids": list(repository_ids)}
