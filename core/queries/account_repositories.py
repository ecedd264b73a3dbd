"""The repositories of one account, with their stars over the last year."""

import json
from datetime import datetime

from pandas import DataFrame

from core.db.frames import read_frame
from core.queries.accounts import FOUR_WEEKS
from core.queries.as_of import as_of_or_end_of_today
from core.queries.attributes import owned_repository_ids, repository_attributes
from core.queries.captures import IMPORT_MAX_GAP, OWN_MAX_GAP, PRESENCE_EXISTS
from core.queries.growth import growth_values
from core.queries.repository_base import SELECTED_AS_OF_CTES, until_values

CURRENT_COUNTS_CTE = """latest AS (
            SELECT repository_id, stars, forks, stars_30d, checked_at, source_id
              FROM repository_latest
             WHERE repository_id = ANY(CAST(:ids AS bigint[]))
        )"""
COUNTS_AS_OF_CTES = f"""{SELECTED_AS_OF_CTES}, latest AS (
            SELECT repository_id, stars, forks, stars_30d, until_at AS checked_at, source_id
              FROM subject
              LEFT JOIN grown USING (repository_id)
        )"""  # noqa: S608

# The stars at 14 moments four weeks apart, each as the start of growth: of the newest capture, unless in a gap.
STAR_TRENDS_CTES = f"""point AS (
            SELECT steps_ago, CAST(:until AS timestamptz) - steps_ago * CAST(:step AS interval) AS at
              FROM generate_series(0, 13) AS steps_ago
        ), account_point AS (
            SELECT steps_ago, at, CASE WHEN captured_at >= at - max_gap THEN captured_at END AS own_at
              FROM point
              LEFT JOIN LATERAL (
                   SELECT captured_at, {OWN_MAX_GAP} AS max_gap FROM capture
                    WHERE capture.account_id = :account_id AND source_id = 1 AND captured_at <= at
                    ORDER BY captured_at DESC LIMIT 1) AS own ON true
        ), own_step AS (
            SELECT repository_id, (array_agg(snapshot.stars ORDER BY captured_at DESC))[1] AS stars,
                   floor(extract(epoch FROM CAST(:until AS timestamptz) - captured_at)
                         / extract(epoch FROM CAST(:step AS interval)))::int AS steps_ago
              FROM latest
              JOIN repository_snapshot AS snapshot USING (repository_id)
             WHERE snapshot.source_id = 1
               AND captured_at > CAST(:until AS timestamptz) - 13 * CAST(:step AS interval) AND captured_at <= :until
             GROUP BY 1, 3
             UNION ALL
            SELECT latest.repository_id, base.stars, 13
              FROM latest
             CROSS JOIN LATERAL (
                   SELECT stars FROM repository_snapshot
                    WHERE repository_id = latest.repository_id AND source_id = 1
                      AND captured_at <= CAST(:until AS timestamptz) - 13 * CAST(:step AS interval)
                      AND captured_at >= :began
                    ORDER BY captured_at DESC LIMIT 1) AS base
        ), own_grid AS (
            SELECT repository_id, steps_ago, own_step.stars,
                   count(own_step.stars) OVER (PARTITION BY repository_id ORDER BY steps_ago DESC) AS value_group
              FROM latest
             CROSS JOIN point
              LEFT JOIN own_step USING (repository_id, steps_ago)
        ), own AS (
            SELECT repository_id, steps_ago, first_value(stars) OVER (
                       PARTITION BY repository_id, value_group ORDER BY steps_ago DESC) AS stars
              FROM own_grid
        ), imported AS (
            SELECT DISTINCT ON (repository_id, steps_ago) repository_id, steps_ago, captured_at, snapshot.stars
              FROM latest
              JOIN repository_snapshot AS snapshot USING (repository_id)
              JOIN source ON source.id = snapshot.source_id
              JOIN point ON at >= captured_at AND at <= captured_at + {IMPORT_MAX_GAP}
             WHERE snapshot.source_id <> 1 AND captured_at <= :until
               AND captured_at >= CAST(:until AS timestamptz) - 13 * CAST(:step AS interval)
                                  - (SELECT max({IMPORT_MAX_GAP}) FROM source)
             ORDER BY repository_id, steps_ago, captured_at DESC, snapshot.source_id DESC
        ), trends AS (
            SELECT repository_id, json_agg(CASE
                       WHEN own_capture.at IS NULL OR own_capture.at < imported.captured_at THEN imported.stars
                       ELSE coalesce(own.stars, imported.stars) END ORDER BY steps_ago DESC)::text AS star_trend
              FROM own
              JOIN repository ON repository.id = repository_id
              JOIN account_point USING (steps_ago)
             CROSS JOIN LATERAL (
                   SELECT CASE WHEN {PRESENCE_EXISTS} THEN (
                              SELECT CASE WHEN captured_at >= account_point.at - max_gap THEN captured_at END
                                FROM (SELECT capture.captured_at, {OWN_MAX_GAP} AS max_gap
                                        FROM repository_presence AS presence
                                        JOIN capture ON capture.account_id = presence.account_id
                                         AND capture.source_id = 1 AND capture.captured_at >= presence.from_at
                                         AND capture.captured_at < presence.to_at
                                       WHERE presence.repository_id = repository.id
                                         AND capture.captured_at <= account_point.at
                                       ORDER BY capture.captured_at DESC LIMIT 1) AS newest)
                          ELSE own_at END AS at) AS own_capture
              LEFT JOIN imported USING (repository_id, steps_ago)
             GROUP BY repository_id
        )"""  # noqa: S608


def list_repositories(account_id: int, as_of: datetime | None) -> DataFrame:
    """List the account's repositories: one row each, most stars first.

    full_name, description, language  text, as they were then; null where unknown, as the flags are
    stars, forks                      int
    stars_30d                         growth up to checked_at; null where unknown
    star_trend                        list of stars every four weeks of the last year, oldest first, of any source; None
                                      in a gap and before the first capture
    pushed_at, checked_at             timestamps: last push, last capture
    is_fork, is_archived, is_gone     boolean
    source                            name of the source of these counts
    """
    sql = f"""
        WITH {repository_attributes(as_of)}, {CURRENT_COUNTS_CTE if as_of is None else COUNTS_AS_OF_CTES},
        {STAR_TRENDS_CTES}
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
        account_id=account_id,
        ids=owned_repository_ids(account_id, as_of),
        as_of=as_of,
        step=FOUR_WEEKS,
        **until_values(as_of_or_end_of_today(as_of)),
        **growth_values((7, 30)),
    )
    return frame.assign(star_trend=frame["star_trend"].astype(object).map(json.loads, na_action="ignore"))


def since_last_gap(star_trend: list[int | None]) -> list[int]:
    """Return the values after the last None: a table's sparkline cannot draw a gap."""
    start = max((index + 1 for index, stars in enumerate(star_trend) if stars is None), default=0)
    return [stars for stars in star_trend[start:] if stars is not None]
