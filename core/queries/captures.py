"""When a repository or an account was captured, by which source, and whether there was a gap: from captures alone.

Snapshots are stored only when they differ, so that they cannot tell "unchanged" from "not refreshed".

Our refresh of an account captures the account and every repository that it lists: a repository's own captures are
those of the account that owned it at that time, except while it was deleted or private (the view
`repository_presence`). An imported source captures single repositories; each of its snapshots is a capture.

A **gap** is more than twice the expected interval without a capture. We expect a capture of an account at the cadence
it had at the capture before, but no more than one a day; of an imported source at its usual cadence.

Our captures of past days are in `capture_month`, one row an account and month; later ones, and those of imported
sources, in `capture_open`. The view `capture` has all, row for row: queries of many accounts use the expressions below.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from core.db.frames import first_value, read_frame
from core.queries.freshness import INTERVAL_SQL, MAX_INTERVALS
from core.queries.past_counts import month_of

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class LastCapture:
    """The last capture by one source, and whether the next one was overdue."""

    at: datetime
    is_overdue: bool


_OWN_MAX_GAP = f"{MAX_INTERVALS} * coalesce(cadence, interval '1 day')"
"""SQL: the longest time from one of our captures to the next that is not a gap; needs `cadence` of a capture."""
STORED_CADENCE = f"CASE WHEN {INTERVAL_SQL} > interval '1 day' THEN {INTERVAL_SQL} END"
"""SQL: what the cadence of a capture is to be; needs `tracked_account` and `:every`, the default cadence."""
IMPORT_MAX_GAP = f"{MAX_INTERVALS} * coalesce(source.cadence, interval '7 days')"
"""SQL: the longest time between two captures of an imported source that is not a gap; needs `source`."""
ROLLUP_MAX_GAP = f"""CASE source.id WHEN 1 THEN (
                   SELECT {MAX_INTERVALS} * greatest(coalesce(min({INTERVAL_SQL}), CAST(:every AS interval)),
                                                     interval '1 day')
                     FROM tracked_account WHERE NOT paused) ELSE {IMPORT_MAX_GAP} END"""  # noqa: S608
"""SQL: the same for the totals of a `source`; of all tracked accounts the most frequently refreshed one counts."""
LAST_ROLLUP_DAY = """(SELECT CASE WHEN EXISTS (SELECT 1 FROM account WHERE checked_at > :until)
                        THEN ((CAST(:until AS timestamptz) + interval '1 microsecond') AT TIME ZONE 'UTC')::date - 1
                        ELSE (CAST(:until AS timestamptz) AT TIME ZONE 'UTC')::date END)"""
"""SQL: the last day whose totals in `language_day` hold what was captured by `:until`, and nothing later."""
PRESENCE_CHANGES = ("gone", "back", "transferred")
"""Kinds of changes by which captures of a repository differ from its account's."""
_PRESENCE_CHANGES = f"change.kind IN {PRESENCE_CHANGES}"
PRESENCE_EXISTS = f"""(repository.gone_at IS NOT NULL OR EXISTS (
                   SELECT 1 FROM change WHERE change.repository_id = repository.id AND {_PRESENCE_CHANGES}))"""  # noqa: S608
"""SQL: whether captures of a `repository` may differ from its account's: it was unavailable or transferred once."""


def import_exists(of_id: str = "") -> str:
    """Return SQL for whether any source imported history of a `repository`."""
    chosen = of_id and f" AND repository_import.repository_id {of_id}"
    return f"""EXISTS (
                   SELECT 1 FROM repository_import WHERE repository_import.repository_id = repository.id{chosen})"""  # noqa: S608


IMPORT_EXISTS = import_exists()


def presence(of_id: str = "") -> str:
    """Return a table expression of the times in which captures of an account are captures of a repository."""
    if not of_id:
        return "repository_presence"
    # The view itself would ask all nodes for the last version.
    return f"""(
                   SELECT repository_id, from_at, until AS to_at, account_id
                     FROM (SELECT *, coalesce(lag(until) OVER (PARTITION BY repository_id ORDER BY until),
                                              '-infinity') AS from_at
                             FROM repository_version WHERE repository_id {of_id}) AS version
                    WHERE NOT is_gone
                    UNION ALL
                   SELECT id, coalesce((SELECT max(until) FROM repository_version
                                         WHERE repository_id = repository.id AND repository_id {of_id}), '-infinity'),
                          coalesce(gone_at, 'infinity'), account_id
                     FROM repository WHERE id {of_id})"""  # noqa: S608


