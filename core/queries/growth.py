"""Stars gained over a number of days: one definition for pages, API, exports, the scene, alerts and stored columns.

A repository's growth ends at its last capture (`until_at`) and starts that many days before.
- Its stars at the end are those of our last capture, or else of the newest import's.
- Its stars at the start are those of the newest capture at or before the start, whichever source captured it; ours
  counts where two are as new. A capture counts if there was no gap at the start (`core.queries.captures`) and it is not
  older than the period is long: seven days of growth do not hide three weeks.
- Before GitHub created the repository it had no stars.
- Without such a capture the growth is unknown: null.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from core.db.partitions import first_of_month
from core.queries.captures import IMPORT_MAX_GAP, LAST_PRESENT_CAPTURE_AT_START, OWN_MAX_GAP, PRESENCE_EXISTS
from core.queries.past_counts import (
    OWN_STARS,
    OWN_STARS_AT_START_CTES,
    OWN_STARS_AT_START_OF_MANY_CTES,
    closed_month,
    month_of,
    month_value,
)

DEFINITION = (
    "**Gained**: stars at a repository's last refresh, minus its stars that many days before. A repository that did "
    "not exist then had none. The earlier number counts only if a refresh confirms it: at most twice the refresh "
    "interval of that time before the start (at least a day; for imported history, the source's own), and "
    "never longer than the period itself. Otherwise growth is unknown, and the repository is left out of rankings."
)

# The CTE `subject` of GROWTH_CTES, with the latest counts; a condition can follow.
LATEST_SUBJECT = f"""
            SELECT latest.repository_id, latest.account_id, repository.created_at, latest.stars,
                   latest.checked_at AS until_at, CASE source_id WHEN 1 THEN latest.captured_at END AS changed_at,
                   {PRESENCE_EXISTS} AS is_special,
                   EXISTS (SELECT FROM repository_import WHERE repository_id = repository.id) AS is_imported
              FROM repository_latest AS latest
              JOIN repository ON repository.id = latest.repository_id"""  # noqa: S608
# Needs a CTE `subject` of repositories and their last counts, MATERIALIZED:
#   repository_id, account_id, created_at, stars
#   until_at     the last capture: where growth ends
#   changed_at   when `stars` were first captured, if by us; else null
#   is_special   whether its captures may differ from its account's, see `captures.PRESENCE_EXISTS`
#   is_imported  whether any source imported history of it
# What lies in tables of repositories is joined, never read by a LATERAL with LIMIT: Citus refuses that.
# FULL JOIN makes Postgres join by hash, however few rows it expects.
_GROWTH_CTES = f"""
        span AS (
            SELECT days, make_interval(days => days) AS length FROM unnest(CAST(:days AS int[])) AS days
        ), account_start AS MATERIALIZED (
            SELECT ended.account_id, until_at, days, length, until_at - length AS start_at,
                   {closed_month("until_at - length")} AS start_month,
                   CASE WHEN captured_at >= until_at - length - least(max_gap, length) THEN captured_at END AS own_at
              FROM (SELECT DISTINCT account_id, until_at FROM subject) AS ended
             CROSS JOIN span
             CROSS JOIN (SELECT last_month FROM source WHERE id = 1) AS source
              LEFT JOIN LATERAL (
                   SELECT captured_at, {OWN_MAX_GAP} AS max_gap FROM capture
                    WHERE capture.account_id = ended.account_id AND source_id = 1 AND captured_at <= until_at - length
                    ORDER BY captured_at DESC LIMIT 1) AS own ON true
        ), start AS MATERIALIZED (
            -- Each has its counterpart.
            SELECT repository_id, days, length, start_at, start_month, own_at, created_at, stars, changed_at,
                   is_special, is_imported,
                   coalesce(created_at <= start_at, true) AND coalesce(changed_at > start_at, true) AS may_differ
              FROM subject
              FULL JOIN account_start USING (account_id, until_at)
        ), presence AS MATERIALIZED (
            SELECT repository_id, account_id, from_at, to_at
              FROM repository_presence
             WHERE repository_id = ANY(ARRAY(SELECT repository_id FROM subject WHERE is_special))
        ), special AS MATERIALIZED (
            SELECT DISTINCT ON (repository_id, days) repository_id, days,
                   CASE WHEN captured_at >= start_at - least(max_gap, length) THEN captured_at END AS special_at
              FROM start
              JOIN presence USING (repository_id)
             CROSS JOIN LATERAL ({LAST_PRESENT_CAPTURE_AT_START}) AS last
             WHERE is_special
             ORDER BY repository_id, days, captured_at DESC
        ), {{own_stars}}, imported_start AS MATERIALIZED (
            SELECT DISTINCT ON (repository_id, days) repository_id, days, captured_at AS imported_at,
                   stars AS imported_stars
              FROM (SELECT repository_id, days, start_at, length, {IMPORT_MAX_GAP} AS max_gap, source_id,
                           {month_value("captured_at", "width_bucket(start_at, month.captured_at)")} AS captured_at,
                           {month_value("stars", "width_bucket(start_at, month.captured_at)")} AS stars
                      FROM start
                     CROSS JOIN source
                      JOIN repository_month AS month USING (repository_id)
                     WHERE is_imported AND source.id <> 1 AND source_id = source.id
                       AND month.month = {closed_month("start_at")}
                     UNION ALL
                    SELECT repository_id, days, start_at, length, {IMPORT_MAX_GAP}, source_id, last_at,
                           repository_import.stars
                      FROM start
                      JOIN repository_import USING (repository_id)
                      JOIN source ON source.id = source_id
                     WHERE is_imported AND {month_of("last_at")} < {closed_month("start_at")}
                     UNION ALL
                    SELECT repository_id, days, start_at, length, {IMPORT_MAX_GAP}, source_id, captured_at,
                           snapshot.stars
                      FROM start
                      JOIN repository_snapshot_open AS snapshot USING (repository_id)
                      JOIN source ON source.id = source_id
                     WHERE is_imported AND source_id <> 1 AND captured_at <= start_at) AS imported
             WHERE captured_at >= start_at - length AND captured_at >= start_at - max_gap
             ORDER BY repository_id, days, captured_at DESC, source_id DESC
        ), growth AS (
            SELECT repository_id, days, stars - CASE
                       WHEN created_at > start_at THEN 0
                       WHEN own.at IS NULL OR own.at < imported_at THEN imported_stars
                       WHEN changed_at <= start_at THEN stars
                       ELSE coalesce({OWN_STARS}, imported_stars) END AS growth
              FROM start
              FULL JOIN special USING (repository_id, days)
              FULL JOIN own_open USING (repository_id, days)
              FULL JOIN own_closed USING (repository_id, days)
              FULL JOIN imported_start USING (repository_id, days)
             CROSS JOIN LATERAL (SELECT CASE WHEN is_special THEN special_at ELSE own_at END AS at) AS own
        )"""  # noqa: S608


GROWTH_CTES = _GROWTH_CTES.format(own_stars=OWN_STARS_AT_START_CTES)
"""For few repositories: each start is read by index."""
GROWTH_OF_ALL_CTES = _GROWTH_CTES.format(own_stars=OWN_STARS_AT_START_OF_MANY_CTES)
"""For many: the starts of most of them are in the same months, `:main_months`, which are joined at once."""


def main_month_values(days: Sequence[int], until: datetime) -> dict[str, Any]:
    """Return the further value of GROWTH_OF_ALL_CTES: where repositories captured in the week before *until* start."""
    starts = [until.astimezone(UTC) - timedelta(days=ago + lag) for ago in days for lag in (0, 7)]
    return {"main_months": sorted({first_of_month(at.date()) for at in starts})}


def growth_values(days: Sequence[int]) -> dict[str, Any]:
    """Return the bound values that GROWTH_CTES needs, besides `began`: a time before all our captures of the subjects
    that are not closed.

    One row per repository and entry of *days*.
    """
    return {"days": list(days)}
