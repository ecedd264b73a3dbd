"""Milestones: a range only where a line fits."""

import pytest

from core.analysis.milestones import forecast

WEEKS = [7 * week for week in range(9)]  # 0 to 56 days


def test_a_straight_line_has_one_day():
    """10 stars a day, 560 now: 1,000 in 44 days."""
    found = forecast([(day, 10 * day) for day in WEEKS], 1_000)
    assert found.earliest_days == pytest.approx(44)
    assert found.latest_days == pytest.approx(44)


def test_noise_widens_the_range():
    """Hand arithmetic: ±5 around 10 a day over nine weeks.

    Days 0, 7 … 56: mean 28, spread 49 × 60 = 2,940. Residuals +5 −5 … +5 sum to 5 and are symmetric, so the slope
    stays 10; about their mean 5/9 their squares sum to 225 − 25/9 = 222.2. Error √(222.2 / 7 / 2940) = 0.1039. The last
    count is 565, 435 remain: 435 / 10.208 = 42.6 to 435 / 9.792 = 44.4 days.
    """
    found = forecast([(day, 10 * day + (5 if index % 2 == 0 else -5)) for index, day in enumerate(WEEKS)], 1_000)
    assert found.earliest_days == pytest.approx(42.61, abs=0.01)
    assert found.latest_days == pytest.approx(44.42, abs=0.01)


def test_without_a_good_fit_there_is_no_range():
    assert forecast([(day, 10 * day) for day in WEEKS[:7]], 1_000).reason == "too few counts"
    assert forecast([(day / 10, day) for day in WEEKS], 1_000).reason == "too few counts"
    jump = [(day, 0 if day < 50 else 500) for day in WEEKS]
    assert forecast(jump, 1_000).reason == "uneven growth"
    assert forecast([(day, 5) for day in WEEKS], 10).reason == "uneven growth"
    assert forecast([(day, day / 7) for day in WEEKS], 100).reason == "more than a year"
