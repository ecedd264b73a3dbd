"""Due times after a successful refresh and after failures, without I/O."""

import random
from datetime import datetime, timedelta

MAX_RETRY_DELAY = timedelta(days=1)
MIN_RETRY_DELAY = timedelta(minutes=5)
JITTER = 0.05


def next_due_at(now: datetime, interval: timedelta, rng: random.Random) -> datetime:
    """Return when to refresh again after a success: after *interval*, give or take `JITTER` of it.

    The jitter spreads out accounts that were added together.
    """
    return now + timedelta(seconds=interval.total_seconds() * (1 + rng.uniform(-JITTER, JITTER)))


def retry_due_at(
    now: datetime,
    interval: timedelta,
    failures: int,
    not_before: datetime | None = None,
    rng: random.Random | None = None,
) -> datetime:
    """Return when to retry after *failures* in a row: exponential backoff, never before *not_before*.

    The delay never exceeds *interval* or one day. With *rng* it gets jitter, which spreads accounts that failed
    together.
    """
    delay = min(MIN_RETRY_DELAY * (1 << min(failures - 1, 12)), max(interval, MIN_RETRY_DELAY), MAX_RETRY_DELAY)
    due_at = max(now + delay, not_before) if not_before else now + delay
    return due_at + delay * rng.uniform(0, 2 * JITTER) if rng else due_at
