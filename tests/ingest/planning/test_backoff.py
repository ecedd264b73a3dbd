"""Due times after a success and after failures."""

import random
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ingest.planning.backoff import JITTER, next_due_at, retry_due_at

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
intervals = st.timedeltas(timedelta(hours=1), timedelta(days=7))


@given(intervals, st.integers())
def test_the_next_refresh_has_jitter_around_the_interval(every, seed):
    due = next_due_at(NOW, every, random.Random(seed))
    assert every * (1 - JITTER) <= due - NOW <= every * (1 + JITTER)


@given(intervals, st.integers(1, 1000), st.none() | st.timedeltas(timedelta(0), timedelta(hours=2)))
def test_retries_back_off_and_never_come_before_not_before(every, failures, wait):
    not_before = None if wait is None else NOW + wait
    due = retry_due_at(NOW, every, failures, not_before)
    assert due > NOW
    assert due <= retry_due_at(NOW, every, failures + 1, not_before)
    assert not_before is None or due >= not_before
    assert due - NOW <= max(every, timedelta(days=1), wait or timedelta(0))


def test_accounts_that_failed_together_are_retried_at_different_times():
    """GitHub was unavailable for all accounts at the same time."""
    rng = random.Random(7)
    dues = {retry_due_at(NOW, timedelta(hours=6), 1, rng=rng) for _ in range(100)}
    assert len(dues) == 100
    assert NOW + timedelta(minutes=5) <= min(dues)
    assert max(dues) <= NOW + timedelta(minutes=5, seconds=30)
