"""Bursts: days with far more stars than usual, and the release or change nearest to them (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median

from core.wording import quantity

WINDOW_DAYS = 90
MIN_WINDOW_DAYS = 28
MIN_STARS = 10
THRESHOLD = 5
MAD_TO_DEVIATION = 1.4826  # of a normal distribution
MAX_DISTANCE_DAYS = 3
NOTHING_NEARBY = "no release or change nearby"
DEFINITION = (
    f"A day is part of a burst if it has at least {MIN_STARS} stars and more than the median of the {WINDOW_DAYS} days "
    f"before it plus {THRESHOLD} usual deviations. The usual deviation is 1.4826 times the median absolute deviation "
    "(MAD) of these days, but at least the square root of their median and at least 1. Days in a row are one burst. "
    f"The first {MIN_WINDOW_DAYS} days are not judged. Named is the nearest release or change of the repository, at "
    f"most {MAX_DISTANCE_DAYS} days before or after: near in time, not necessarily the cause. Days are those of "
    "America/Los_Angeles, as GitHub counts."
)


@dataclass(frozen=True)
class Burst:
    """Days in a row, first and last one included as positions, their stars, and those of the highest one."""

    first: int
    last: int
    stars: int
    peak: int
    usual: float


@dataclass(frozen=True)
class Event:
    """A release or a change of the repository."""

    day: date
    what: str


def find_bursts(stars: Sequence[int]) -> list[Burst]:
    """Return the bursts in *stars*, which holds one number for each day in a row, as DEFINITION says.

    `usual` is the median before the burst's first day.
    """
    bursts: list[Burst] = []
    for position in range(MIN_WINDOW_DAYS, len(stars)):
        usual = unusual_over(stars[max(0, position - WINDOW_DAYS) : position], stars[position])
        if usual is None:
            continue
        before = bursts[-1] if bursts and bursts[-1].last == position - 1 else None
        if before is None:
            bursts.append(Burst(position, position, stars[position], stars[position], usual))
        else:
            peak = max(before.peak, stars[position])
            bursts[-1] = Burst(before.first, position, before.stars + stars[position], peak, before.usual)
    return bursts


def unusual_over(window: Sequence[int], count: int) -> float | None:
    """Return the median of *window* if *count* stands out from it; else None."""
    if count < MIN_STARS:
        return None
    middle = median(window)
    deviation = median(abs(one - middle) for one in window)
    scale = max(MAD_TO_DEVIATION * deviation, middle**0.5, 1)
    return float(middle) if count > middle + THRESHOLD * scale else None


def nearest_event(first: date, last: date, events: Sequence[Event]) -> Event | None:
    """Return the nearest event to the days *first* to *last*, at most MAX_DISTANCE_DAYS away; of two the earlier."""
    near = [(_distance(first, last, event.day), event.day, event.what) for event in events]
    near = [one for one in near if one[0] <= MAX_DISTANCE_DAYS]
    if not near:
        return None
    _, day, what = min(near)
    return Event(day, what)


def explanation(first: date, last: date, event: Event | None) -> str:
    """Say what was near in time: `release v1.0 two days before`, `no release or change nearby`."""
    if event is None:
        return NOTHING_NEARBY
    distance = _distance(first, last, event.day)
    if distance == 0:
        return f"{event.what} on {event.day:%Y-%m-%d}"
    return f"{event.what} {quantity(distance, 'day')} {'before' if event.day < first else 'after'}"


def _distance(first: date, last: date, day: date) -> int:
    return max((first - day).days, (day - last).days, 0)
