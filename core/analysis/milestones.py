"""When a repository may reach its next round number of stars: a straight line through its last counts, or no answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

MIN_POINTS, MIN_SPAN_DAYS, MIN_FIT = 8, 28.0, 0.9
MAX_DAYS = 365.0
DEFINITION = (
    "The next of 1, 2, 5, 10, 20, 50 and so on. A straight line is fitted to the star counts of the 90 days before the "
    f"last refresh (least squares). A range is given only where the line fits: at least {MIN_POINTS} counts over "
    f"{MIN_SPAN_DAYS:.0f} days, R² from {MIN_FIT}, and the range ends within a year. It is what remains "
    "divided by the slope plus and minus two standard errors, from the last refresh on."
)


@dataclass(frozen=True)
class Forecast:
    """In how many days after the last count the milestone may be reached; or why there is no answer."""

    earliest_days: float | None = None
    latest_days: float | None = None
    reason: str = ""


def forecast(points: Sequence[tuple[float, float]], milestone: float) -> Forecast:
    """Extend the line through *points* (day, stars; oldest first) to *milestone*."""
    if len(points) < MIN_POINTS or points[-1][0] - points[0][0] < MIN_SPAN_DAYS:
        return Forecast(reason="too few counts")
    count = len(points)
    mean_day, mean = (sum(values) / count for values in zip(*points, strict=True))
    spread = sum((day - mean_day) ** 2 for day, _ in points)
    total = sum((stars - mean) ** 2 for _, stars in points)
    slope = sum((day - mean_day) * (stars - mean) for day, stars in points) / spread
    rest = sum((stars - mean - slope * (day - mean_day)) ** 2 for day, stars in points)
    error = sqrt(rest / (count - 2) / spread)
    if not total or 1 - rest / total < MIN_FIT or slope - 2 * error <= 0:
        return Forecast(reason="uneven growth")
    remaining = milestone - points[-1][1]
    earliest, latest = remaining / (slope + 2 * error), remaining / (slope - 2 * error)
    return Forecast(earliest, latest) if latest <= MAX_DAYS else Forecast(reason="more than a year")
