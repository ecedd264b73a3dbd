"""Common table expressions with every stored repository and its counts, now or as of a timestamp.

Two expressions, for use behind `WITH`:

stored  one row per repository: repository_id, account_id, owner, full_name, description, license, topics, language,
        is_fork, is_archived, is_gone, created_at, pushed_at, stars, forks, size_kb, stars_7d, stars_30d, checked_at,
        source_id
extras  one row per repository whose watchers or issues were collected: repository_id, watchers, open_issues

As of a timestamp, attributes are those of that time, and null where they are unknown: see `core.queries.attributes`.
"""

from datetime import datetime
from typing import Any

from core.queries.attributes import REPOSITORIES_AS_OF
from core.queries.captures import LAST_OWN_CAPTURE, PRESENCE_EXISTS, first_own_capture_at
from core.queries.growth import GROWTH_CTES, growth_values

CURRENT_CTES = """
        stored AS (
            SELECT repository_id, account_id, owner, full_name, description, license, topics, language, is_fork,
                   is_archived, is_gone, created_at, pushed_at, stars, forks, size_kb, stars_7d, stars_30d, checked_at,
                   source_id
              FROM repository_latest
        ), extras AS (
            SELECT repository_id, watchers, open_issues FROM repository_latest
        )"""

GROWN_CTE = """grown AS (
            SELECT repository_id, max(growth) FILTER (WHERE days = 7) AS stars_7d,
                   max(growth) FILTER (WHERE days = 30) AS stars_30d
              FROM growth GROUP BY repository_id
        )"""

# For few repositories: their counts by `:until` and their growth. Our own counts come before imported ones.
SELECTED_AS_OF_CTES = f"""subject AS (
            SELECT repository.id AS repository_id, account_id, created_at, newest.source_id, newest.stars, newest.forks,
                   newest.size_kb, newest.captured_at,
                   CASE newest.source_id WHEN 1 THEN newest.captured_at END AS changed_at,
                   greatest(newest.captured_at, CASE newest.source_id WHEN 1 THEN {LAST_OWN_CAPTURE} END) AS until_at,
                   {PRESENCE_EXISTS} AS is_special,
                   EXISTS (SELECT FROM repository_import WHERE repository_id = repository.id) AS is_imported
              FROM repository
             CROSS JOIN LATERAL (
                   (SELECT * FROM repository_snapshot
                     WHERE repository_id = repository.id AND source_id = 1 AND captured_at <= :until
                       AND captured_at >= :began
                     ORDER BY captured_at DESC LIMIT 1)
                    UNION ALL
                   (SELECT * FROM repository_snapshot
                     WHERE repository_id = repository.id AND source_id <> 1 AND captured_at <= :until
                     ORDER BY captured_at DESC, source_id DESC LIMIT 1)
                    ORDER BY source_id LIMIT 1) AS newest
             WHERE repository.id = ANY(CAST(:ids AS bigint[]))
        ), {GROWTH_CTES}, {GROWN_CTE}"""  # noqa: S608

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
        ), subject AS (
            SELECT repository_id, account_id, created_at, newest_row[3]::smallint AS source_id,
                   newest_row[4]::int AS stars, newest_row[5]::int AS forks, newest_row[6]::int AS size_kb,
                   CASE newest_row[3] WHEN 1 THEN row_at END AS changed_at,
                   greatest(row_at, CASE newest_row[3] WHEN 1 THEN {LAST_OWN_CAPTURE} END) AS until_at,
                   {PRESENCE_EXISTS} AS is_special,
                   EXISTS (SELECT FROM repository_import WHERE repository_id = repository.id) AS is_imported
              FROM newest
              JOIN repository ON repository.id = repository_id
             CROSS JOIN LATERAL (
                   SELECT timestamptz 'epoch' + newest_row[2] * interval '1 microsecond' AS row_at) AS converted
        ), {GROWTH_CTES}, {GROWN_CTE}, {REPOSITORIES_AS_OF}, stored AS (
            SELECT subject.repository_id, attributes.account_id, split_part(full_name, '/', 1) AS owner, full_name,
                   description, license, topics, present_language(primary_language) AS language, is_fork, is_archived,
                   is_gone, attributes.created_at, pushed_at, stars, forks, size_kb, stars_7d, stars_30d,
                   until_at AS checked_at, source_id
              FROM subject
              JOIN attributes ON attributes.repository_id = subject.repository_id
              LEFT JOIN grown ON grown.repository_id = subject.repository_id
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
    return {} if as_of is None else {"as_of": as_of, **until_values(as_of), **growth_values((7, 30))}


def until_values(until: datetime) -> dict[str, Any]:
    """Return the times that bound captures by *until*."""
    return {"until": until, "began": first_own_capture_at()}
