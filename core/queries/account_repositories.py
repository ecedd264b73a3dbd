"""The repositories of one account, with their stars over the last year."""

import json
from datetime import datetime

from pandas import DataFrame

from core.db.frames import read_frame
from core.queries.accounts import FOUR_WEEKS
from core.queries.as_of import as_of_or_end_of_today
from core.queries.attributes import as_of_values, owned_repository_ids, repository_attributes

CURRENT_COUNTS_CTE = """latest AS (
            SELECT repository_id, stars, forks, stars_30d, checked_at, source_id
              FROM repository_latest
             WHERE repository_id = ANY(CAST(:ids AS bigint[]))
        )"""

# Our own newest snapshot by then; without one, the newest imported one.
COUNTS_AS_OF_CTE = """latest AS (
            SELECT id AS repository_id, coalesce(own.source_id, imported.source_id) AS source_id,
                   CASE WHEN own.source_id = 1 THEN own.stars ELSE imported.stars END AS stars,
                   CASE WHEN own.source_id = 1 THEN own.forks ELSE imported.forks END AS forks,
                   CASE WHEN own.source_id = 1 THEN own.stars ELSE imported.stars END - before.stars AS stars_30d,
                   coalesce(own.captured_at, imported.captured_at) AS checked_at
              FROM repository
              LEFT JOIN LATERAL (
                   SELECT source_id, captured_at, stars, forks FROM repository_snapshot
                    WHERE repository_id = repository.id AND source_id = 1 AND captured_at <= :until
                      AND EXISTS (SELECT FROM repository_current WHERE repository_id = repository.id)
                    ORDER BY captured_at DESC LIMIT 1) AS own ON true
              LEFT JOIN LATERAL (
                   SELECT source_id, captured_at, stars, forks FROM repository_snapshot
                    WHERE repository_id = repository.id AND source_id <> 1 AND captured_at <= :until
                      AND own.source_id IS NULL
                    ORDER BY captured_at DESC LIMIT 1) AS imported ON true
              LEFT JOIN LATERAL (
                   SELECT stars FROM repository_snapshot
                    WHERE repository_id = repository.id
                      AND source_id = coalesce(own.source_id, imported.source_id)
                      AND captured_at <= coalesce(own.captured_at, imported.captured_at) - interval '30 days'
                      AND captured_at > coalesce(own.captured_at, imported.captured_at) - interval '60 days'
                    ORDER BY captured_at DESC LIMIT 1) AS before ON true
             WHERE id = ANY(CAST(:ids AS bigint[])) AND coalesce(own.source_id, imported.source_id) IS NOT NULL
        )"""


def list_repositories(account_id: int, as_of: datetime | None) -> DataFrame:
    """List the account's repositories: one row each, most stars first.

    full_name, description, language  text, as they were then; null where unknown, as the flags are
    stars, forks                      int
    stars_30d                         growth up to checked_at; null without a snapshot 30 to 60 days earlier
    star_trend                            list of stars every four weeks of the last year, oldest first, of any source
    pushed_at, checked_at             timestamps: last push, last capture
    is_fork, is_archived, is_gone     boolean
    source                            name of the source of these counts
    """
    sql = f"""
        WITH {repository_attributes(as_of)}, {CURRENT_COUNTS_CTE if as_of is None else COUNTS_AS_OF_CTE},
        in_step AS (
            SELECT repository_id, (array_agg(snapshot.stars ORDER BY captured_at DESC))[1] AS stars,
                   floor(extract(epoch FROM CAST(:until AS timestamptz) - captured_at)
                         / extract(epoch FROM CAST(:step AS interval)))::int AS steps_ago
              FROM latest
              JOIN repository_snapshot AS snapshot USING (repository_id)
             WHERE captured_at > CAST(:until AS timestamptz) - 13 * CAST(:step AS interval) AND captured_at <= :until
             GROUP BY 1, 3
             UNION ALL
            SELECT latest.repository_id, base.stars, 13
              FROM latest
             CROSS JOIN LATERAL (
                   SELECT stars FROM repository_snapshot
                    WHERE repository_id = latest.repository_id
                      AND captured_at <= CAST(:until AS timestamptz) - 13 * CAST(:step AS interval)
                    ORDER BY captured_at DESC LIMIT 1) AS base
        ), grid AS (
            SELECT repository_id, steps_ago, in_step.stars,
                   count(in_step.stars) OVER (PARTITION BY repository_id ORDER BY steps_ago DESC) AS value_group
              FROM latest
             CROSS JOIN generate_series(0, 13) AS steps_ago
              LEFT JOIN in_step USING (repository_id, steps_ago)
        ), trends AS (
            SELECT repository_id, json_agg(stars ORDER BY steps_ago DESC)::text AS star_trend
              FROM (SELECT repository_id, steps_ago,
                           first_value(stars) OVER (
                               PARTITION BY repository_id, value_group ORDER BY steps_ago DESC) AS stars
                      FROM grid WHERE value_group > 0) AS carried
             GROUP BY repository_id
        )
        SELECT full_name, description, present_language(primary_language) AS language, latest.stars, stars_30d,
               star_trend, latest.forks, pushed_at, checked_at, is_fork, is_archived, is_gone,
               CASE source_id WHEN 1 THEN 'GitHub' ELSE source.name END AS source
          FROM latest
          JOIN attributes USING (repository_id)
          JOIN source ON source.id = source_id
          LEFT JOIN trends USING (repository_id)
         ORDER BY latest.stars DESC NULLS LAST, lower(full_name)
    """  # noqa: S608
    frame = read_frame(
        sql,
        ids=owned_repository_ids(account_id, as_of),
        until=as_of_or_end_of_today(as_of),
        step=FOUR_WEEKS,
        **as_of_values(as_of),
    )
    return frame.assign(star_trend=frame["star_trend"].astype(object).map(json.loads, na_action="ignore"))
