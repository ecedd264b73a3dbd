"""Change rates estimated from refreshes, without taking many changes for one."""

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.planning.change_rate import (
    MIN_CHANGES_PER_DAY,
    ChangeRate,
    default_change_rate,
    expected_given_at_least_one,
    importance,
    optimal_interval,
)

rates = st.floats(1e-4, 1e5)
change_rates = st.builds(ChangeRate, changes_per_day=rates, shape=st.floats(1e-3, 1e4), samples=st.integers(0, 1000))
days = st.floats(1 / 1440, 400)


def learned_rate(rate, every, refreshes, *, seed=1, at_least=False):
    """Estimate a rate from *refreshes* refreshes, one every *every* days, of an account that changes at *rate*."""
    chance = random.Random(seed)
    estimate = default_change_rate(0)
    for _ in range(refreshes):
        changes = poisson_count(chance, rate * every)
        estimate = estimate.updated(every, min(changes, 1) if at_least else changes, at_least=at_least)
    return estimate


def poisson_count(chance, mean):
    at, count = chance.expovariate(1), 0
    while at < mean:
        at, count = at + chance.expovariate(1), count + 1
    return count


@pytest.mark.parametrize("rate", [0.1, 1, 30, 400])
def test_the_star_rate_is_estimated_at_any_interval(rate):
    """The estimate may be a quarter low, which shifts an interval by an eighth."""
    for every in (0.25, 1, 7):
        refreshes = max(60, round(60 / every))
        found = [learned_rate(rate, every, refreshes, seed=seed).changes_per_day for seed in range(20)]
        assert sum(found) / len(found) == pytest.approx(rate, rel=0.3)


@pytest.mark.parametrize("every", [0.5, 1.0, 2.0])
def test_many_changes_between_two_refreshes_do_not_count_as_one(every):
    """It changes 1.5 times a day; most refreshes only see that something differs."""
    found = [learned_rate(1.5, every, 200, seed=seed, at_least=True).changes_per_day for seed in range(30)]
    naive = (1 - 2.718281828 ** (-1.5 * every)) / every
    assert sum(found) / len(found) == pytest.approx(1.5, rel=0.25)
    assert abs(sum(found) / len(found) - 1.5) < abs(naive - 1.5) or every == 0.5


def test_an_unchanging_account_gets_a_low_rate():
    estimate = ChangeRate(100.0)
    for _ in range(60):
        estimate = estimate.updated(1.0, 0)
    assert estimate.changes_per_day < 2


def test_a_burst_is_detected_within_a_few_refreshes():
    estimate = ChangeRate(1.0, shape=10.0, samples=60)
    for _ in range(3):
        estimate = estimate.updated(1.0, 500)
    assert estimate.changes_per_day > 100


@given(change_rates, days, st.integers(0, 10**7), st.booleans())
def test_an_updated_rate_stays_within_bounds(estimate, elapsed, changes, at_least):
    after = estimate.updated(elapsed, changes, at_least=at_least)
    assert MIN_CHANGES_PER_DAY <= after.changes_per_day < 1e12
    assert 0 < after.shape < 1e12
    assert after.samples == estimate.samples + 1


@given(change_rates, days, st.integers(0, 10**6), st.integers(1, 1000))
def test_more_changes_never_lower_the_rate(estimate, elapsed, changes, more):
    assert (
        estimate.updated(elapsed, changes).changes_per_day <= estimate.updated(elapsed, changes + more).changes_per_day
    )


@given(change_rates, days)
def test_a_refresh_without_changes_never_raises_the_rate(estimate, elapsed):
    assert estimate.updated(elapsed, 0).changes_per_day <= max(
        estimate.changes_per_day * (1 + 1e-9), MIN_CHANGES_PER_DAY
    )


def test_a_clock_set_back_leaves_the_rate_unchanged():
    estimate = ChangeRate(3.0, 2.0, 5)
    assert estimate.updated(-1, 1000) == estimate
    assert estimate.updated(0, 1000) == estimate


@given(st.floats(0, 1e6))
def test_an_expected_count_given_a_change_is_at_least_one(expected):
    assert expected_given_at_least_one(expected) >= max(1, expected) * (1 - 1e-12)


@given(st.integers(-100, 100), st.integers(0, 10**7), st.integers(1, 10**6))
def test_priority_and_stars_raise_an_accounts_weight(priority, stars, more):
    assert importance(priority, stars) <= importance(priority + 1, stars)
    assert importance(priority, stars) < importance(priority, stars + more) or more < stars
    assert importance(priority, -5) > 0


@given(rates, st.floats(0.1, 100), st.floats(0.01, 100), st.floats(1e-6, 1e6))
def test_an_interval_stays_within_bounds_and_shrinks_with_missed_changes(changes_per_day, weight, cost, price):
    bounds = timedelta(hours=1) / timedelta(days=1), 7.0
    found = optimal_interval(changes_per_day, weight, cost, price, *bounds)
    assert bounds[0] <= found <= bounds[1]
    assert optimal_interval(changes_per_day * 2, weight, cost, price, *bounds) <= found
    assert optimal_interval(changes_per_day, weight * 2, cost, price, *bounds) <= found
    assert optimal_interval(changes_per_day, weight, cost * 2, price, *bounds) >= found
