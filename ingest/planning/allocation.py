"""Allocation of a rate budget over many accounts that minimizes missed changes; numpy arrays, no I/O.

Rates are per day, costs in the budget's unit (points or requests), intervals in days.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

MAX_ITERATIONS = 60
RELATIVE_TOLERANCE = 1e-6
# Pinned intervals are paid first, but they never take everything: the other accounts would never be refreshed.
MIN_UNPINNED_SHARE = 0.1
# Where even the longest interval is too expensive, the least important accounts wait at most this many times longer.
MAX_CEILING_FACTOR = 4.0


@dataclass(frozen=True)
class IntervalBounds:
    """Shortest and longest interval, in days."""

    floor: float
    ceiling: float


@dataclass(frozen=True)
class AccountArrays:
    """One value per account, all in the same order; `pinned` is NaN where no interval was set by hand."""

    changes_per_day: FloatArray
    weight: FloatArray
    cost: FloatArray
    pinned: FloatArray


@dataclass(frozen=True)
class Allocation:
    """Intervals in days, and the shadow price, cost per day and bounds they result from."""

    intervals: FloatArray
    shadow_price: float
    cost_per_day: float
    bounds: IntervalBounds
    slowdown: float
    """Factor by which a uniform ceiling would exceed the given one; 1 where the budget pays for the ceiling."""


def allocate(accounts: AccountArrays, budget: float, bounds: IntervalBounds) -> Allocation:
    """Choose a refresh interval for each account such that all refreshes cost at most *budget* per day.

    Minimizes the sum of weight · rate · interval / 2: the changes on GitHub that are not stored yet, at any moment.
    All unpinned intervals follow from one shadow price, clipped to the bounds. Pinned intervals are kept; their cost
    is subtracted first, up to nine tenths of the budget.
    """
    is_free = np.isnan(accounts.pinned)
    pinned_cost = float((accounts.cost[~is_free] / accounts.pinned[~is_free]).sum())
    left = max(budget - pinned_cost, budget * MIN_UNPINNED_SHARE)
    cost = accounts.cost[is_free]
    slowdown, bounds = _affordable_bounds(float(cost.sum()), left, bounds)
    # The interval at a shadow price is shape · √price.
    shape = np.sqrt(2 * cost / (accounts.weight[is_free] * accounts.changes_per_day[is_free]))
    root = _solve_sqrt_price(shape, cost, left, bounds)
    intervals = accounts.pinned.copy()
    intervals[is_free] = np.clip(shape * root, bounds.floor, bounds.ceiling)
    cost_per_day = float((cost / intervals[is_free]).sum()) + pinned_cost
    return Allocation(intervals, root**2, cost_per_day, bounds, slowdown)


def _affordable_bounds(cost: float, budget: float, bounds: IntervalBounds) -> tuple[float, IntervalBounds]:
    """Raise the ceiling where the budget does not pay for refreshing everything at the ceiling.

    The ceiling rises more than the budget requires, which leaves room to prefer important accounts.
    """
    if not cost:
        return 1.0, bounds
    slowdown = max(1.0, cost / bounds.ceiling / budget) if budget > 0 else np.inf
    ceiling = bounds.ceiling * slowdown * min(slowdown, MAX_CEILING_FACTOR)
    return float(slowdown), IntervalBounds(min(bounds.floor, ceiling), float(ceiling))


def _solve_sqrt_price(shape: FloatArray, cost: FloatArray, budget: float, bounds: IntervalBounds) -> float:
    """Bisect for the square root of the lowest shadow price at which the refreshes fit into *budget*."""
    if not len(shape):
        return 0.0
    if float(cost.sum()) / bounds.floor <= budget * (1 + RELATIVE_TOLERANCE):
        return 0.0  # the budget pays for the floor everywhere; a lower rate later keeps it there
    low, high = bounds.floor / float(shape.max()), bounds.ceiling / float(shape.min())
    for _ in range(MAX_ITERATIONS):
        middle = (low * high) ** 0.5
        if _cost_per_day(middle, shape, cost, bounds) > budget:
            low = middle
        else:
            high = middle
        if high / low - 1 < RELATIVE_TOLERANCE:
            break
    return high


def _cost_per_day(root: float, shape: FloatArray, cost: FloatArray, bounds: IntervalBounds) -> float:
    # In place: at a million accounts each temporary array is 8 MB.
    values: Any = shape * root
    np.clip(values, bounds.floor, bounds.ceiling, out=values)
    np.divide(cost, values, out=values)
    return float(values.sum())
