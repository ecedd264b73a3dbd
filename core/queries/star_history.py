"""A repository's stars and forks over time, when it was captured, and the gaps in between."""

from datetime import datetime, timedelta

from pandas import DataFrame

from core.db.frames import first_record, read_frame
from core.queries.accounts import LatestCapture
from core.queries.as_of import as_of_or_end_of_today
from core.queries.captures import AFTER_UNTIL, CAPTURES_OF_SPAN, IMPORT_MAX_GAP
from core.queries.repository_facts import UNREAD_STAR_DAYS

BY_DAY_SOURCE_ID, BY_DAY_SOURCE = 0, "GitHub, by day of giving"
# Every capture of one repository by `:until`, and how long the next one may take without a gap.
CAPTURES_CTES = f"""first AS (
            SELECT min(captured_at) AS at FROM repository_snapshot
             WHERE repository_id = :repository_id AND source_id = 1
        ), span AS MATERIALIZED (
            SELECT account_id, from_at, least(to_at, {AFTER_UNTIL}) AS to_at
              FROM repository_presence WHERE repository_id = :repository_id
        ), captures AS (
            SELECT 1 AS source_id, captured_at, run_id, max_gap AS own_max_gap
              FROM span
             CROSS JOIN LATERAL ({CAPTURES_OF_SPAN}) AS own
             WHERE captured_at >= (SELECT at FROM first)
             UNION
            SELECT source_id, captured_at, run_id, NULL FROM capture_open
             WHERE repository_id = :repository_id AND captured_at <= :until
        ), with_max_gap AS (
            SELECT captures.*, CASE source_id WHEN 1 THEN 'GitHub' ELSE source.name END AS source,
                   CASE source_id WHEN 1 THEN own_max_gap ELSE {IMPORT_MAX_GAP} END AS max_gap,
                   lead(captured_at) OVER (PARTITION BY source_id ORDER BY captured_at) AS next_at
              FROM captures
              JOIN source ON source.id = source_id
        )"""  # noqa: S608


def star_series(repository_id: int, as_of: datetime | None) -> DataFrame:
    """Return the repository's stars and forks: one row per snapshot, oldest first.

    captured_at        timestamp
    stars, forks       int; forks null where an imported source has none
    source_id, source  1 and GitHub for this installation, stored only when changed; imports have a row per capture
    """
    sql = """
        SELECT captured_at, stars, forks, source_id, CASE source_id WHEN 1 THEN 'GitHub' ELSE source.name END AS source
          FROM repository_snapshot
          JOIN source ON source.id = source_id
         WHERE repository_id = :repository_id AND captured_at <= :until AND stars IS NOT NULL
         ORDER BY captured_at, source_id
    """
    return read_frame(sql, repository_id=repository_id, until=as_of_or_end_of_today(as_of))


def stars_before_captures(repository_id: int, as_of: datetime | None) -> DataFrame:
    """Return the stars at the end of each day before our first capture, as `star_series` has them, oldest first.

    From the first star on, added up by day of giving: stars that were withdrawn before that was read are not in it.
    Empty where the days back to the first star have not all been read by then.
    """
    sql = f"""
        WITH unread AS ({UNREAD_STAR_DAYS}
        ), first AS (
            SELECT coalesce(min(captured_at), :until) AS at FROM repository_snapshot
             WHERE repository_id = :repository_id AND source_id = 1 AND captured_at <= :until
        ), newest AS (
            SELECT DISTINCT ON (day) day, stars FROM star_day
             WHERE repository_id = :repository_id AND captured_at <= :until AND NOT EXISTS (SELECT FROM unread)
             ORDER BY day, captured_at DESC
        ), added AS (
            SELECT (day + 1)::timestamp AT TIME ZONE 'America/Los_Angeles' AS captured_at,
                   (sum(stars) OVER (ORDER BY day))::bigint AS stars
              FROM newest
        )
        SELECT added.captured_at, added.stars, CAST(NULL AS bigint) AS forks, CAST(:source_id AS int) AS source_id,
               CAST(:source AS text) AS source
          FROM added CROSS JOIN first
         WHERE added.captured_at < first.at
         ORDER BY added.captured_at
    """  # noqa: S608
    return read_frame(
        sql,
        repository_id=repository_id,
        until=as_of_or_end_of_today(as_of),
        source_id=BY_DAY_SOURCE_ID,
        source=BY_DAY_SOURCE,
    )


