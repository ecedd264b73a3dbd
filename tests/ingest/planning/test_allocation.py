"""Allocation of a budget: it is never exceeded, and misses no more changes than equal intervals would."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.planning import change_rate
from ingest.planning.allocation import AccountArrays, IntervalBounds, allocate

BOUNDS = IntervalBounds(1 / 24, 7.0)
one_account = st.tuples(
    st.floats(1e-4, 1e5),
    st.floats(0.01, 100),
    st.sampled_from([0.04, 0.08, 0.4, 2.0, 5.0, 61.0]),
    st.just(math.nan) | st.just(math.nan) | st.floats(1 / 24, 7),
)
accounts = st.lists(one_account, min_size=1, max_size=40).map(lambda rows: AccountArrays(*np.array(rows).T.copy()))
shares = st.floats(0.001, 5)


def budget_share(known, share):
    """Return a share of the cost of refreshing every account once a day."""
    return float(known.cost.sum()) * share


def is_unpinned(known):
    return np.isnan(known.pinned)


def pinned_cost(known):
    return float((known.cost / known.pinned)[~is_unpinned(known)].sum())


@given(accounts, shares)
def test_the_budget_is_never_exceeded(known, share):
    budget = budget_share(known, share)
    made = allocate(known, budget, BOUNDS)
    assert made.cost_per_day == pytest.approx(float((known.cost / made.intervals).sum()))
    # Pins are an admin's choice: dearer ones than the budget leave a tenth of it for the others.
    assert made.cost_per_day <= max(budget, pinned_cost(known) + budget * 0.1) * (1 + 2e-6)


@given(accounts, shares)
def test_bounds_are_kept_when_the_budget_allows(known, share):
    made = allocate(known, budget_share(known, share), BOUNDS)
    assert (made.intervals[is_unpinned(known)] >= BOUNDS.floor * (1 - 1e-12)).all()
    assert (made.intervals[is_unpinned(known)] <= made.bounds.ceiling * (1 + 1e-12)).all()
    if made.slowdown == 1:
        assert made.bounds == BOUNDS
    else:
        assert made.bounds.ceiling >= BOUNDS.ceiling


@given(accounts, shares)
def test_pinned_intervals_are_kept(known, share):
    made = allocate(known, budget_share(known, share), BOUNDS)
    assert (made.intervals[~is_unpinned(known)] == known.pinned[~is_unpinned(known)]).all()


def expected_missed_changes(known, intervals):
    """Return the weighted changes missed at any moment on average, which `allocate` minimizes."""
    return float((known.weight * known.changes_per_day * intervals).sum() / 2)


@given(accounts, shares)
def test_no_more_changes_are_missed_than_with_equal_intervals(known, share):
    known = AccountArrays(known.changes_per_day, known.weight, known.cost, np.full(len(known.cost), np.nan))
    budget = budget_share(known, share)
    uniform = max(float(known.cost.sum()) / budget, BOUNDS.floor)
    made = allocate(known, budget, BOUNDS)
    assert expected_missed_changes(known, made.intervals) <= expected_missed_changes(
        known, np.full(len(known.cost), uniform)
    ) * (1 + 1e-5)


@given(accounts, shares, st.data())
def test_shifting_budget_between_two_accounts_gains_nothing(known, share, data):
    """At the shadow price, moving budget from one account to another misses no fewer changes."""
    made = allocate(known, budget_share(known, share), BOUNDS)
    inside = np.flatnonzero(
        is_unpinned(known) & (made.intervals > made.bounds.floor * 1.01) & (made.intervals < made.bounds.ceiling * 0.99)
    )
    if len(inside) < 2:
        return
    first, second = data.draw(st.permutations(list(inside)))[:2]
    every = made.intervals.copy()
    spent = known.cost[first] / every[first] * 1e-3
    every[first] = known.cost[first] / (known.cost[first] / every[first] + spent)
    every[second] = known.cost[second] / (known.cost[second] / every[second] - spent)
    if every[second] > 0:
        assert expected_missed_changes(known, every) >= expected_missed_changes(known, made.intervals) * (1 - 1e-9)


@given(accounts, shares, st.floats(1, 100))
def test_more_changes_never_lengthen_the_interval(known, share, factor):
    before = allocate(known, budget_share(known, share), BOUNDS)
    faster = AccountArrays(known.changes_per_day.copy(), known.weight, known.cost, known.pinned)
    faster.changes_per_day[0] *= factor
    after = allocate(faster, budget_share(known, share), BOUNDS)
    assert after.intervals[0] <= before.intervals[0] * (1 + 1e-4)


@given(accounts, shares, st.floats(1, 100))
def test_more_weight_never_lengthens_the_interval(known, share, factor):
    before = allocate(known, budget_share(known, share), BOUNDS)
    heavier = AccountArrays(known.changes_per_day, known.weight.copy(), known.cost, known.pinned)
    heavier.weight[0] *= factor
    after = allocate(heavier, budget_share(known, share), BOUNDS)
    assert after.intervals[0] <= before.intervals[0] * (1 + 1e-4)


@given(accounts, shares)
def test_more_budget_never_lengthens_an_interval(known, share):
    """A budget that was short first goes to accounts above the ceiling."""
    less = allocate(known, budget_share(known, share), BOUNDS)
    more = allocate(known, budget_share(known, share) * 1.5, BOUNDS)
    assert more.bounds.ceiling <= less.bounds.ceiling
    if less.slowdown == 1:
        assert (more.intervals <= less.intervals * (1 + 1e-4)).all()


@given(accounts, shares, st.floats(1e-3, 1e3))
def test_only_proportions_matter(known, share, factor):
    """Scaling all rates, all weights or the point value gives the same intervals."""
    budget = budget_share(known, share)
    before = allocate(known, budget, BOUNDS).intervals
    for other, paid in (
        (AccountArrays(known.changes_per_day * factor, known.weight, known.cost, known.pinned), budget),
        (AccountArrays(known.changes_per_day, known.weight * factor, known.cost, known.pinned), budget),
        (AccountArrays(known.changes_per_day, known.weight, known.cost * factor, known.pinned), budget * factor),
    ):
        assert np.allclose(allocate(other, paid, BOUNDS).intervals, before, rtol=1e-4)


@given(accounts, shares)
def test_the_shadow_price_alone_gives_each_accounts_interval(known, share):
    """The plan equals the interval that each refresh computes for itself."""
    made = allocate(known, budget_share(known, share), BOUNDS)
    for index in np.flatnonzero(is_unpinned(known)):
        mine = (float(column[index]) for column in (known.changes_per_day, known.weight, known.cost))
        found = change_rate.optimal_interval(*mine, made.shadow_price, made.bounds.floor, made.bounds.ceiling)
        assert found == pytest.approx(float(made.intervals[index]), rel=1e-6)


def test_every_interval_is_at_the_floor_when_the_budget_allows():
    known = AccountArrays(np.array([1.0, 50.0]), np.ones(2), np.ones(2), np.full(2, np.nan))
    made = allocate(known, 1000.0, BOUNDS)
    assert (made.intervals == BOUNDS.floor).all()
    assert made.cost_per_day == 48


def test_a_short_budget_keeps_high_priority_accounts_fresher():
    known = AccountArrays(np.ones(10), np.array([64.0, *[1.0] * 9]), np.ones(10), np.full(10, np.nan))
    made = allocate(known, 0.7, BOUNDS)
    assert made.slowdown == pytest.approx(10 / 7 / 0.7)
    assert made.cost_per_day <= 0.7
    assert made.intervals[0] < made.intervals[1]


def test_without_tracked_accounts_nothing_is_planned():
    nothing = np.array([])
    made = allocate(AccountArrays(nothing, nothing, nothing, nothing), 10.0, BOUNDS)
    assert (len(made.intervals), made.cost_per_day, made.slowdown) == (0, 0, 1)


@settings(max_examples=20)
@given(st.integers(0, 2**31))
def test_simulated_counts_are_fresher_than_with_equal_intervals(seed):
    """Simulate random growth for 90 days at the same budget, with rates estimated from refreshes alone."""
    assert error_ratio(seed, spread=1.5) < 1


@settings(max_examples=10)
@given(st.integers(0, 2**31))
def test_equal_change_rates_lose_almost_nothing(seed):
    assert error_ratio(seed, spread=0.0) < 1.25


def error_ratio(seed, *, spread):
    """Return the mean error of planned intervals relative to three-day intervals with as many refreshes."""
    chance = np.random.default_rng(seed)
    rate = chance.lognormal(1, spread, 60) if spread else np.full(60, 3.0)
    truth = np.cumsum(chance.poisson(rate, (120, 60)), axis=0)
    paces = [change_rate.ChangeRate(float(one)) for one in np.maximum(truth[29] / 30, 0.01)]
    stored, last, due, errors, refreshes = truth[29].copy(), np.full(60, 29.0), np.full(60, 0.0), [], 0
    known = AccountArrays(
        np.array([one.changes_per_day for one in paces]), np.ones(60), np.ones(60), np.full(60, np.nan)
    )
    price = allocate(known, 20.0, IntervalBounds(1, 30)).shadow_price
    due = 29 + chance.random(60) * [
        change_rate.optimal_interval(one.changes_per_day, 1, 1, price, 1, 30) for one in paces
    ]
    for day in range(30, 120):
        for index in np.flatnonzero(due <= day)[:20]:
            paces[index] = paces[index].updated(day - last[index], float(truth[day, index] - stored[index]))
            stored[index], last[index] = truth[day, index], day
            due[index] += change_rate.optimal_interval(paces[index].changes_per_day, 1, 1, price, 1, 30)
            refreshes += 1
        errors.append(np.abs(truth[day] - stored).mean())
    assert refreshes <= 20 * 90
    turn = np.arange(60) % 3
    every_third = [
        np.mean([truth[day, index] - truth[day - (day - turn[index]) % 3, index] for index in range(60)])
        for day in range(30, 120)
    ]
    return float(np.mean(errors) / np.mean(every_third))
