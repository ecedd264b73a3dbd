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
from typing import Any

from core.queries.captures import (
    IMPORT_MAX_GAP,
    LAST_CAPTURE_AT_START,
    LAST_PRESENT_CAPTURE_AT_START,
    presence,
)
from core.queries.past_counts import (
    OF_ID,
    OWN_STARS,
    closed_month,
    month_of,
    month_value,
    own_stars_at_start_ctes,
)

DEFINITION = (
    "**Gained**: stars at a repository's last refresh, minus its stars that many days before. A repository that did "
    "not exist then had none. The earlier number counts only if a refresh confirms it: at most twice the refresh "
    "interval of that time before the start (at least a day; for imported history, the source's own), and "
    "never longer than the period itself. Otherwise growth is unknown, and the repository is left out of rankings."
)

# Needs a CTE `subject` of repositories and their last counts, MATERIALIZED:
#   repository_id, account_id, created_at, stars
#   until_at     the last capture: where growth ends
#   changed_at   when `stars` were first captured, if by us; else null
#   is_special   whether its captures may differ from its account's, see `captures.PRESENCE_EXISTS`
#   is_imported  whether any source imported history of it
# What lies in tables of repositories is joined, never read by a LATERAL with LIMIT: Citus refuses that.
# FULL JOIN makes Postgres join by hash, however few rows it expects.
# Citus sends an expression to the nodes where it is joined with what lies there, also on every node, as `source` does:
# of many rows only what is needed, in an expression of its own.
_GROWTH_CTES = f"""
        span AS (
            SELECT days, make_interval(days => days) AS length FROM unnest(CAST(:days AS int[])) AS days
        ), ended AS MATERIALIZED (
            SELECT DISTINCT account_id, until_at FROM subject
        ), account_start AS MATERIALIZED (
            SELECT ended.account_id, until_at, days, length, until_at - length AS start_at,
                   {closed_month("until_at - length")} AS start_month,
                   coalesce(until_at - length < closed_until, false) AS is_closed,
                   CASE WHEN captured_at >= until_at - length - least(max_gap, length) THEN captured_at END AS own_at
              FROM ended
             CROSS JOIN span
             CROSS JOIN (SELECT last_month, closed_until FROM source WHERE id = 1) AS source
              LEFT JOIN LATERAL ({LAST_CAPTURE_AT_START}) AS own ON true
        ), {{start}}, special_id AS MATERIALIZED (
            SELECT repository_id FROM subject WHERE is_special
        ), presence AS MATERIALIZED (
            SELECT repository_id, account_id, from_at, to_at
              FROM {{presence}} AS presence
             WHERE repository_id = ANY(ARRAY(SELECT repository_id FROM special_id))
        ), special AS MATERIALIZED (
            SELECT DISTINCT ON (repository_id, days) repository_id, days,
                   CASE WHEN captured_at >= start_at - least(max_gap, length) THEN captured_at END AS special_at
              FROM start
              JOIN presence USING (repository_id)
             CROSS JOIN LATERAL ({LAST_PRESENT_CAPTURE_AT_START}) AS last
             WHERE is_special
             ORDER BY repository_id, days, captured_at DESC
        ), {{own_stars_at_start_ctes}}, imported_start AS MATERIALIZED (
            SELECT DISTINCT ON (repository_id, days) repository_id, days, captured_at AS imported_at,
                   stars AS imported_stars
              FROM (SELECT repository_id, days, start_at, length, {IMPORT_MAX_GAP} AS max_gap, source_id,
                           {month_value("captured_at", "width_bucket(start_at, month.captured_at)")} AS captured_at,
                           {month_value("stars", "width_bucket(start_at, month.captured_at)")} AS stars
                      FROM start
                     CROSS JOIN source
                      JOIN repository_month AS month USING (repository_id)
                     WHERE is_imported AND source.id <> 1 AND source_id = source.id
                       AND month.month = {closed_month("start_at")} {{month_of_id}}
                     UNION ALL
                    SELECT repository_id, days, start_at, length, {IMPORT_MAX_GAP}, source_id, last_at,
                           repository_import.stars
                      FROM start
                      JOIN repository_import USING (repository_id)
                      JOIN source ON source.id = source_id
                     WHERE is_imported AND {month_of("last_at")} < {closed_month("start_at")} {{import_of_id}}
                     UNION ALL
                    SELECT repository_id, days, start_at, length, {IMPORT_MAX_GAP}, source_id, captured_at,
                           snapshot.stars
                      FROM start
                      JOIN repository_snapshot_open AS snapshot USING (repository_id)
                      JOIN source ON source.id = source_id
                     WHERE is_imported AND source_id <> 1 AND captured_at <= start_at
                       {{snapshot_of_id}}) AS imported
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
             {{more_growth}}
        )"""  # noqa: S608

