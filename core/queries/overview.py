"""The whole installation: tracking, totals, freshness and latest changes."""

import math
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
from pandas import DataFrame

from core.as_of import end_of_day
from core.db.frames import derived, read_frame, single_record
from core.queries.as_of import as_of_or_end_of_today
from core.queries.captures import CAPTURES_OF_SPAN, LAST_ROLLUP_DAY, ROLLUP_MAX_GAP
from core.queries.freshness import COUNTS, FRESHNESS_CTE
from core.settings import settings

AGE_BINS = {
    "under an hour": 1,
    "under 6 hours": 6,
    "under a day": 24,
    "under 2 days": 48,
    "under a week": 168,
    "older": float("inf"),
}
"""Labels of ages and the hours that bound them."""
NEVER_REFRESHED = "never refreshed"


@dataclass(frozen=True)
class TrackingCounts:
    """How many accounts are tracked, and in which state; an account can count in several."""

    tracked: int
    paused: int
    due: int
    queued: int
    failing: int
    next_due_at: datetime | None


@dataclass(frozen=True)
class StoredTotals:
    """Totals stored now, over all sources: each repository with its latest counts."""

    accounts: int
    repositories: int
    stars: int | None
    forks: int | None
    languages: int


def tracking_counts(now: datetime) -> TrackingCounts:
    """Count tracked accounts by state, not cached. Deleted accounts are retried, but not failing."""
    sql = """
        SELECT count(*) AS tracked,
               count(*) FILTER (WHERE paused) AS paused,
               count(*) FILTER (WHERE NOT paused AND queued_at IS NULL AND due_at <= :now) AS due,
               count(*) FILTER (WHERE queued_at IS NOT NULL) AS queued,
               count(*) FILTER (WHERE failures > 0 AND gone_at IS NULL) AS failing,
               min(due_at) FILTER (WHERE NOT paused AND due_at > :now) AS next_due_at
          FROM tracked_account
          JOIN account ON account.id = account_id
    """
    return single_record(read_frame(sql, fresh=True, now=now), TrackingCounts)


def stored_totals() -> StoredTotals:
    """Add up the latest counts of all stored repositories. Stars and forks are None without any."""
    sql = """
        SELECT count(*) AS accounts, coalesce(sum(repositories), 0)::bigint AS repositories,
               sum(stars)::bigint AS stars, sum(forks)::bigint AS forks,
               (SELECT count(DISTINCT language)
                  FROM account_summary CROSS JOIN LATERAL unnest(languages) AS language) AS languages
          FROM account_summary
    """
    return single_record(read_frame(sql), StoredTotals)


def source_trend(as_of: datetime | None) -> DataFrame:
    """Return the totals of each source's rollups in the two years before *as_of*, oldest first.

    at                            midnight (UTC) of the rollup's day, a day with a capture
    overdue_at                    the rollup's totals hold until the source's next capture was overdue
    source_id, source             1 is this installation, others are imports
    repositories, stars, forks    of repositories that are no forks; the forks are null where those of any are unknown;
                                  imported: repositories the source reported that week
    languages                     number of primary languages
    """
    sql = f"""
        SELECT day::timestamptz AS at, day::timestamptz + interval '1 day' + {ROLLUP_MAX_GAP} AS overdue_at, source_id,
               CASE source_id WHEN 1 THEN 'GitHub' ELSE source.name END AS source,
               sum(repositories)::bigint AS repositories, sum(stars)::bigint AS stars,
               CASE WHEN count(forks) = count(*) THEN sum(forks)::bigint END AS forks,
               count(DISTINCT present_language(language))
                   FILTER (WHERE language <> '' AND repositories > 0) AS languages
          FROM language_day
          JOIN source ON source.id = source_id
         WHERE day <= {LAST_ROLLUP_DAY} AND day > CAST(:until AS timestamptz) - interval '730 days'
         GROUP BY day, source_id, source.id
        HAVING source_id <> 1 OR EXISTS (
               SELECT FROM (SELECT id AS account_id, day::timestamptz AS from_at,
                                   day::timestamptz + interval '1 day' AS to_at FROM account) AS span
                CROSS JOIN LATERAL ({CAPTURES_OF_SPAN}) AS captured)
         ORDER BY day, source_id
    """  # noqa: S608
    return read_frame(sql, until=as_of_or_end_of_today(as_of), every=settings().refresh_every)


def largest_source(trend: DataFrame) -> DataFrame:
    """Keep the rows of `source_trend` of the source with most repositories in its last rollup."""
    if trend.empty:
        return trend
    source_id = trend.groupby("source_id")["repositories"].last().idxmax()
    return derived(trend[trend["source_id"] == source_id], trend)


