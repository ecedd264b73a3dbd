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


def account_start(ended: str) -> str:
    """Return a SELECT of where growth of the accounts in `ended` starts, one row for each end and each of `:days`.

    account_id, until_at  as in *ended*: a table or an expression called `ended`
    place, days, length   the place in `:days`, from 1; the same as an interval
    start_at              and start_month: in whose row of `repository_month` the counts then are
    is_closed             whether in no other table
    own_at                our last capture by then; null after a gap
    """
    return f"""
            SELECT account_id, until_at, place, days, length, start_at, {closed_month("start_at")} AS start_month,
                   coalesce(start_at < closed_until, false) AS is_closed,
                   CASE WHEN captured_at >= start_at - least(max_gap, length) THEN captured_at END AS own_at
              FROM {ended}
             CROSS JOIN (SELECT days, place, make_interval(days => days) AS length
                           FROM unnest(CAST(:days AS int[])) WITH ORDINALITY AS span (days, place)) AS span
             CROSS JOIN LATERAL (SELECT until_at - length AS start_at) AS start
             CROSS JOIN (SELECT last_month, closed_until FROM source WHERE id = 1) AS source
              LEFT JOIN LATERAL ({LAST_CAPTURE_AT_START}) AS own ON true"""  # noqa: S608


# Needs a CTE `subject` of repositories and their last counts, MATERIALIZED:
#   repository_id, account_id, created_at, stars
#   until_at     the last capture: where growth ends
#   changed_at   when `stars` were first captured, if by us; else null
#   is_special   whether its captures may differ from its account's, see `captures.PRESENCE_EXISTS`
#   is_imported  whether any source imported history of it
# Tables of repositories are joined, never read by a LATERAL with LIMIT: Citus refuses that.
# FULL JOIN makes Postgres join by hash, however few rows it expects.
# Citus sends an expression to the nodes where it is joined with a table there, also with one on every node, such as
# `source`. So an expression of its own holds only the columns that the join needs.
_GROWTH_CTES = f"""
        ended AS MATERIALIZED (
            SELECT DISTINCT account_id, until_at FROM subject
        ), account_start AS MATERIALIZED ({account_start("ended")}
        ), start AS MATERIALIZED (
            -- FULL JOIN: each has its counterpart.
            SELECT repository_id, days, length, start_at, start_month, own_at, created_at, stars, changed_at,
                   is_special, is_imported,
                   coalesce(created_at <= start_at, true) AND coalesce(changed_at > start_at, true) AS may_differ
              FROM subject
              FULL JOIN account_start USING (account_id, until_at)
        ), special_id AS MATERIALIZED (
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
        ), {{own_stars_at_start_ctes}}, imported_wanted AS MATERIALIZED (
            SELECT repository_id, days, start_at, length FROM start WHERE is_imported
        ), imported_start AS MATERIALIZED (
            SELECT DISTINCT ON (repository_id, days) repository_id, days, captured_at AS imported_at,
                   stars AS imported_stars
              FROM (SELECT repository_id, days, start_at, length, {IMPORT_MAX_GAP} AS max_gap, source_id,
                           {month_value("captured_at", "width_bucket(start_at, month.captured_at)")} AS captured_at,
                           {month_value("stars", "width_bucket(start_at, month.captured_at)")} AS stars
                      FROM imported_wanted
                     CROSS JOIN source
                      JOIN repository_month AS month USING (repository_id)
                     WHERE source.id <> 1 AND source_id = source.id
                       AND month.month = {closed_month("start_at")} {{month_of_id}}
                     UNION ALL
                    SELECT repository_id, days, start_at, length, {IMPORT_MAX_GAP}, source_id, last_at,
                           repository_import.stars
                      FROM imported_wanted
                      JOIN repository_import USING (repository_id)
                      JOIN source ON source.id = source_id
                     WHERE {month_of("last_at")} < {closed_month("start_at")} {{import_of_id}}
                     UNION ALL
                    SELECT repository_id, days, start_at, length, {IMPORT_MAX_GAP}, source_id, captured_at,
                           snapshot.stars
                      FROM imported_wanted
                      JOIN repository_snapshot_open AS snapshot USING (repository_id)
                      JOIN source ON source.id = source_id
                     WHERE source_id <> 1 AND captured_at <= start_at
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
        )"""  # noqa: S608


