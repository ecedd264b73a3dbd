"""Pure: how a budget is spread over many accounts so that as little as possible of what changes is missed.

All at once, in arrays. Rates are a day, costs in the budget's unit, intervals in days.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

MAX_ITERATIONS = 60
RELATIVE_TOLERANCE = 1e-6
# Pins come first, but never all of it: what nobody pinned would never be looked at.
MIN_UNPINNED_SHARE = 0.1
# Where even the ceiling cannot be paid for, the least wanted wait up to so many times what all would.
MAX_STRETCH = 4.0


@dataclass(frozen=True)
class IntervalBounds:
    """Shortest and longest interval, in days."""

    floor: float
    ceiling: float


@dataclass(frozen=True)
class AccountArrays:
    """What is known of each account, in the same order; `pinned` is NaN where nobody said how often."""

    changes_per_day: FloatArray
    weight: FloatArray
    cost: FloatArray
    pinned: FloatArray


@dataclass(frozen=True)
class Allocation:
    """Intervals in days, and what they are made of: the price of a look, what all looks cost a day, the bounds kept."""

    every: FloatArray
    price: float
    cost: float
    bounds: IntervalBounds
    stretch: float
    """How many times the ceiling all would have to wait; 1 where the budget pays for it."""


def allocate(accounts: AccountArrays, budget: float, bounds: IntervalBounds) -> Allocation:
    """Choose how often to look at each account, for at most *budget* a day.

    Minimises the sum of weight · rate · interval / 2: the changes that GitHub has and we do not, at any moment. The
    intervals differ from those of one price for all only at the bounds. Pinned ones are kept as they are; what they
    cost is taken off first, up to nine tenths.
    """
    is_free = np.isnan(accounts.pinned)
    pinned_cost = float((accounts.cost[~is_free] / accounts.pinned[~is_free]).sum())
    left = max(budget - pinned_cost, budget * MIN_UNPINNED_SHARE)
    cost = accounts.cost[is_free]
    stretch, kept = _affordable_bounds(float(cost.sum()), left, bounds)
    # With this, the interval at a price is shape · √price.
    shape = np.sqrt(2 * cost / (accounts.weight[is_free] * accounts.changes_per_day[is_free]))
    root = _solve_sqrt_price(shape, cost, left, kept)
    every = accounts.pinned.copy()
    every[is_free] = np.clip(shape * root, kept.floor, kept.ceiling)
    spent = float((cost / every[is_free]).sum()) + pinned_cost
    return Allocation(every, root**2, spent, kept, stretch)


def _affordable_bounds(cost: float, budget: float, bounds: IntervalBounds) -> tuple[float, IntervalBounds]:
    """Move the ceiling up where looking at everything that seldom cannot be paid for.

    How far grows with how much is missing: from one interval for all to one that leaves room to choose.
    """
    if not cost:
        return 1.0, bounds
    stretch = max(1.0, cost / bounds.ceiling / budget) if budget > 0 else np.inf
    ceiling = bounds.ceiling * stretch * min(stretch, MAX_STRETCH)
    return float(stretch), IntervalBounds(min(bounds.floor, ceiling), float(ceiling))


def _solve_sqrt_price(shape: FloatArray, cost: FloatArray, budget: float, bounds: IntervalBounds) -> float:
    """Find the square root of the lowest price at which the budget is kept: the dearer looks are, the fewer."""
    if not len(shape):
        return 0.0
    if float(cost.sum()) / bounds.floor <= budget * (1 + RELATIVE_TOLERANCE):
        return 0.0  # who slows down later stays at the floor
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
    every: Any = shape * root
    np.clip(every, bounds.floor, bounds.ceiling, out=every)
    np.divide(cost, every, out=every)
    return float(every.sum())


def expected_missed_changes(accounts: AccountArrays, every: FloatArray) -> float:
    """Tell the weighted changes that are missed at any moment, on average: what `allocate` makes least."""
    return float((accounts.weight * accounts.changes_per_day * every).sum() / 2)