FIRST_CAPTURE_AT = """least((
                   SELECT captured_at FROM capture_open WHERE capture_open.account_id = account.id AND source_id = 1
                    ORDER BY captured_at LIMIT 1), (
                   SELECT month.captured_at[1] FROM capture_month AS month WHERE month.account_id = account.id
                    ORDER BY month.month LIMIT 1))"""
"""SQL: the time of our first capture of an `account`; null before it."""
CAPTURES_OF_SPAN = f"""
                   SELECT captured_at, run_id, {_OWN_MAX_GAP} AS max_gap FROM capture_open
                    WHERE capture_open.account_id = span.account_id AND source_id = 1
                      AND captured_at >= span.from_at AND captured_at < span.to_at
                    UNION ALL
                   SELECT one.captured_at, one.run_id, {_OWN_MAX_GAP}
                     FROM capture_month AS month
                    CROSS JOIN LATERAL unnest(month.captured_at, month.run_ids, month.cadences)
                            AS one (captured_at, run_id, cadence)
                    WHERE month.account_id = span.account_id
                      AND month.month >= {month_of("span.from_at")} AND month.month <= {month_of("span.to_at")}
                      -- Spares taking apart the present month, where only what came later is asked for.
                      AND month.captured_at[cardinality(month.captured_at)] >= span.from_at
                      AND one.captured_at >= span.from_at AND one.captured_at < span.to_at"""  # noqa: S608
"""SQL: a SELECT of our captures of `span.account_id`, as LAST_CAPTURE: from `span.from_at` on, before `span.to_at`."""
AFTER_UNTIL = "(CAST(:until AS timestamptz) + interval '1 microsecond')"
"""SQL: the end of a span that `:until` is the last moment of."""
# A run may end after the night in which its first captures were closed.
CAPTURES_OF_RUN = f"""
        SELECT account_id, captured_at, run_id FROM capture_open WHERE run_id = :run_id AND account_id IS NOT NULL
         UNION ALL
        SELECT month.account_id, one.captured_at, one.run_id
          FROM capture_month AS month
         CROSS JOIN LATERAL unnest(month.captured_at, month.run_ids) AS one (captured_at, run_id)
         WHERE one.run_id = :run_id AND :run_id = ANY(month.run_ids)
           AND month.month >= (SELECT {month_of("started_at - interval '1 day'")} FROM ingest_run WHERE id = :run_id)
"""  # noqa: S608
"""SQL: a SELECT of the accounts that the run `:run_id` captured: account_id, captured_at, run_id."""


def _last_capture(account: str, at: str) -> str:
    # Usually what is open is later than what is closed, but not after a late refresh.
    newer = ", ".join(
        f"CASE WHEN open.captured_at IS NULL OR closed.captured_at > open.captured_at THEN closed.{column}"
        f" ELSE open.{column} END AS {column}"
        for column in ("captured_at", "run_id", "max_gap")
    )
    place = f"width_bucket({at}, month.captured_at)"
    # FULL JOIN, not UNION ALL, which Citus does not take where rows of its nodes are joined.
    return f"""
                   SELECT {newer}
                     FROM (SELECT captured_at, run_id, {_OWN_MAX_GAP} AS max_gap FROM capture_open
                            WHERE capture_open.account_id = {account} AND source_id = 1 AND captured_at <= {at}
                            ORDER BY captured_at DESC LIMIT 1) AS open
                     FULL JOIN (
                          SELECT month.captured_at[{place}] AS captured_at, month.run_ids[{place}] AS run_id,
                                 {_OWN_MAX_GAP.replace("cadence", f"month.cadences[{place}]")} AS max_gap
                            FROM capture_month AS month
                           WHERE month.account_id = {account} AND month.month <= {month_of(at)}
                             AND month.captured_at[1] <= {at}
                           ORDER BY month.month DESC LIMIT 1) AS closed ON true"""  # noqa: S608


LAST_CAPTURE = _last_capture("account.id", "CAST(:until AS timestamptz)")
"""SQL: a SELECT of our last capture of an `account` by `:until`: captured_at, run_id, and the `max_gap` after it."""
LAST_CAPTURE_OF_ONE = _last_capture(":account_id", "CAST(:until AS timestamptz)")
"""SQL: the same of the account `:account_id`."""
LAST_CAPTURE_OF_ONE_AT = _last_capture(":account_id", "at")
"""SQL: the same up to a column `at`."""
LAST_CAPTURE_AT_START = _last_capture("ended.account_id", "start_at")
"""SQL: the same of `ended.account_id` up to the column `start_at`."""


