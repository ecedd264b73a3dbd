"""The repositories of one account, with their stars over the last year."""

import json
from datetime import datetime

from pandas import DataFrame

from core.db.frames import read_frame
from core.queries.accounts import FOUR_WEEKS
from core.queries.as_of import as_of_or_end_of_today
from core.queries.attributes import owned_repository_ids, repository_attributes
from core.queries.captures import IMPORT_MAX_GAP, LAST_CAPTURE_OF_ONE_AT, LAST_PRESENT_CAPTURE, PRESENCE_EXISTS
from core.queries.compared_counts import beside_counts_at
from core.queries.growth import growth_values
from core.queries.past_counts import OWN_STARS, OWN_STARS_AT_POINTS_CTES, closed_month, month_of
from core.queries.repository_base import SELECTED_AS_OF_CTES

IDS = "CAST(:ids AS bigint[])"
CURRENT_COUNTS_CTE = f"""latest AS MATERIALIZED (
            SELECT repository_id, stars, forks, stars_30d, checked_at, source_id
              FROM repository_latest
             WHERE repository_id = ANY({IDS})
        )"""  # noqa: S608
COUNTS_AS_OF_CTES = f"""{SELECTED_AS_OF_CTES}, latest AS MATERIALIZED (
            SELECT repository_id, stars, forks, stars_30d, checked_at, source_id
              FROM grown_counts
        )"""  # noqa: S608

