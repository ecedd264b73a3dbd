"""Pure: how fast an account changes, learned from look to look, and how long it may wait for the next one.

What a look sees is a sum: how many stars came and went, how many other things differ. Counting looks that saw a change
would take a thousand stars between two looks for one. Where only "something differs" is known, it stands for as many
changes as are to be expected between two looks that differ, which is more than one the longer they are apart.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ingest.github.api.models import Repository
from ingest.refresh.diff import AccountDiff, RepositoryCounts, StoredAccount, counts_of

DAY = timedelta(days=1)
MIN_INTERVAL, MAX_INTERVAL = timedelta(hours=1), timedelta(days=7)
# A rate wanders: its logarithm takes a step with this variance each day, so that old looks count ever less.
LOG_RATE_VARIANCE_PER_DAY = 0.01
# Stars come in clumps: so many together tell as much as one alone would.
OVERDISPERSION = 4.0
MIN_OBSERVATIONS = 3
"""Looks at what happened in between; until then the default cadence holds."""
MIN_CHANGES_PER_DAY = 1e-4
DEFAULT_CHANGES_PER_STAR = 5e-4
DEFAULT_CHANGES_PER_DAY = 0.05
MAX_PRIORITY_STEPS = 8


@dataclass(frozen=True)
class ChangeRate:
    """How fast something changes: a Gamma distribution by its mean and its shape, and how many looks it comes from."""

    changes_per_day: float
    shape: float = 1.0
    looks: int = 0

    @property
    def is_reliable(self) -> bool:
        return self.looks >= MIN_OBSERVATIONS

    def seen(self, days: float, changes: float, *, at_least: bool = False) -> "ChangeRate":
        """Learn from one look, *days* after the last one.

        *at_least* says that *changes* is not a count: so many things differ, each changed once or more often.
        """
        if days <= 0:
            return self
        if at_least and changes:
            changes = max(changes, expected_given_at_least_one(self.changes_per_day * days))
        shape = self.shape / (1 + self.shape * LOG_RATE_VARIANCE_PER_DAY * days)
        known_days = shape * OVERDISPERSION / self.changes_per_day
        per_day = max((shape * OVERDISPERSION + changes) / (known_days + days), MIN_CHANGES_PER_DAY)
        return ChangeRate(
            per_day, max(per_day * (known_days + days) / OVERDISPERSION, MIN_CHANGES_PER_DAY), self.looks + 1
        )


@dataclass(frozen=True)
class ChangeObservation:
    """What one look saw: the days since the last one (None: it is the first), what changed, and what there is now."""

    days: float | None
    changes: int
    at_least: bool
    stars: int
    repositories: int


def default_change_rate(stars: int) -> ChangeRate:
    """What to expect of an account that nobody has watched yet."""
    return ChangeRate(DEFAULT_CHANGES_PER_DAY + DEFAULT_CHANGES_PER_STAR * max(stars, 0))


def expected_given_at_least_one(expected: float) -> float:
    """How many changes are to be expected where *expected* were and one at least is known to have happened."""
    return 1.0 if expected < 1e-9 else expected / -math.expm1(-expected)


def importance(priority: int, stars: int) -> float:
    """How much one change we do not hold weighs: twice as much a step of priority, more the more stars there are."""
    step = max(-MAX_PRIORITY_STEPS, min(priority, MAX_PRIORITY_STEPS))
    return float(2.0**step) * math.log10(10 + max(stars, 0))


def optimal_interval(per_day: float, weight: float, cost: float, price: float, floor: float, ceiling: float) -> float:
    """Days until the next look, where a look is worth *price* a unit of cost.

    Held for x days, *per_day*·x/2 changes are missed on average; a look every x days costs *cost*/x a day. The sum
    of what is missed is least where a day more of it saves everybody the same: x = √(2·price·cost / (weight·per_day)).
    """
    return min(max(math.sqrt(2 * price * cost / (weight * per_day)), floor), ceiling)


def observe_changes(
    held: StoredAccount, plan: AccountDiff, at: datetime, repositories: Sequence[Repository]
) -> ChangeObservation:
    """Tell what a look at an account and its *repositories* saw, by what has to be written after it."""
    days = (at - held.checked_at) / DAY if held.checked_at else None
    stars = sum(one.stars or 0 for one in repositories)
    moved = {
        one.github_id: _count_difference(held.repositories[one.github_id].counts, counts_of(one)) for one in plan.counts
    }
    counted = sum(moved.values())
    different = {github_id for github_id, by in moved.items() if not by} | {one.github_id for one in plan.details}
    others = len(different) + len(plan.new) + len(plan.missing)
    if plan.totals and held.counts:
        counted += abs((plan.totals.followers or 0) - (held.counts.followers or 0))
    if plan.totals and not counted and not others:
        others = 1
    return ChangeObservation(days, counted + others, not counted, stars, len(repositories))


def _count_difference(before: RepositoryCounts | None, now: RepositoryCounts) -> int:
    if before is None:
        return 0
    return abs((now.stars or 0) - (before.stars or 0)) + abs((now.forks or 0) - (before.forks or 0))