def _growth_ctes(of_id: str = "") -> str:
    return _GROWTH_CTES.format(
        presence=presence(of_id),
        own_stars_at_start_ctes=own_stars_at_start_ctes(of_id),
        month_of_id=of_id and f"AND month.repository_id {of_id}",
        import_of_id=of_id and f"AND repository_import.repository_id {of_id}",
        snapshot_of_id=of_id and f"AND snapshot.repository_id {of_id}",
    )


GROWTH_CTES = _growth_ctes()
"""For few repositories, or those of many that `plain_growth` leaves out."""
GROWTH_OF_ONE_CTES = _growth_ctes(OF_ID)
"""For the repository `:id`."""

# Where all repositories are asked for, the growth of most is computed in the scan that reads their counts: on Citus,
# each on its node. A repository is *plain* if its captures are its account's and were never imported, if its account
# was captured in the last days, and if closed months alone say what it had at each start.
MAX_PLAIN_DAYS = 2
OWN_START_CTE = f"""own_start AS MATERIALIZED (
            SELECT account_id, until_at, array_agg(start_at ORDER BY place) AS start_at,
                   array_agg(start_month ORDER BY place) AS start_month,
                   array_agg(own_at IS NOT NULL ORDER BY place) AS is_confirmed
              FROM ({
    account_start('''(
                    SELECT account_id, own_at AS until_at FROM account_last
                     WHERE own_at > (SELECT max(own_at) FROM account_last) - interval '8 days') AS ended''')
}
                     ) AS account_start
             GROUP BY account_id, until_at
            HAVING bool_and(is_closed) AND count(*) <= {MAX_PLAIN_DAYS}
        )"""  # noqa: S608
"""SQL: where growth of each account starts, in lists of one element for each of `:days`. Needs `account_last`: when
each account was last captured by us, `own_at`."""
NO_PLAIN_GROWTH = "NULL::int[] AS plain_growth"
"""SQL: the column of `with_plain_growth` where growth is not computed for all at once."""
_STARS_OF_MONTH = month_value("stars", "width_bucket(start_at[{place}], month_{place}.captured_at)", "month_{place}")
_PLAIN_GROWTH = f"""
                        CASE WHEN created_at > start_at[{{place}}] THEN stars
                             WHEN is_confirmed[{{place}}] AND changed_at <= start_at[{{place}}] THEN 0
                             WHEN is_confirmed[{{place}}] THEN stars - {_STARS_OF_MONTH} END"""
# Not `month = start_month`: merged by month, each row of one would be compared with all starts in it.
_JOIN_MONTH = """
              LEFT JOIN (SELECT repository_id, month, captured_at, counts, stars_before FROM repository_month
                          WHERE source_id = 1
                            AND month >= (SELECT min(start_month[{place}]) FROM own_start)
                            AND month <= (SELECT max(start_month[{place}]) FROM own_start)) AS month_{place}
                ON month_{place}.repository_id = counted.repository_id
               AND month_{place}.month - start_month[{place}] = 0"""


def with_plain_growth(counted: str) -> str:
    """Return a SELECT of the rows of *counted* and their `plain_growth`.

    plain_growth  list of one number or null for each of `:days`; null if the repository is not plain

    It needs OWN_START_CTE and the columns repository_id, account_id, created_at, stars, changed_at, is_special and
    is_imported.
    """
    places = range(1, MAX_PLAIN_DAYS + 1)
    growth = ",".join(_PLAIN_GROWTH.format(place=place) for place in places)
    months = "".join(_JOIN_MONTH.format(place=place) for place in places)
    return f"""
            SELECT counted.*, CASE WHEN changed_at <= until_at AND NOT is_special AND NOT is_imported
                                   THEN ARRAY[{growth}] END AS plain_growth
              FROM ({counted}) AS counted
              LEFT JOIN own_start ON own_start.account_id = counted.account_id{months}"""  # noqa: S608


def growth_values(days: Sequence[int]) -> dict[str, Any]:
    """Return the bound values that GROWTH_CTES needs: one row per repository and entry of *days*."""
    return {"days": list(days)}