def coverage_gaps(repository_id: int, as_of: datetime | None) -> DataFrame:
    """Return times without a capture longer than twice the cadence of then: one row per gap, oldest first.

    source           name of the source
    from_at, to_at   captures before and after; to_at is null while the gap lasts
    """
    sql = f"""
        WITH {CAPTURES_CTES}
        SELECT source, captured_at AS from_at, next_at AS to_at
          FROM with_max_gap
         WHERE coalesce(next_at, :until) - captured_at > max_gap
         ORDER BY from_at, source_id
    """  # noqa: S608
    return _read_captures(sql, repository_id, as_of)


def coverage_intervals(repository_id: int, as_of: datetime | None) -> DataFrame:
    """Return when the repository was captured: one row per run of captures without a gap, oldest first.

    source_id, source  1 is this installation, others are imports
    from_at, to_at     first and last capture of the run
    overdue_at         when the next capture was overdue: twice the cadence of then after the last
    captures           number of captures
    """
    sql = f"""
        WITH {CAPTURES_CTES}, paired AS (
            SELECT *, captured_at - lag(captured_at) OVER in_order <= lag(max_gap) OVER in_order AS follows
              FROM with_max_gap
            WINDOW in_order AS (PARTITION BY source_id ORDER BY captured_at)
        ), numbered AS (
            SELECT *, count(*) FILTER (WHERE follows IS NOT TRUE) OVER (
                          PARTITION BY source_id ORDER BY captured_at) AS interval_number
              FROM paired
        )
        SELECT source_id, min(source) AS source, min(captured_at) AS from_at, max(captured_at) AS to_at,
               (array_agg(captured_at + max_gap ORDER BY captured_at DESC))[1] AS overdue_at, count(*) AS captures
          FROM numbered
         GROUP BY source_id, interval_number
         ORDER BY from_at, source_id
    """  # noqa: S608
    return _read_captures(sql, repository_id, as_of)


def latest_capture(repository_id: int, as_of: datetime | None) -> LatestCapture | None:
    """Return the newest capture of the repository; None before the first."""
    sql = f"""
        WITH {CAPTURES_CTES}
        SELECT captured_at, source, run_id FROM with_max_gap ORDER BY captured_at DESC, source_id LIMIT 1
    """  # noqa: S608
    return first_record(_read_captures(sql, repository_id, as_of), LatestCapture)


def extra_series(repository_id: int, as_of: datetime | None) -> DataFrame:
    """Return watchers and open issues: one row per value that differed from the one before, oldest first.

    captured_at        timestamp
    watchers, open_issues, open_change_requests, open_issues_and_change_requests
                       int, null where not reported; open_issues without change requests
    source_id, source  1 and GitHub for this installation

    These are asked for on a cadence of their own and an unchanged answer leaves no row: between two rows the number
    was either unchanged or not asked for.
    """
    sql = """
        SELECT captured_at, watchers, open_issues, open_change_requests, open_issues_and_change_requests, source_id,
               CASE source_id WHEN 1 THEN 'GitHub' ELSE source.name END AS source
          FROM repository_extra_snapshot
          JOIN source ON source.id = source_id
         WHERE repository_id = :repository_id AND captured_at <= :until
         ORDER BY captured_at, source_id
    """
    return read_frame(sql, repository_id=repository_id, until=as_of_or_end_of_today(as_of))


def reported_before(extras: DataFrame, column: str, at: datetime, max_age: timedelta) -> int | None:
    """Return our own newest value of *column* in `extra_series` by *at*; None where it is older than *max_age*.

    Of an older row nobody can tell whether it still held: an unchanged value leaves no row.
    """
    known = extras[extras["source_id"] == 1].dropna(subset=[column])
    recent = known[(known["captured_at"] <= at) & (known["captured_at"] >= at - max_age)]
    return None if recent.empty else int(recent[column].iloc[-1])


def _read_captures(sql: str, repository_id: int, as_of: datetime | None) -> DataFrame:
    return read_frame(sql, repository_id=repository_id, until=as_of_or_end_of_today(as_of))
