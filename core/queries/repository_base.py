"""Common table expressions with every stored repository and its counts, now or as of a timestamp.

Two expressions, for use behind `WITH`:

stored  one row per repository: repository_id, owner, full_name, description, license, topics, language, is_fork,
        is_archived, is_gone, created_at, pushed_at, stars, forks, size_kb, stars_7d, stars_30d, checked_at, source_id
extras  one row per repository whose watchers or issues were collected: repository_id, watchers, open_issues

As of a timestamp, attributes are those of that time, and null where they are unknown: see `core.queries.attributes`.
"""

from datetime import datetime
from typing import Any

from core.queries.attributes import REPOSITORIES_AS_OF

CURRENT_CTES = """
        stored AS (
            SELECT repository.id AS repository_id, split_part(full_name, '/', 1) AS owner, full_name, description,
                   license, topics, present_language(primary_language) AS language, is_fork, is_archived,
                   gone_at IS NOT NULL AS is_gone, created_at, pushed_at, stars, forks, size_kb,
                   stars_7d, stars_30d, checked_at, source_id
              FROM repository
              JOIN repository_latest AS latest ON latest.repository_id = repository.id
        ), extras AS (
            SELECT repository_id, watchers, open_issues FROM repository_latest
        )"""

# The newest row of each repository is the greatest array of: whether it is our own capture (preferred over imports),
# its time in microseconds, then its values. That is one pass over the snapshots; a join by time would search every
# partition for every repository.
AS_OF_CTES = f"""
        newest AS (
            SELECT repository_id,
                   max(ARRAY[(source_id = 1)::int, (date_part('epoch', captured_at) * 1e6)::bigint,
                             source_id, stars, forks, size_kb]) AS newest_row
              FROM repository_snapshot WHERE captured_at <= :as_of
             GROUP BY repository_id
        ), account_capture AS (
            SELECT account_id, max(captured_at) AS captured_at
              FROM capture WHERE source_id = 1 AND account_id IS NOT NULL AND captured_at <= :as_of
             GROUP BY account_id
        ), captured AS (
            SELECT newest.repository_id, newest_row, newest_row[3]::smallint AS source_id,
                   greatest(timestamptz 'epoch' + newest_row[2] * interval '1 microsecond',
                            CASE newest_row[3] WHEN 1 THEN account_capture.captured_at END) AS checked_at
              FROM newest
              JOIN repository ON repository.id = newest.repository_id
              LEFT JOIN account_capture USING (account_id)
        ), earlier AS (
            SELECT repository_id,
                   max(ARRAY[(date_part('epoch', captured_at) * 1e6)::bigint, stars]) AS week,
                   max(ARRAY[(date_part('epoch', captured_at) * 1e6)::bigint, stars])
                       FILTER (WHERE captured_at <= checked_at - interval '30 days') AS month
              FROM captured
              JOIN repository_snapshot USING (repository_id, source_id)
             WHERE captured_at <= checked_at - interval '7 days'
               AND captured_at <= CAST(:as_of AS timestamptz) - interval '7 days'
             GROUP BY repository_id
        ), {REPOSITORIES_AS_OF}, stored AS (
            SELECT captured.repository_id, split_part(full_name, '/', 1) AS owner, full_name, description, license,
                   topics, present_language(primary_language) AS language, is_fork, is_archived, is_gone,
                   created_at, pushed_at,
                   newest_row[4]::int AS stars, newest_row[5]::int AS forks, newest_row[6]::int AS size_kb,
                   (newest_row[4] - week[2])::int AS stars_7d, (newest_row[4] - month[2])::int AS stars_30d,
                   checked_at, source_id
              FROM captured
              JOIN attributes ON attributes.repository_id = captured.repository_id
              LEFT JOIN earlier ON earlier.repository_id = captured.repository_id
        ), extra AS (
            SELECT repository_id,
                   max(ARRAY[(source_id = 1)::int, (date_part('epoch', captured_at) * 1e6)::bigint,
                             watchers, open_issues]) AS newest_row
              FROM repository_extra_snapshot WHERE captured_at <= :as_of
             GROUP BY repository_id
        ), extras AS (
            SELECT repository_id, newest_row[3]::int AS watchers, newest_row[4]::int AS open_issues FROM extra
        )"""  # noqa: S608


def repository_ctes(as_of: datetime | None) -> str:
    """Return the expressions to select from; with a timestamp they need the values of `as_of_values`."""
    return CURRENT_CTES if as_of is None else AS_OF_CTES


def as_of_values(as_of: datetime | None) -> dict[str, Any]:
    """Return the bound values that `repository_ctes` needs."""
    return {} if as_of is None else {"as_of": as_of}
