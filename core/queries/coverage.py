"""Freshness and coverage of the stored data, computed from captures alone, never from change-only rows."""

from dataclasses import dataclass
from datetime import datetime

from core.db.frames import read_frame, single_record

DEFINITION = (
    "**Last refreshed**: the newest successful refresh of any account. **Coverage**: the share of tracked account-days "
    "with a successful refresh over the last 30 days, since each account was first refreshed."
)


@dataclass(frozen=True)
class DataState:
    """How recent and how complete the stored data are.

    latest_capture_at   newest capture of any source; None before the first
    coverage            share from 0 to 1 of tracked account-days with a capture, over 30 days, each account from its
                        first one; None without any
    """

    latest_capture_at: datetime | None
    coverage: float | None


def freshness_and_coverage(until: datetime, *, in_the_past: bool) -> DataState:
    """Return the newest capture before *until* and the coverage of the 30 days before it."""
    sql = """
        WITH refreshed AS (
            SELECT capture.account_id, (captured_at AT TIME ZONE 'UTC')::date AS day
              FROM capture
              JOIN tracked_account USING (account_id)
             WHERE source_id = 1 AND NOT paused
               AND captured_at BETWEEN CAST(:until AS timestamptz) - interval '30 days' AND :until
             GROUP BY 1, 2
        ), each AS (
            SELECT count(*) AS days,
                   (CAST(:until AS timestamptz) AT TIME ZONE 'UTC')::date - min(day) + 1 AS possible
              FROM refreshed GROUP BY account_id
        )
        SELECT greatest(
                   (SELECT max(checked_at) FROM account WHERE checked_at <= :until),
                   (SELECT max(last_at) FROM repository_import WHERE last_at <= :until),
                   -- For the past: `checked_at` above has only the newest capture.
                   (SELECT max(captured_at) FROM repository_snapshot
                     WHERE captured_at <= :until AND captured_at > CAST(:until AS timestamptz) - interval '4 months'
                       AND CAST(:in_the_past AS boolean))) AS latest_capture_at,
               (SELECT (sum(days) / nullif(sum(possible), 0))::float FROM each) AS coverage
    """
    return single_record(read_frame(sql, until=until, in_the_past=in_the_past), DataState)
