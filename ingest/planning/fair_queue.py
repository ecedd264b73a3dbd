"""Weighted fair queueing of the kinds of facts that spend one rate limit of one token; no I/O.

Each turn is one small job of one kind. The kind comes first that has spent least for its weight; what was spent is
forgotten with a half-life, so a kind that had nothing to do cannot claim the past. Subjects that somebody opened lately
come before all others, until they have taken their share.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from core.queue.enrichment import MAX_SUBJECTS, FactKind

HALF_LIFE = timedelta(hours=2)
PEOPLE_SHARE = 0.75
"""Share of the spending up to which subjects that somebody opened lately come first."""
TURN_SHARE = 0.02
"""Share of an hour's rate limit that one turn may spend."""


@dataclass(frozen=True)
class HourlyLimit:
    """A rate limit of a token: requests or points per hour, and what is left of them."""

    limit: int
    remaining: int
    is_anonymous: bool = False

    def available_to(self, kind: FactKind) -> int:
        """Return what *kind* may spend before its reserve is reached."""
        return max(0, self.remaining - round(self.limit * kind.reserve_for(is_anonymous=self.is_anonymous)))

    @property
    def turn_cost(self) -> int:
        return max(1, round(self.limit * TURN_SHARE))


@dataclass(frozen=True)
class Spending:
    """Requests or points spent lately, by kind: all, and what of it was for people."""

    by_kind: Mapping[str, float] = field(default_factory=dict)
    for_people: float = 0.0

    @property
    def total(self) -> float:
        return sum(self.by_kind.values())


@dataclass(frozen=True)
class Turn:
    """A turn that *kind* may take, if it has something due: of what somebody opened lately, or of everything."""

    kind: FactKind
    for_people: bool
    max_cost: int

    @property
    def max_subjects(self) -> int:
        return min(MAX_SUBJECTS, self.max_cost * self.kind.batch_size)


def turns(kinds: Sequence[FactKind], spending: Spending, hourly: HourlyLimit) -> Iterator[Turn]:
    """Yield the turns in the order in which they come; the first with something due is taken.

    No turn is worth less than half a usual one, or it would be a job for a single request: none is yielded then.
    """
    order = [
        Turn(kind, False, min(hourly.turn_cost, available))
        for kind in by_deficit(kinds, spending)
        if (available := hourly.available_to(kind)) and 2 * available >= hourly.turn_cost
    ]
    of_people = [replace(turn, for_people=True) for turn in order]
    yield from of_people + order if spending.for_people <= PEOPLE_SHARE * spending.total else order + of_people


def by_deficit(kinds: Sequence[FactKind], spending: Spending) -> list[FactKind]:
    """Sort *kinds*: first the one that spent least for its weight, of equal ones the weightier."""
    return sorted(kinds, key=lambda kind: (spending.by_kind.get(kind.name, 0.0) / kind.weight, -kind.weight))