TREND_POINTS = 14
# The stars at moments four weeks apart, each as the start of growth: of the newest capture, unless in a gap.
STAR_TRENDS_CTES = f"""point AS MATERIALIZED (
            SELECT steps_ago, at, {closed_month("at")} AS at_month
              FROM generate_series(0, {TREND_POINTS - 1}) AS steps_ago
             CROSS JOIN (SELECT last_month FROM source WHERE id = 1) AS source
             CROSS JOIN LATERAL (
                   SELECT CAST(:until AS timestamptz) - steps_ago * CAST(:step AS interval) AS at) AS moment
        ), account_point AS MATERIALIZED (
            SELECT steps_ago, CASE WHEN captured_at >= at - max_gap THEN captured_at END AS own_at
              FROM point
              LEFT JOIN LATERAL ({LAST_CAPTURE_OF_ONE_AT}) AS own ON true
        ), {OWN_STARS_AT_POINTS_CTES}, imported_repository AS MATERIALIZED (
            SELECT repository_id FROM repository_import WHERE repository_id = ANY({IDS})
        ), imported AS MATERIALIZED (
            SELECT DISTINCT ON (repository_id, steps_ago) repository_id, steps_ago, captured_at AS imported_at,
                   snapshot.stars AS imported_stars
              FROM repository_snapshot AS snapshot
              JOIN source ON source.id = snapshot.source_id
              JOIN point ON at >= captured_at AND at <= captured_at + {IMPORT_MAX_GAP}
             WHERE snapshot.source_id <> 1 AND captured_at <= :until
               AND snapshot.repository_id = ANY(ARRAY(SELECT repository_id FROM imported_repository))
               AND captured_at >= (SELECT min(at) - max({IMPORT_MAX_GAP}) FROM point CROSS JOIN source)
               AND snapshot.month >= (
                   SELECT {month_of(f"min(at) - max({IMPORT_MAX_GAP})")} FROM point CROSS JOIN source)
             ORDER BY repository_id, steps_ago, captured_at DESC, snapshot.source_id DESC
        ), kind AS MATERIALIZED (
            SELECT id AS repository_id, {PRESENCE_EXISTS} AS is_special FROM repository WHERE id = ANY({IDS})
        ), trend_presence AS MATERIALIZED (
            SELECT repository_id, account_id, from_at, to_at
              FROM repository_presence
             WHERE repository_id = ANY(ARRAY(SELECT repository_id FROM kind WHERE is_special))
        ), special_point AS MATERIALIZED (
            SELECT DISTINCT ON (repository_id, steps_ago) repository_id, steps_ago,
                   CASE WHEN captured_at >= at - max_gap THEN captured_at END AS special_at
              FROM trend_presence AS presence
             CROSS JOIN point
             CROSS JOIN LATERAL ({LAST_PRESENT_CAPTURE}) AS last
             ORDER BY repository_id, steps_ago, captured_at DESC
        ), value AS (
            -- Grouped, because most of these rows are of one kind: joined, each kind would cost as much as all rows.
            SELECT repository_id, steps_ago, max(open_at) AS open_at, max(open_stars) AS open_stars,
                   max(closed_at) AS closed_at, max(closed_stars) AS closed_stars, max(imported_at) AS imported_at,
                   max(imported_stars) AS imported_stars, max(special_at) AS special_at
              FROM (SELECT repository_id, steps_ago, NULL::timestamptz AS open_at, NULL::int AS open_stars, closed_at,
                           closed_stars, NULL::timestamptz AS imported_at, NULL::int AS imported_stars,
                           NULL::timestamptz AS special_at
                      FROM point_closed
                     UNION ALL
                    SELECT repository_id, steps_ago, open_at, open_stars, NULL, NULL, NULL, NULL, NULL FROM point_open
                     UNION ALL
                    SELECT repository_id, steps_ago, NULL, NULL, NULL, NULL, imported_at, imported_stars, NULL
                      FROM imported
                     UNION ALL
                    SELECT repository_id, steps_ago, NULL, NULL, NULL, NULL, NULL, NULL, special_at
                      FROM special_point) AS found
             GROUP BY repository_id, steps_ago
        ), trends AS (
            SELECT repository_id, json_object_agg(steps_ago, CASE
                       WHEN own_capture.at IS NULL OR own_capture.at < imported_at THEN imported_stars
                       ELSE coalesce({OWN_STARS}, imported_stars) END)::text AS star_trend
              FROM value
              JOIN kind USING (repository_id)
              JOIN account_point USING (steps_ago)
             CROSS JOIN LATERAL (SELECT CASE WHEN is_special THEN special_at ELSE own_at END AS at) AS own_capture
             GROUP BY repository_id
        ), listed AS MATERIALIZED (
            SELECT * FROM latest FULL JOIN trends USING (repository_id)
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
    return _read(account_id, as_of)


def compared_repositories(account_id: int, as_of: datetime | None, vs: datetime) -> DataFrame:
    """List the same repositories beside their counts at *vs*, those that changed most first.

    stars_vs, stars_difference, stars_percent, forks_vs, forks_difference, forks_percent   see `with_differences`
    """
    now = _read(account_id, as_of, "latest.repository_id, ")
    return beside_counts_at(now, owned_repository_ids(account_id, as_of), vs)


def _read(account_id: int, as_of: datetime | None, id_column: str = "") -> DataFrame:
    sql = f"""
        WITH {repository_attributes(as_of)}, {CURRENT_COUNTS_CTE if as_of is None else COUNTS_AS_OF_CTES},
        {STAR_TRENDS_CTES}
        SELECT {id_column}full_name, description, present_language(primary_language) AS language,
               latest.stars, stars_30d, star_trend, latest.forks, pushed_at, checked_at, is_fork, is_archived, is_gone,
               CASE source_id WHEN 1 THEN 'GitHub' ELSE source.name END AS source
          FROM listed AS latest
          JOIN attributes USING (repository_id)
          JOIN source ON source.id = source_id
         ORDER BY latest.stars DESC NULLS LAST, lower(full_name)
    """  # noqa: S608
    frame = read_frame(
        sql,
        account_id=account_id,
        ids=owned_repository_ids(account_id, as_of),
        as_of=as_of,
        step=FOUR_WEEKS,
        until=as_of_or_end_of_today(as_of),
        **growth_values((7, 30)),
    )
    return frame.assign(star_trend=frame["star_trend"].astype(object).map(_star_trend))


def _star_trend(stars_by_steps_ago: str | None) -> list[int | None]:
    stars = json.loads(stars_by_steps_ago) if isinstance(stars_by_steps_ago, str) else {}
    return [stars.get(str(steps_ago)) for steps_ago in reversed(range(TREND_POINTS))]


def since_last_gap(star_trend: list[int | None]) -> list[int]:
    """Return the values after the last None: a table's sparkline cannot draw a gap."""
    start = max((index + 1 for index, stars in enumerate(star_trend) if stars is None), default=0)
    return [stars for stars in star_trend[start:] if stars is not None]