# Each has its counterpart.
_START = """
            SELECT repository_id, days, length, start_at, start_month, own_at, created_at, stars, changed_at,
                   is_special, is_imported, is_closed,
                   coalesce(created_at <= start_at, true) AND coalesce(changed_at > start_at, true) AS may_differ
              FROM subject
              FULL JOIN account_start USING (account_id, until_at)"""
# A start is plain where closed months of our own captures alone decide. `month_read` says which months are read as a
# whole: those in which growth of accounts captured in the last days starts, where more than `:many` starts need one.
_IS_PLAIN = "NOT is_special AND NOT is_imported AND is_closed"
_HAS_MONTH = "is_plain AND may_differ AND own_at IS NOT NULL"
_STARTS_OF_MANY = f"""any_start AS MATERIALIZED (
            SELECT *, {_IS_PLAIN} AS is_plain FROM ({_START}) AS any_start
        ), month_read AS MATERIALIZED (
            SELECT CASE WHEN (SELECT count(*) FROM any_start WHERE {_HAS_MONTH}) > CAST(:many AS int)
                        THEN min(start_month) ELSE 'infinity' END AS first, max(start_month) AS last
              FROM account_start
             WHERE until_at > (SELECT max(until_at) FROM account_start) - interval '8 days'
        ), start AS MATERIALIZED (
            SELECT * FROM any_start WHERE NOT is_plain
        )"""  # noqa: S608
_MONTH_GROWTH = f"""any_start.stars - {month_value("stars", "width_bucket(start_at, month.captured_at)")}"""
_PLAIN_GROWTH = f"""
             UNION ALL
            SELECT repository_id, days, CASE WHEN created_at > start_at THEN stars WHEN own_at IS NOT NULL THEN 0 END
              FROM any_start
             WHERE is_plain AND NOT may_differ
             UNION ALL
            SELECT any_start.repository_id, days, {_MONTH_GROWTH}
              FROM any_start
              -- + 0: joined by hash. Postgres expects few rows and would look up each.
              JOIN repository_month AS month ON month.repository_id + 0 = any_start.repository_id
             -- Not `month = start_month`: merged by month, each row of one would be compared with all starts in it.
             WHERE {_HAS_MONTH} AND source_id = 1 AND month.month - start_month = 0
               AND month.month >= (SELECT first FROM month_read) AND month.month <= (SELECT last FROM month_read)
             UNION ALL
            SELECT repository_id, days, {_MONTH_GROWTH}
              FROM any_start
              JOIN repository_month AS month USING (repository_id)
             WHERE {_HAS_MONTH} AND source_id = 1 AND month.month = start_month
               AND start_month < (SELECT first FROM month_read)
               -- Lets a node of Citus, whose estimates are poor, read these months alone.
               AND month.month = ANY(ARRAY(SELECT DISTINCT start_month FROM account_start))"""  # noqa: S608


def _growth_ctes(start: str, more_growth: str = "", of_id: str = "") -> str:
    return _GROWTH_CTES.format(
        start=start,
        more_growth=more_growth,
        presence=presence(of_id),
        own_stars_at_start_ctes=own_stars_at_start_ctes(of_id),
        month_of_id=of_id and f"AND month.repository_id {of_id}",
        import_of_id=of_id and f"AND repository_import.repository_id {of_id}",
        snapshot_of_id=of_id and f"AND snapshot.repository_id {of_id}",
    )


_STARTS_OF_FEW = f"start AS MATERIALIZED ({_START}\n        )"
GROWTH_CTES = _growth_ctes(_STARTS_OF_FEW)
"""For few repositories."""
GROWTH_OF_ONE_CTES = _growth_ctes(_STARTS_OF_FEW, of_id=OF_ID)
"""For the repository `:id`."""
GROWTH_OF_ALL_CTES = _growth_ctes(_STARTS_OF_MANY, _PLAIN_GROWTH)
"""For many: what few of them need is not joined to all. Has no row where growth is unknown, or one that is null."""


MANY_STARTS = 20_000
"""From about this number on reading a month as a whole is faster than looking up its rows."""


def growth_values(days: Sequence[int]) -> dict[str, Any]:
    """Return the bound values that GROWTH_CTES needs: one row per repository and entry of *days*."""
    return {"days": list(days), "many": MANY_STARTS}
