"""How counts grow: pure functions of who somebody is and what moment it is."""

from dataclasses import dataclass, field
from math import exp

from ingest.sandbox.world.seeded_random import hash_fraction

DAY = 86400


@dataclass(frozen=True, slots=True)
class PopularityWave:
    """A wave of attention that returns every *period* days, lasts *length* days and leaves *size* stars behind."""

    size: float
    period: float
    length: float
    phase: float

    def total(self, age: float) -> float:
        return self._until(age + self.phase) - self._until(self.phase)

    def _until(self, days: float) -> float:
        waves, rest = divmod(days, self.period)
        return self.size * (waves + min(rest / self.length, 1.0))


@dataclass(frozen=True, slots=True)
class FakeStars:
    """Stars that were bought at an age of *begin* days and taken away by GitHub at *purge*."""

    count: int
    begin: float
    purge_age_days: float

    def total(self, age: float, seen_at: float) -> float:
        if seen_at >= self.purge_age_days or age < self.begin:
            return 0.0
        return self.count * min((age - self.begin) / 3.0, 1.0)


@dataclass(frozen=True, slots=True)
class GrowthCurve:
    """People who gather around something born at *born*: stars or followers.

    The count only moves at ticks, every *step* seconds, so that a moment of last change can be told.
    """

    created_at: int
    step: int
    final: float
    tau_days: float
    shape: float
    per_day: float = 0.0
    popularity_wave: PopularityWave | None = None
    fake_stars: FakeStars | None = None

    def last_change_at(self, moment: int) -> int:
        """Return the last moment up to *moment* at which the count may have moved."""
        return self.created_at + max(moment - self.created_at, 0) // self.step * self.step

    def organic_count(self, moment: int) -> float:
        """Tell how many came for good until the tick before *moment*."""
        age = (self.last_change_at(moment) - self.created_at) / DAY
        total = self.final * (1.0 - exp(-((age / self.tau_days) ** self.shape))) + self.per_day * age
        return total + self.popularity_wave.total(age) if self.popularity_wave else total

    def count(self, moment: int, *, seen_at: int | None = None) -> int:
        """Count who came until *moment* and was still there at *seen_at* (default: the same moment)."""
        total = self.organic_count(moment)
        if self.fake_stars:
            seen = self.last_change_at(moment if seen_at is None else seen_at)
            total += self.fake_stars.total(
                (self.last_change_at(moment) - self.created_at) / DAY, (seen - self.created_at) / DAY
            )
        return int(total)


@dataclass(frozen=True, slots=True)
class PushSchedule:
    """When somebody pushed: once in every *every* seconds, at a moment of its own, until *last*."""

    number: int
    created_at: int
    every: int
    last: int

    def push(self, moment: int) -> tuple[int, int]:
        """Return index and moment of the last push up to *moment*; the first push has index 0 and is the birth."""
        slot = (min(moment, self.last) - self.created_at) // self.every
        while slot > 0 and self.moment(slot) > min(moment, self.last):
            slot -= 1
        return (slot, self.moment(slot)) if slot > 0 else (0, self.created_at)

    def next(self, moment: int) -> int | None:
        """Return the moment of the next push after *moment*, None when there is none."""
        slot = self.push(moment)[0] + 1
        following = self.moment(slot)
        return following if following <= self.last else None

    def moment(self, slot: int) -> int:
        """Return when somebody pushed in that slot."""
        return self.created_at + int((slot + 0.9 * hash_fraction(self.number, slot)) * self.every)


@dataclass(frozen=True, slots=True)
class CodeContents:
    """What is in a repository: kilobytes and bytes of each language when it is grown up."""

    number: int
    size_kb: int
    languages: dict[str, int] = field(default_factory=dict)

    def maturity(self, age_seconds: int) -> float:
        return 1.0 - 0.9 * exp(-age_seconds / (600 * DAY))

    def size_at(self, push: int, age_seconds: int) -> int:
        return int(self.size_kb * self.maturity(age_seconds)) + push % 3 + 1

    def languages_checked_at(self, push: int, age_seconds: int) -> dict[str, int]:
        """Return bytes by language after push number *push*, most bytes first."""
        grown = self.maturity(age_seconds)
        sizes = {
            name: int(size * grown * (1.0 + 0.03 * hash_fraction(self.number + index, push))) + 1
            for index, (name, size) in enumerate(self.languages.items())
        }
        return dict(sorted(sizes.items(), key=lambda item: (item[1], item[0]), reverse=True))