def largest_source_of_both(trend: DataFrame, vs: datetime) -> DataFrame:
    """Return the rows of `largest_source` among sources that have totals at *vs* too; among all where none has."""
    then = _covering(source_trend(vs), vs)
    both = trend[trend["source_id"].isin(then["source_id"])]
    return largest_source(derived(both, trend) if len(both) else trend)


def trend_points(rollups: DataFrame) -> DataFrame:
    """Return one source's rows of `source_trend` as `history_lines` takes them: `at` is `captured_at`."""
    return derived(rollups.rename(columns={"at": "captured_at"}), rollups)


def trend_intervals(rollups: DataFrame) -> DataFrame:
    """Return when one source's *rollups* follow each other without a gap: source_id, from_at, to_at, overdue_at."""
    follows = rollups["at"] <= rollups["overdue_at"].shift()
    runs = rollups.groupby((~follows).cumsum())
    return DataFrame(
        {
            "source_id": runs["source_id"].first(),
            "from_at": runs["at"].first(),
            "to_at": runs["at"].last(),
            "overdue_at": runs["overdue_at"].last(),
        }
    ).reset_index(drop=True)


def largest_totals(as_of: datetime | None) -> DataFrame:
    """Return `trend_points` of the source with most repositories."""
    return trend_points(largest_source(source_trend(as_of)))


def totals_at(source_id: int, at: datetime) -> dict[str, Any]:
    """Return the source's last rollup by *at*, a row of `source_trend`; empty where nobody captured near that time."""
    trend = _covering(source_trend(at), at)
    rows = trend[trend["source_id"] == source_id]
    return {} if rows.empty else {str(name): value for name, value in rows.iloc[-1].items()}


def _covering(trend: DataFrame, at: datetime) -> DataFrame:
    """Keep the rollups that hold at *at*."""
    return derived(trend[trend["overdue_at"] > at], trend)


def daily_trend(rollups: DataFrame, column: str, until: datetime) -> list[float]:
    """Return *column* of one source's *rollups* on each day (UTC) of the year up to that of *until*, oldest first.

    NaN where nobody captured for too long, or the source did not report it. Days before the first rollup are left out.
    """
    times, overdue_at, values = (list(rollups[name]) for name in ("at", "overdue_at", column))
    trend: list[float] = []
    for days_ago in range(364, -1, -1):
        ends_at = end_of_day(until.astimezone(UTC).date() - timedelta(days=days_ago))
        newest = bisect_right(times, ends_at) - 1
        is_covered = newest >= 0 and overdue_at[newest] > ends_at
        if is_covered or trend:
            trend.append(float(values[newest]) if is_covered and not pd.isna(values[newest]) else math.nan)
    return trend


def counted_accounts(freshness: DataFrame) -> DataFrame:
    """Keep the accounts of `account_freshness` that are neither paused nor deleted."""
    return derived(freshness[~freshness["state"].isin(["paused", "deleted"])], freshness)


def most_overdue(freshness: DataFrame, limit: int) -> DataFrame:
    """Return the accounts whose age is largest relative to their own cadence, never refreshed ones first.

    Adds lateness: age divided by cadence, null before the first refresh.
    """
    # Without any refresh the column of ages has no type.
    lateness = freshness["age_hours"].astype("Float64") / freshness["every_hours"]
    ordered = freshness.assign(lateness=lateness).sort_values("lateness", ascending=False, na_position="first")
    return derived(ordered.head(limit), freshness)


def accounts_by_age(now: datetime) -> DataFrame:
    """Count tracked accounts by the age of their last refresh: age (a label of AGE_BINS or NEVER_REFRESHED), accounts.

    Paused and deleted accounts are left out. Youngest first; the first four bins always, the others unless empty. Not
    cached.
    """
    sql = f"""
        WITH {FRESHNESS_CTE}, age AS (
            SELECT extract(epoch FROM CAST(:now AS timestamptz) - checked_at)::float / 3600 AS hours
              FROM freshness
             WHERE {COUNTS}
        )
        SELECT width_bucket(hours, CAST(:bounds AS float[])) AS bin, count(*) AS accounts FROM age GROUP BY bin
    """  # noqa: S608
    bounds = list(AGE_BINS.values())[:-1]
    counted = read_frame(sql, fresh=True, now=now, every=settings().refresh_every, bounds=bounds)
    labels = [*AGE_BINS, NEVER_REFRESHED]
    counts = dict.fromkeys(labels, 0)
    for position, accounts in zip(counted["bin"], counted["accounts"], strict=True):
        counts[NEVER_REFRESHED if pd.isna(position) else labels[position]] = int(accounts)
    shown = [label for label in labels if counts[label] or label in labels[:4]]
    return derived(DataFrame({"age": shown, "accounts": [counts[label] for label in shown]}), counted)