def _last_present_capture(at: str) -> str:
    by = f"least({at}, presence.to_at - interval '1 microsecond')"
    return f"""
                   SELECT captured_at, max_gap FROM ({_last_capture("presence.account_id", by)}) AS own
                    WHERE captured_at >= presence.from_at"""  # noqa: S608


LAST_PRESENT_CAPTURE = _last_present_capture("at")
"""SQL: the last of our captures up to the column `at` within a row of `presence`, and the `max_gap` after it."""
LAST_PRESENT_CAPTURE_AT_START = _last_present_capture("start_at")
"""SQL: the same up to the column `start_at`."""


def last_own_capture(of_id: str = "") -> str:
    """Return SQL for our last capture of a `repository` by `:until`; needs `account_last` with that of its account.

    Whether it was stored by then, its first snapshot says.
    """
    return f"""CASE WHEN {PRESENCE_EXISTS} THEN (
                   SELECT max(last.captured_at)
                     FROM {presence(of_id)} AS presence
                    CROSS JOIN LATERAL ({_last_present_capture(":until")}) AS last
                    WHERE presence.repository_id = repository.id)
               ELSE account_last.own_at END"""  # noqa: S608


SPECIAL_LAST_CTE = f"""special_last AS MATERIALIZED (
            SELECT array_agg(repository_id ORDER BY repository_id) AS ids,
                   array_agg(captured_at ORDER BY repository_id) AS captured_at
              FROM (SELECT presence.repository_id, max(last.captured_at) AS captured_at
                      FROM repository_presence AS presence
                     CROSS JOIN LATERAL ({_last_present_capture(":until")}) AS last
                     WHERE presence.repository_id = ANY(ARRAY(
                           SELECT id FROM repository WHERE gone_at IS NOT NULL
                            UNION SELECT repository_id FROM change WHERE {_PRESENCE_CHANGES}))
                     GROUP BY presence.repository_id) AS last
        )"""  # noqa: S608
"""SQL: an expression of one row with our last captures by `:until` of the repositories that have PRESENCE_EXISTS.

Two sorted lists rather than rows: Postgres expects few rows, and would compare each with each repository."""
_PLACE_OF_ID = "width_bucket(repository.id, (SELECT ids FROM special_last))"
LAST_OWN_CAPTURE_OF_ALL = f"""CASE WHEN NOT {PRESENCE_EXISTS} THEN account_last.own_at
                        WHEN (SELECT ids FROM special_last)[{_PLACE_OF_ID}] = repository.id
                        THEN (SELECT captured_at FROM special_last)[{_PLACE_OF_ID}] END"""  # noqa: S608
"""SQL: the same where all are asked for; needs SPECIAL_LAST_CTE, too."""


def newest_capture_at(until: datetime) -> datetime | None:
    """Return the newest capture of any source by *until*; None before the first."""
    # Only of accounts that were refreshed later is an earlier capture looked up. In FROM, because Citus takes one step
    # more for each subquery that stands elsewhere.
    sql = f"""
        SELECT greatest(own.at, ended.at, continued.at) AS at
          FROM (SELECT greatest((SELECT max(checked_at) FROM account WHERE checked_at <= :until),
                                (SELECT max(own.captured_at)
                                   FROM account
                                  CROSS JOIN LATERAL ({LAST_CAPTURE}) AS own
                                  WHERE checked_at > :until)) AS at) AS own
         CROSS JOIN (SELECT max(last_at) AS at FROM repository_import WHERE last_at <= :until) AS ended
         CROSS JOIN (
               SELECT max(imported.captured_at) AS at
                 FROM repository_import
                CROSS JOIN LATERAL (
                      SELECT captured_at FROM capture_open
                       WHERE capture_open.repository_id = repository_import.repository_id
                         AND capture_open.source_id = repository_import.source_id AND captured_at <= :until
                       ORDER BY captured_at DESC LIMIT 1) AS imported
                WHERE first_at <= :until AND last_at > :until) AS continued
    """  # noqa: S608
    at: datetime | None = first_value(read_frame(sql, until=until))
    return at


def last_capture(intervals: "DataFrame", source: str, until: datetime) -> LastCapture | None:
    """Return the last capture by *source* in a frame of `coverage_intervals`, judged at *until*; None without one.

    Only our own refreshes can be overdue.
    """
    found = intervals[intervals["source"] == source]
    if found.empty:
        return None
    last = found.sort_values("to_at").iloc[-1]
    return LastCapture(last["to_at"], source == "GitHub" and bool(last["overdue_at"] < until))
