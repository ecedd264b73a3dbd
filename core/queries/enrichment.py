"""The cost of enrichment: for each kind of fact how much is due, and its spending of the last day. Never cached."""

from collections.abc import Iterable
from datetime import datetime

from pandas import DataFrame

from core.budget.enrichment_forecast import KindForecast, enrichment_per_hour, forecast_enrichment
from core.budget.rate_limits import RateBudgetBucket
from core.db.frames import read_frame


def kind_costs(now: datetime) -> DataFrame:
    """Return one row per kind of fact that was counted or collected in the last 24 hours.

    kind               of `core.queue.enrichment.FACT_KINDS`
    subjects, waiting  repositories or users that it applies to, and those that are due; null before they were counted
    measured_at        when they were counted
    done               subjects collected in the last 24 hours, failed ones included
    requests, points, not_modified   what they cost; a 304 is free with a token
    for_people         requests and points of subjects that somebody had opened lately
    """
    sql = """
        WITH spent AS (
            SELECT kind, sum(stored + failed)::bigint AS done, sum(requests)::bigint AS requests,
                   sum(points)::bigint AS points, sum(not_modified)::bigint AS not_modified,
                   coalesce(sum(requests + points) FILTER (WHERE for_people), 0)::bigint AS for_people
              FROM enrichment_run
             WHERE started_at > CAST(:now AS timestamptz) - interval '24 hours' AND started_at <= :now
             GROUP BY kind
        )
        SELECT kind, subjects, waiting, measured_at, coalesce(done, 0) AS done, coalesce(requests, 0) AS requests,
               coalesce(points, 0) AS points, coalesce(not_modified, 0) AS not_modified,
               coalesce(for_people, 0) AS for_people
          FROM enrichment_backlog FULL JOIN spent USING (kind)
         ORDER BY kind
    """
    return read_frame(sql, fresh=True, now=now)


def forecast(
    costs: DataFrame, buckets: Iterable[RateBudgetBucket], now: datetime, *, with_token: bool
) -> list[KindForecast]:
    """Forecast each kind of *costs*, which `kind_costs` returned, within the rate limits *buckets*."""
    found, (requests, points) = list(buckets), refresh_cost_per_hour(now)
    return forecast_enrichment(
        costs.to_dict("records"),
        {
            "core": enrichment_per_hour(found, "core", requests, with_token=with_token),
            "graphql": enrichment_per_hour(found, "graphql", points, with_token=with_token),
        },
        with_token=with_token,
    )


def refresh_cost_per_hour(now: datetime) -> tuple[float, float]:
    """Return the REST requests and points that refreshes spent per hour, on average over the last 24 hours.

    A query of GraphQL is a request, too, and costs a point or more: only runs without points count as REST.
    """
    sql = """
        SELECT coalesce(sum(requests - not_modified) FILTER (WHERE points = 0), 0)::float / 24 AS requests,
               coalesce(sum(points), 0)::float / 24 AS points
          FROM ingest_run
         WHERE started_at > CAST(:now AS timestamptz) - interval '24 hours' AND started_at <= :now
    """
    row = read_frame(sql, fresh=True, now=now).iloc[0]
    return float(row["requests"]), float(row["points"])
