"""Dormancy: time since the last push, in units of the usual interval."""

from datetime import timedelta
from statistics import median

from hypothesis import given
from hypothesis import strategies as st

from core.analysis import dormancy
from tests.seed_data import utc


def test_sixteen_days_are_three_point_two_intervals_of_five_days():
    """Pushes on the 1st, 6th, 11th, 16th, 21st and 30th: intervals 5, 5, 5, 5, 9 days, median 5; 16 days later."""
    pushes = [utc(f"2026-01-{day:02d}") for day in (16, 1, 6, 11, 21, 30)]
    found = dormancy.dormancy(pushes, utc("2026-02-15"))
    assert (found.quiet, found.usual) == (timedelta(days=16), timedelta(days=5))
    assert dormancy.quiet_sentence(found) == "Quiet for 3.2 times its usual interval"
    assert dormancy.quiet_sentence(dormancy.dormancy(pushes, utc("2026-02-01"))) == "Pushed within its usual interval"


def test_with_few_pushes_it_is_not_measured():
    pushes = [utc(f"2026-01-{day:02d}") for day in (1, 2, 3, 4, 5)]
    assert dormancy.dormancy(pushes, utc("2026-02-01")) is None
    assert dormancy.dormancy([*pushes, utc("2026-03-01")], utc("2026-02-01")) is None  # the last is in the future


@given(st.sets(st.integers(1, 400), min_size=6, max_size=30), st.integers(0, 100))
def test_the_usual_interval_is_the_median(days, later):
    start = utc("2025-01-01")
    found = dormancy.dormancy([start + timedelta(days=day) for day in days], start + timedelta(days=max(days) + later))
    ordered = sorted(days)
    usual = median(ordered[index] - ordered[index - 1] for index in range(1, len(ordered)))
    assert (found.quiet.days, found.usual / timedelta(days=1)) == (later, usual)
