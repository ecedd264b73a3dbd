"""Coverage: on which days the accounts were captured. Read from captures alone, never from change-only rows."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from pandas import DataFrame

from core.db.frames import first_value, read_frame
from core.queries import captures
from core.queries.as_of import as_of_or_end_of_today

WINDOW_DAYS = 30
DEFINITION = (
    "**Last refreshed**: the newest successful refresh of any account. **Coverage**: the share of tracked account-days "
    f"with a successful refresh over the last {WINDOW_DAYS} days (UTC), since each account was first refreshed; paused "
    "and deleted accounts do not count."
)

TRACKED_ACCOUNTS = (
    "SELECT account_id FROM tracked_account JOIN account ON account.id = account_id"
    " WHERE NOT paused AND gone_at IS NULL"
)
ONE_ACCOUNT = "SELECT CAST(:account_id AS bigint) AS account_id"

# Refreshes of the accounts in `covered` per day.
REFRESHES = f"""refreshes AS (
            SELECT (captured_at AT TIME ZONE 'UTC')::date AS day, count(DISTINCT account_id) AS refreshed
              FROM (SELECT account_id, CAST(:first_at AS timestamptz) AS from_at, {captures.AFTER_UNTIL} AS to_at
                      FROM covered) AS span
             CROSS JOIN LATERAL ({captures.CAPTURES_OF_SPAN}) AS own
             GROUP BY 1
        )"""  # noqa: S608
# The same for nearly all accounts: `capture_day` has the closed days of all, and few captures are of other accounts.
REFRESHES_OF_TRACKED = f"""closed AS (
            SELECT (least(closed_until, {captures.AFTER_UNTIL}) AT TIME ZONE 'UTC')::date AS before
              FROM source WHERE id = 1 AND closed_until IS NOT NULL
        ), of_others AS (
            SELECT (captured_at AT TIME ZONE 'UTC')::date AS day, count(DISTINCT account_id) AS refreshed
              FROM (SELECT id AS account_id, CAST(:first_at AS timestamptz) AS from_at,
                           (SELECT before FROM closed)::timestamptz AS to_at
                      FROM account WHERE id NOT IN (SELECT account_id FROM covered)) AS span
             CROSS JOIN LATERAL ({captures.CAPTURES_OF_SPAN}) AS own
             GROUP BY 1
        ), refreshes AS (
            SELECT day, capture_day.accounts - coalesce(of_others.refreshed, 0) AS refreshed
              FROM capture_day
              LEFT JOIN of_others USING (day)
             WHERE day >= (CAST(:first_at AS timestamptz) AT TIME ZONE 'UTC')::date
               AND day < (SELECT before FROM closed)
             UNION ALL
            SELECT (captured_at AT TIME ZONE 'UTC')::date, count(DISTINCT account_id)
              FROM (SELECT account_id, {captures.AFTER_UNTIL} AS to_at,
                           greatest(CAST(:first_at AS timestamptz), (SELECT before FROM closed)::timestamptz) AS from_at
                      FROM covered) AS span
             CROSS JOIN LATERAL ({captures.CAPTURES_OF_SPAN}) AS own
             GROUP BY 1
        )"""  # noqa: S608


@dataclass(frozen=True)
class DataState:
    """How recent and how complete the stored data are.

    latest_capture_at   newest capture of any source; None before the first
    coverage            share from 0 to 1, as DEFINITION says; None before the first refresh
    """

    latest_capture_at: datetime | None
    coverage: float | None


def freshness_and_coverage(until: datetime) -> DataState:
    """Return the newest capture by *until* and the coverage of the 30 days before it."""
    return DataState(captures.newest_capture_at(until), covered_share(daily_coverage(until, WINDOW_DAYS)))


def was_refreshed(as_of: datetime | None) -> bool:
    """Return whether any account was refreshed by *as_of*; imported history does not count."""
    sql = f"""
        SELECT EXISTS (
                   SELECT FROM account WHERE {captures.FIRST_CAPTURE_AT} <= :until) AS is_refreshed
    """  # noqa: S608
    return bool(first_value(read_frame(sql, until=as_of_or_end_of_today(as_of))))


def daily_coverage(until: datetime, days: int) -> DataFrame:
    """Count the tracked accounts that were refreshed on each of the *days* days (UTC) up to that of *until*.

    day        date
    refreshed  accounts with a successful refresh on that day, by *until*
    accounts   tracked accounts that are neither paused nor deleted and were first refreshed on that day or before
    share      refreshed / accounts; null before the first refresh
    """
    return _daily_coverage(TRACKED_ACCOUNTS, until, days, refreshes=REFRESHES_OF_TRACKED)


def account_coverage(account_id: int, as_of: datetime | None) -> float | None:
    """Return the coverage of one account, tracked or not, over the 30 days up to that of *as_of*.

    None while we have not refreshed it; imported history does not count.
    """
    until = as_of_or_end_of_today(as_of)
    return covered_share(_daily_coverage(ONE_ACCOUNT, until, WINDOW_DAYS, account_id=account_id))


def covered_share(days: DataFrame) -> float | None:
    """Return the share of account-days in *days*, a frame of `daily_coverage`, with a refresh; None without any."""
    account_days = int(days["accounts"].sum())
    return int(days["refreshed"].sum()) / account_days if account_days else None


def _daily_coverage(
    accounts: str, until: datetime, days: int, *, refreshes: str = REFRESHES, **values: Any
) -> DataFrame:
    sql = f"""
        WITH covered AS MATERIALIZED (
            SELECT account_id, (first_at AT TIME ZONE 'UTC')::date AS first_day
              FROM (SELECT account_id, {captures.FIRST_CAPTURE_AT} AS first_at
                      FROM ({accounts}) AS chosen
                      JOIN account ON account.id = account_id) AS first
             WHERE first_at <= :until
        ), {refreshes}, started AS (
            SELECT greatest(first_day, (CAST(:first_at AS timestamptz) AT TIME ZONE 'UTC')::date) AS day,
                   count(*) AS accounts
              FROM covered GROUP BY 1
        ), day AS (
            SELECT day::date FROM generate_series(CAST(:first_at AS timestamptz) AT TIME ZONE 'UTC',
                                                  CAST(:until AS timestamptz) AT TIME ZONE 'UTC', '1 day') AS day
        ), counted AS (
            SELECT day, coalesce(refreshed, 0) AS refreshed,
                   (coalesce(sum(accounts) OVER (ORDER BY day), 0))::bigint AS accounts
              FROM day
              LEFT JOIN refreshes USING (day)
              LEFT JOIN started USING (day)
        )
        SELECT day, refreshed, accounts, refreshed::float / nullif(accounts, 0) AS share FROM counted ORDER BY day
    """  # noqa: S608
    first_day = until.astimezone(UTC).date() - timedelta(days=days - 1)
    return read_frame(sql, until=until, first_at=datetime.combine(first_day, time.min, UTC), **values)
