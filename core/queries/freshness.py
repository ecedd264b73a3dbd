"""Freshness: the age of each tracked account's last capture against the account's own interval.

The only definition of "on time", for pages, `/metrics`, alerts and `python -m core check`. When an account is due next
plays no part: every failed attempt moves that time.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text

from core.db.frames import read_frame
from core.settings import settings

if TYPE_CHECKING:
    from pandas import DataFrame

MAX_INTERVALS = 2
"""An account is on time while its last capture is at most so many of its own intervals old: a longer time is a gap."""
MIN_SHARE_ON_TIME = 0.9
"""A smaller share of the accounts on time deserves a warning."""
DEFINITION = (
    "**On time**: the account's last successful refresh is at most two of its own intervals old. Accounts that were "
    "never refreshed are not on time; paused accounts do not count, nor do those that were deleted or made private."
)

INTERVAL_SQL = "coalesce(cadence, planned_cadence, CAST(:every AS interval))"
"""How often a tracked account is refreshed; *every* is the default cadence."""

# account.checked_at is the time of the account's last capture, written in the same transaction.
FRESHNESS_CTE = f"""freshness AS (
            SELECT account_id, login, checked_at, failures, {INTERVAL_SQL} AS every,
                   CASE WHEN paused THEN 'paused' WHEN gone_at IS NOT NULL THEN 'deleted'
                        WHEN checked_at IS NULL THEN 'never'
                        WHEN checked_at < CAST(:now AS timestamptz) - {MAX_INTERVALS} * {INTERVAL_SQL} THEN 'overdue'
                        ELSE 'on_time' END AS state
              FROM tracked_account
              JOIN account ON account.id = account_id
        )"""  # noqa: S608

COUNTS = "state NOT IN ('paused', 'deleted')"
"""Which rows of `freshness` count: a deleted account has no next capture that could be late."""

COUNTS_SQL = f"""
        WITH {FRESHNESS_CTE}
        SELECT count(*) AS tracked,
               count(*) FILTER (WHERE state = 'on_time') AS on_time,
               count(*) FILTER (WHERE state = 'overdue') AS overdue,
               count(*) FILTER (WHERE state = 'never') AS never,
               count(*) FILTER (WHERE failures > 0) AS failing,
               count(*) FILTER (WHERE state = 'never' AND failures > 0) AS never_failing
          FROM freshness
         WHERE {COUNTS}
    """  # noqa: S608


@dataclass(frozen=True)
class FreshnessCounts:
    """Tracked accounts that are neither paused nor deleted: each is on time, overdue or never refreshed.

    failing        those whose last attempt failed; they are counted by their last capture all the same
    never_failing  those of them that were never refreshed
    """

    tracked: int
    on_time: int
    overdue: int
    never: int
    failing: int
    never_failing: int = 0

    @property
    def late(self) -> int:
        """Return how many accounts are not on time."""
        return self.tracked - self.on_time

    @property
    def share_on_time(self) -> float | None:
        """Return the share of accounts that are on time, from 0 to 1; None without accounts."""
        return self.on_time / self.tracked if self.tracked else None


def freshness_counts(connection: Connection, now: datetime, every: timedelta) -> FreshnessCounts:
    """Count the tracked accounts by freshness; *every* is the default cadence."""
    row = connection.execute(text(COUNTS_SQL), {"now": now, "every": every}).one()
    return FreshnessCounts(**row._mapping)


def account_freshness(now: datetime, *, only_late: bool = False) -> "DataFrame":
    """Return the freshness of each tracked account: one row per account, oldest first. Not cached.

    only_late  leave out deleted accounts, and those that are on time, or paused, and do not fail

    login              text
    checked_at         timestamp of the last capture; null before the first
    age_hours          float
    every_hours        float, its own interval
    state              on_time, overdue, never (refreshed), paused or deleted (or private)
    failures           int, in a row
    """
    sql = f"""
        WITH {FRESHNESS_CTE}
        SELECT login, checked_at,
               (extract(epoch FROM CAST(:now AS timestamptz) - checked_at) / 3600)::float AS age_hours,
               (extract(epoch FROM every) / 3600)::float AS every_hours, state, failures
          FROM freshness
         WHERE NOT :only_late OR state IN ('overdue', 'never') OR failures > 0 AND state <> 'deleted'
         ORDER BY checked_at NULLS FIRST, lower(login)
    """  # noqa: S608
    return read_frame(sql, fresh=True, now=now, every=settings().refresh_every, only_late=only_late)
