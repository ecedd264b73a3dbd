"""How counts grow: pure functions of identity and time."""

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
    """People who gather around something created at *created_at*: stars or followers.

    The count only moves at ticks, every *step* seconds, so that the time of the last change is known.
    """

    created_at: int
    step: int
    final: float
    tau_days: float
    shape: float
    per_day: float = 0.0
    popularity_wave: PopularityWave | None = None
    fake_stars: FakeStars | None = None

    def last_change_at(self, timestamp: int) -> int:
        """Return the last time up to *timestamp* at which the count may have changed."""
        return self.created_at + max(timestamp - self.created_at, 0) // self.step * self.step

    def organic_count(self, timestamp: int) -> float:
        """Count lasting stars or followers until the tick before *timestamp*."""
        age = (self.last_change_at(timestamp) - self.created_at) / DAY
        total = self.final * (1.0 - exp(-((age / self.tau_days) ** self.shape))) + self.per_day * age
        return total + self.popularity_wave.total(age) if self.popularity_wave else total

    def count(self, timestamp: int, *, seen_at: int | None = None) -> int:
        """Count those who came until *timestamp* and were still there at *seen_at* (default: *timestamp*)."""
        total = self.organic_count(timestamp)
        if self.fake_stars:
            seen = self.last_change_at(timestamp if seen_at is None else seen_at)
            total += self.fake_stars.total(
                (self.last_change_at(timestamp) - self.created_at) / DAY, (seen - self.created_at) / DAY
            )
        return int(total)


@dataclass(frozen=True, slots=True)
class PushSchedule:
    """Times of pushes: one in every *every* seconds, at a random time, until *last*."""

    number: int
    created_at: int
    every: int
    last: int

    def push(self, timestamp: int) -> tuple[int, int]:
        """Return index and time of the last push up to *timestamp*; push 0 is the creation."""
        slot = (min(timestamp, self.last) - self.created_at) // self.every
        while slot > 0 and self.timestamp(slot) > min(timestamp, self.last):
            slot -= 1
        return (slot, self.timestamp(slot)) if slot > 0 else (0, self.created_at)

    def next(self, timestamp: int) -> int | None:
        """Return the time of the next push after *timestamp*, or None."""
        slot = self.push(timestamp)[0] + 1
        following = self.timestamp(slot)
        return following if following <= self.last else None

    def timestamp(self, slot: int) -> int:
        """Return the time of the push in that slot."""
        return self.created_at + int((slot + 0.9 * hash_fraction(self.number, slot)) * self.every)


@dataclass(frozen=True, slots=True)
class CodeContents:
    """The contents of a repository: kilobytes, and bytes of each language at full size."""

    number: int
    size_kb: int
    languages: dict[str, int] = field(default_factory=dict)
    recounted: bool = False
    """Whether the languages are reported as they are, whatever the repository's age."""

    def maturity(self, age_seconds: int) -> float:
        return 1.0 - 0.9 * exp(-age_seconds / (600 * DAY))

    def size_at(self, push: int, age_seconds: int) -> int:
        return int(self.size_kb * self.maturity(age_seconds)) + push % 3 + 1

    def languages_after_push(self, push: int, age_seconds: int) -> dict[str, int]:
        """Return bytes by language after push number *push*, most bytes first."""
        if self.recounted:
            return dict(sorted(self.languages.items(), key=lambda item: (item[1], item[0]), reverse=True))
        grown = self.maturity(age_seconds)
        sizes = {
            name: int(size * grown * (1.0 + 0.03 * hash_fraction(self.number + index, push))) + 1
            for index, (name, size) in enumerate(self.languages.items())
        }
        return dict(sorted(sizes.items(), key=lambda item: (item[1], item[0]), reverse=True))
