"""The ledger of a repository's stars: given, withdrawn and surviving, by comparing each response with the one before.

GitHub reports of each day how many of its stars still stand. When it is asked again, fewer of them are withdrawals;
more were given since, as on a day that was not over, or given again.
"""

from datetime import datetime

from pandas import DataFrame

from core.db.frames import read_frame
from core.queries.as_of import as_of_or_end_of_today

DEFINITION = (
    "GitHub is asked again and again how many stars of a day still stand, and each number is compared with the one "
    "before. **Given**: the first number, plus every later increase. **Withdrawn**: every decrease. **Surviving**: "
    "given minus withdrawn, which is what GitHub reported last. Stars that were given and withdrawn before their day "
    "was first read are in none of them. A day reported as 10, then 8, then 9 counts 11 given, 2 withdrawn, 9 "
    "surviving. Days are those of America/Los_Angeles, as GitHub counts."
)
RETENTION_DEFINITION = (
    "One row is a month of giving, one column the age in months. The share is **surviving / given** of that month's "
    "stars as last read by the end of the month of that age; the last column of a row is today. Empty: the month had "
    "not been read by then. Of 14 stars given in January, with one of them gone by the end of February, 13 / 14 "
    "survive at age 1."
)
DELTAS_CTE = """deltas AS (
            SELECT day, captured_at,
                   stars - coalesce(lag(stars) OVER (PARTITION BY day ORDER BY captured_at), 0) AS delta
              FROM star_day
             WHERE repository_id = :repository_id AND captured_at <= :until
        )"""
"""SQL: each number reported of a day and what it adds to the one before."""


def ledger(repository_id: int, as_of: datetime | None, unit: str = "day") -> DataFrame:
    """Return given, withdrawn and surviving stars by day (or *unit* "month") of giving that had a star, oldest first.

    day                          timestamp, midnight (UTC) of the day or of the month's first
    given, withdrawn, surviving  int
    first_read_at, changed_at    timestamps: the first response, the last one that differed
    """
    sql = f"""
        WITH {DELTAS_CTE}
        SELECT date_trunc(:unit, day::timestamp) AT TIME ZONE 'UTC' AS day,
               sum(greatest(delta, 0))::bigint AS given, sum(greatest(-delta, 0))::bigint AS withdrawn,
               sum(delta)::bigint AS surviving, min(captured_at) AS first_read_at, max(captured_at) AS changed_at
          FROM deltas
         GROUP BY 1 ORDER BY 1
    """  # noqa: S608
    return read_frame(sql, repository_id=repository_id, until=as_of_or_end_of_today(as_of), unit=unit)


def retention(repository_id: int, as_of: datetime | None) -> DataFrame:
    """Return the retention triangle: one row per month of giving and age that had been read by then, oldest first.

    month             timestamp, midnight (UTC) of the first day of the month of giving
    age               int, months after it; the last one is not over
    given, surviving  int, of that month's stars as last read by the end of the month of that age
    share             float from 0 to 1, surviving / given
    """
    sql = f"""
        WITH {DELTAS_CTE}, by_response AS (
            SELECT date_trunc('month', day::timestamp) AS month, captured_at,
                   sum(greatest(delta, 0)) AS given, sum(delta) AS surviving
              FROM deltas
             GROUP BY 1, 2
        ), totals AS (
            SELECT month, captured_at, sum(given) OVER in_order AS given, sum(surviving) OVER in_order AS surviving,
                   lead(captured_at) OVER in_order AS next_at
              FROM by_response
            WINDOW in_order AS (PARTITION BY month ORDER BY captured_at)
        ), read AS (
            SELECT date_trunc('month', max(at) AT TIME ZONE 'America/Los_Angeles') AS month
              FROM (SELECT max(captured_at) AS at FROM deltas
                     UNION ALL
                    SELECT captured_at FROM enrichment
                     WHERE repository_id = :repository_id AND kind = 'star_history' AND captured_at <= :until) AS times
        )
        SELECT totals.month AT TIME ZONE 'UTC' AS month,
               ((extract(year FROM ended) - extract(year FROM totals.month)) * 12
                + extract(month FROM ended) - extract(month FROM totals.month))::int AS age,
               given::bigint AS given, surviving::bigint AS surviving, (surviving / nullif(given, 0))::float AS share
          FROM totals
         CROSS JOIN read
         CROSS JOIN generate_series(totals.month, read.month, interval '1 month') AS ended
         WHERE captured_at < (ended + interval '1 month') AT TIME ZONE 'America/Los_Angeles'
           AND (next_at IS NULL OR next_at >= (ended + interval '1 month') AT TIME ZONE 'America/Los_Angeles')
         ORDER BY totals.month, age
    """  # noqa: S608
    return read_frame(sql, repository_id=repository_id, until=as_of_or_end_of_today(as_of))
