"""Change rate of an account, estimated from one refresh to the next, and the interval that follows from it.

A refresh observes a count: how many stars were gained or lost, how many other things differ. Counting only whether a
refresh found any change would take a thousand stars between two refreshes for one. Where only "something differs" is
known, it counts as the expected number of changes between two refreshes that differ, which grows with their distance.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ingest.github.api.models import Repository
from ingest.refresh.diff import AccountDiff, RepositoryCounts, StoredAccount, counts_of

DAY = timedelta(days=1)
MIN_INTERVAL, MAX_INTERVAL = timedelta(hours=1), timedelta(days=7)
# Rates drift: the logarithm of a rate takes a step with this variance each day, so older observations weigh less.
LOG_RATE_VARIANCE_PER_DAY = 0.01
# Stars arrive in clusters: this many together carry as much information as one alone would.
OVERDISPERSION = 4.0
MIN_SAMPLES = 3
"""Refreshes with an observation that an estimate needs; until then the default cadence applies."""
MIN_CHANGES_PER_DAY = 1e-4
DEFAULT_CHANGES_PER_STAR = 5e-4
DEFAULT_CHANGES_PER_DAY = 0.05
MAX_PRIORITY_STEPS = 8


@dataclass(frozen=True)
class ChangeRate:
    """Estimated rate of change: the mean and shape of a Gamma distribution, and the number of samples behind it."""

    changes_per_day: float
    shape: float = 1.0
    samples: int = 0

    @property
    def is_reliable(self) -> bool:
        return self.samples >= MIN_SAMPLES

    def updated(self, days: float, changes: float, *, at_least: bool = False) -> "ChangeRate":
        """Return the estimate after a refresh *days* after the previous one that found *changes*.

        *at_least*: *changes* is a lower bound, as each thing that differs may have changed more than once.
        """
        if days <= 0:
            return self
        if at_least and changes:
            changes = max(changes, expected_given_at_least_one(self.changes_per_day * days))
        shape = self.shape / (1 + self.shape * LOG_RATE_VARIANCE_PER_DAY * days)
        prior_days = shape * OVERDISPERSION / self.changes_per_day
        per_day = max((shape * OVERDISPERSION + changes) / (prior_days + days), MIN_CHANGES_PER_DAY)
        new_shape = max(per_day * (prior_days + days) / OVERDISPERSION, MIN_CHANGES_PER_DAY)
        return ChangeRate(per_day, new_shape, self.samples + 1)


@dataclass(frozen=True)
class ChangeObservation:
    """Days since the previous refresh (None: this is the first), the changes that this one found, and totals now."""

    days: float | None
    changes: int
    at_least: bool
    stars: int
    repositories: int


def default_change_rate(stars: int) -> ChangeRate:
    """Return the estimate for an account with *stars* that has no observation yet."""
    return ChangeRate(DEFAULT_CHANGES_PER_DAY + DEFAULT_CHANGES_PER_STAR * max(stars, 0))


def expected_given_at_least_one(expected: float) -> float:
    """Return the mean of a Poisson count with mean *expected*, given that it is at least 1."""
    return 1.0 if expected < 1e-9 else expected / -math.expm1(-expected)


@overload
def importance(priority: int, stars: int) -> float: ...
@overload
def importance(priority: NDArray[Any], stars: NDArray[Any]) -> NDArray[np.float64]: ...
def importance(priority: Any, stars: Any) -> Any:
    """Return the weight of one missed change, of one account or elementwise of many.

    It doubles with each step of *priority* (capped at ±8) and grows with the logarithm of *stars*.
    """
    steps = np.clip(np.asarray(priority, np.float64), -MAX_PRIORITY_STEPS, MAX_PRIORITY_STEPS)
    return 2.0**steps * np.log10(10.0 + np.maximum(stars, 0))


def optimal_interval(
    changes_per_day: float, weight: float, cost: float, price: float, floor: float, ceiling: float
) -> float:
    """Return the days until the next refresh at the shadow price *price* per unit of cost.

    With an interval of x days, *changes_per_day*·x/2 changes are missed on average and the refreshes cost *cost*/x per
    day. The weighted sum is minimal where all accounts have the same marginal value per unit of cost:
    x = √(2·price·cost / (weight·changes_per_day)), clipped to *floor* and *ceiling*.
    """
    return min(max(math.sqrt(2 * price * cost / (weight * changes_per_day)), floor), ceiling)


def observe_changes(
    stored: StoredAccount, diff: AccountDiff, at: datetime, repositories: Sequence[Repository]
) -> ChangeObservation:
    """Derive the observation of a refresh at *at* from the *diff* between *stored* and the response."""
    days = (at - stored.checked_at) / DAY if stored.checked_at else None
    stars = sum(one.stars or 0 for one in repositories)
    count_changes = {
        one.github_id: _count_difference(stored.repositories[one.github_id].counts, counts_of(one))
        for one in diff.counts
    }
    counted = sum(count_changes.values())
    different = {github_id for github_id, by in count_changes.items() if not by} | {
        one.github_id for one in diff.details
    }
    others = len(different) + len(diff.new) + len(diff.missing)
    if diff.totals and stored.counts:
        counted += abs((diff.totals.followers or 0) - (stored.counts.followers or 0))
    if diff.totals and not counted and not others:
        others = 1
    return ChangeObservation(days, counted + others, not counted, stars, len(repositories))


def _count_difference(before: RepositoryCounts | None, now: RepositoryCounts) -> int:
    if before is None:
        return 0
    return abs((now.stars or 0) - (before.stars or 0)) + abs((now.forks or 0) - (before.forks or 0))
