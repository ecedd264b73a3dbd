"""Repositories that come near a round number of stars, with the counts that a forecast needs."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from pandas import DataFrame

from core.analysis import milestones
from core.db.frames import derived, read_frame
from core.queries.compared_counts import beside_counts_at
from core.queries.past_counts import month_of
from core.queries.repository_base import as_of_values, growing_ctes

WINDOW = timedelta(days=90)
MIN_STARS = 50
MAY_BE_AHEAD = "stars >= :min_stars AND NOT is_gone"


def ahead(as_of: datetime | None, limit: int = 15, *, vs: datetime | None = None) -> DataFrame:
    """List repositories that may reach their next milestone within 90 days, the nearest first.

    full_name, stars   as of checked_at, the last refresh
    milestone          the next round number, see `core.analysis.milestones`
    stars_30d          growth; at this rate it would be reached within 90 days
    earliest, latest   timestamps between which it may be reached; null where no line fits
    reason             why there is no range; empty where there is one
    stars_vs, stars_difference, stars_percent   only with *vs*: see `with_differences`; most changed first
    """
    sql = f"""
        WITH {growing_ctes(as_of, MAY_BE_AHEAD, "full_name, source_id", most=True)}, candidate AS (
            SELECT repository_id, full_name, stars, stars_30d, checked_at, source_id,
                   CASE WHEN stars < 2 * power THEN 2 * power WHEN stars < 5 * power THEN 5 * power ELSE 10 * power
                   END::bigint AS milestone
              FROM grown_row
             CROSS JOIN LATERAL (SELECT power(10::numeric, length(stars::text) - 1)::bigint AS power) AS size
             WHERE stars_30d > 0
        ), nearest AS MATERIALIZED (
            SELECT repository_id, full_name, stars, milestone, stars_30d, checked_at, source_id
              FROM candidate
             WHERE milestone - stars <= 3 * stars_30d
             ORDER BY (milestone - stars)::float / stars_30d, full_name
             LIMIT :limit
        ), counted AS MATERIALIZED (
            SELECT repository_id, json_agg(json_build_array(extract(epoch FROM captured_at) / 86400, snapshot.stars)
                                           ORDER BY captured_at)::text AS counts
              FROM nearest
              JOIN repository_snapshot AS snapshot USING (repository_id)
             WHERE snapshot.repository_id = ANY(ARRAY(SELECT repository_id FROM nearest))
               AND snapshot.source_id = nearest.source_id
               AND captured_at > checked_at - CAST(:window AS interval) AND captured_at <= checked_at
               AND month >= {month_of("checked_at - CAST(:window AS interval)")}
             GROUP BY repository_id
        )
        SELECT repository_id, full_name, stars, milestone, stars_30d, checked_at, counts
          FROM nearest
          LEFT JOIN counted USING (repository_id)
         ORDER BY (milestone - stars)::float / stars_30d, full_name
    """  # noqa: S608
    values = {"min_stars": MIN_STARS, "window": WINDOW, **as_of_values(as_of, (30,))}
    found = read_frame(sql, only_until=as_of, limit=limit, **values)
    forecasts = [_forecast(row) for row in found.to_dict("records")]
    shown = found.drop(columns="counts").assign(
        earliest=_dates(found, [one.earliest_days for one in forecasts]),
        latest=_dates(found, [one.latest_days for one in forecasts]),
        reason=pd.array([one.reason for one in forecasts], dtype="string"),
    )
    if vs is None:
        return derived(shown.drop(columns="repository_id"), found)
    ids = [int(one) for one in found["repository_id"]]
    return beside_counts_at(derived(shown, found), ids, vs, ("stars",))


def _forecast(row: Mapping[Any, Any]) -> milestones.Forecast:
    """Fit the counts and the last refresh, at which the number was the same as at the last change."""
    counts = [] if pd.isna(row["counts"]) else json.loads(row["counts"])
    last = row["checked_at"].timestamp() / 86_400
    points = [(float(day), float(stars)) for day, stars in counts]
    if not points or points[-1][0] < last:
        points.append((last, float(row["stars"])))
    return milestones.forecast(points, float(row["milestone"]))


def _dates(found: DataFrame, days: list[float | None]) -> "pd.Series[pd.Timestamp]":
    return found["checked_at"] + pd.to_timedelta(pd.Series(days, index=found.index, dtype=float), unit="D")
