"""A repository's stars over time and the gaps in its coverage."""

from datetime import datetime

from pandas import DataFrame

from core.db.frames import read_frame
from core.queries.as_of import as_of_or_end_of_today
from core.queries.captures import IMPORT_MAX_GAP, OWN_MAX_GAP


def star_series(repository_id: int, as_of: datetime | None) -> DataFrame:
    """Return the repository's stars: one row per snapshot, oldest first.

    captured_at  timestamp
    stars        int
    source       GitHub for this installation, stored only when changed; imports have a row per capture
    """
    sql = """
        SELECT captured_at, stars, CASE source_id WHEN 1 THEN 'GitHub' ELSE source.name END AS source
          FROM repository_snapshot
          JOIN source ON source.id = source_id
         WHERE repository_id = :repository_id AND captured_at <= :until AND stars IS NOT NULL
         ORDER BY captured_at, source_id
    """
    return read_frame(sql, repository_id=repository_id, until=as_of_or_end_of_today(as_of))


def coverage_gaps(repository_id: int, as_of: datetime | None) -> DataFrame:
    """Return times without a capture longer than twice the cadence of then: one row per gap, oldest first.

    source           name of the source
    from_at, to_at   captures before and after; to_at is null while the gap lasts
    """
    sql = f"""
        WITH first AS (
            SELECT min(captured_at) AS at FROM repository_snapshot
             WHERE repository_id = :repository_id AND source_id = 1
        ), captures AS (
            SELECT 1 AS source_id, captured_at, {OWN_MAX_GAP} AS own_max_gap
              FROM repository_presence AS presence
              JOIN capture ON capture.account_id = presence.account_id AND source_id = 1
               AND captured_at >= presence.from_at AND captured_at < presence.to_at
             WHERE presence.repository_id = :repository_id
               AND captured_at >= (SELECT at FROM first) AND captured_at <= :until
             UNION
            SELECT source_id, captured_at, NULL FROM capture
             WHERE repository_id = :repository_id AND captured_at <= :until
        ), with_max_gap AS (
            SELECT captures.*, source.name,
                   CASE source_id WHEN 1 THEN own_max_gap ELSE {IMPORT_MAX_GAP} END AS max_gap,
                   lead(captured_at) OVER (PARTITION BY source_id ORDER BY captured_at) AS next_at
              FROM captures
              JOIN source ON source.id = source_id
        )
        SELECT CASE source_id WHEN 1 THEN 'GitHub' ELSE name END AS source, captured_at AS from_at, next_at AS to_at
          FROM with_max_gap
         WHERE coalesce(next_at, :until) - captured_at > max_gap
         ORDER BY from_at, source_id
    """  # noqa: S608
    return read_frame(sql, repository_id=repository_id, until=as_of_or_end_of_today(as_of))
