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
from ingest.refresh.diff import Counts, HeldAccount, Plan, counts_of

DAY = timedelta(days=1)
FLOOR, CEILING = timedelta(hours=1), timedelta(days=7)
# A rate wanders: its logarithm takes a step with this variance each day, so that old looks count ever less.
DRIFT_PER_DAY = 0.01
# Stars come in clumps: so many together tell as much as one alone would.
CLUMP = 4.0
LOOKS_NEEDED = 3
"""Looks at what happened in between; until then the default cadence holds."""
LEAST_PER_DAY = 1e-4
USUAL_PER_STAR = 5e-4
USUAL_PER_DAY = 0.05
STEPS_OF_PRIORITY = 8


@dataclass(frozen=True)
class Pace:
    """How fast something changes: a Gamma distribution by its mean and its shape, and how many looks it comes from."""

    per_day: float
    shape: float = 1.0
    looks: int = 0

    @property
    def is_known(self) -> bool:
        return self.looks >= LOOKS_NEEDED

    def seen(self, days: float, changes: float, *, at_least: bool = False) -> "Pace":
        """Learn from one look, *days* after the last one.

        *at_least* says that *changes* is not a count: so many things differ, each changed once or more often.
        """
        if days <= 0:
            return self
        if at_least and changes:
            changes = max(changes, expected_of_some(self.per_day * days))
        shape = self.shape / (1 + self.shape * DRIFT_PER_DAY * days)
        known_days = shape * CLUMP / self.per_day
        per_day = max((shape * CLUMP + changes) / (known_days + days), LEAST_PER_DAY)
        return Pace(per_day, max(per_day * (known_days + days) / CLUMP, LEAST_PER_DAY), self.looks + 1)


@dataclass(frozen=True)
class Look:
    """What one look saw: the days since the last one (None: it is the first), what changed, and what there is now."""

    days: float | None
    changes: int
    at_least: bool
    stars: int
    repositories: int


def usual(stars: int) -> Pace:
    """What to expect of an account that nobody has watched yet."""
    return Pace(USUAL_PER_DAY + USUAL_PER_STAR * max(stars, 0))


def expected_of_some(expected: float) -> float:
    """How many changes are to be expected where *expected* were and one at least is known to have happened."""
    return 1.0 if expected < 1e-9 else expected / -math.expm1(-expected)


def importance(priority: int, stars: int) -> float:
    """How much one change we do not hold weighs: twice as much a step of priority, more the more stars there are."""
    step = max(-STEPS_OF_PRIORITY, min(priority, STEPS_OF_PRIORITY))
    return float(2.0**step) * math.log10(10 + max(stars, 0))


def interval(per_day: float, weight: float, cost: float, price: float, floor: float, ceiling: float) -> float:
    """Days until the next look, where a look is worth *price* a unit of cost.

    Held for x days, *per_day*·x/2 changes are missed on average; a look every x days costs *cost*/x a day. The sum
    of what is missed is least where a day more of it saves everybody the same: x = √(2·price·cost / (weight·per_day)).
    """
    return min(max(math.sqrt(2 * price * cost / (weight * per_day)), floor), ceiling)


def look(held: HeldAccount, plan: Plan, at: datetime, repositories: Sequence[Repository]) -> Look:
    """Tell what a look at an account and its *repositories* saw, by what has to be written after it."""
    days = (at - held.checked_at) / DAY if held.checked_at else None
    stars = sum(one.stars or 0 for one in repositories)
    moved = {one.github_id: _moved(held.repositories[one.github_id].counts, counts_of(one)) for one in plan.counts}
    counted = sum(moved.values())
    different = {github_id for github_id, by in moved.items() if not by} | {one.github_id for one in plan.details}
    others = len(different) + len(plan.new) + len(plan.missing)
    if plan.totals and held.counts:
        counted += abs((plan.totals.followers or 0) - (held.counts.followers or 0))
    if plan.totals and not counted and not others:
        others = 1
    return Look(days, counted + others, not counted, stars, len(repositories))


def _moved(before: Counts | None, now: Counts) -> int:
    if before is None:
        return 0
    return abs((now.stars or 0) - (before.stars or 0)) + abs((now.forks or 0) - (before.forks or 0))
