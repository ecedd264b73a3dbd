"""Repositories ranked by stars gained or lost in a number of days."""

from datetime import datetime, timedelta

from pandas import DataFrame

from core.db.frames import read_frame
from core.queries.overview import CURRENT_GROWTH_CTE, GROWTH_AS_OF_CTES, MAX_GROWTH_LAG, growth_reference_at

STORED_GROWTH_DAYS = (7, 30, 90, 365)
"""Growth over these days is stored with each repository; over others it is read from snapshots."""
MAX_ROWS = 10_000


def movers(as_of: datetime | None, days: int, language: str = "", limit: int = MAX_ROWS) -> DataFrame:
    """List repositories by stars gained in the *days* before the newest capture, most first.

    id, full_name, owner, description, language   id is GitHub's; null for an imported repository without one
    stars, growth                                 int, at until_at; gained in the days before
    share                                         float, growth relative to the stars before
    until_at                                      timestamp of the capture, within a week of the newest of all
    source                                        name of the source of these counts
    """
    at = growth_reference_at(as_of)
    sql = f"""
        WITH {CURRENT_GROWTH_CTE if as_of is None and days in STORED_GROWTH_DAYS else GROWTH_AS_OF_CTES}
        SELECT github_id AS id, full_name, split_part(full_name, '/', 1) AS owner, description,
               present_language(primary_language) AS language, grown.stars, growth,
               growth::float / nullif(grown.stars - growth, 0) AS share, until_at,
               CASE source_id WHEN 1 THEN 'GitHub' ELSE source.name END AS source
          FROM grown
          JOIN repository ON repository.id = repository_id
          JOIN source ON source.id = source_id
         WHERE growth IS NOT NULL AND (gone_at IS NULL OR gone_at > :reference)
           AND (:language = '' OR present_language(primary_language) = :language)
         ORDER BY growth DESC, full_name
         LIMIT :limit
    """  # noqa: S608
    since = None if at is None else at - timedelta(days=days)
    return read_frame(sql, days=days, reference=at, since=since, max_lag=MAX_GROWTH_LAG, language=language, limit=limit)
