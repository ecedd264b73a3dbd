"""How long a repository has been quiet, measured by its own usual interval between pushes (pure)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

MIN_INTERVALS = 5
DEFINITION = (
    "The time since the last push, up to the last refresh, divided by the median interval between the pushes that our "
    "refreshes have seen. Of several pushes between two refreshes only the last one is seen, so the usual interval is "
    f"never shorter than that between refreshes. With fewer than {MIN_INTERVALS} intervals it is not measured."
)


@dataclass(frozen=True)
class Dormancy:
    """Time since the last push, the usual interval, and their quotient."""

    quiet: timedelta
    usual: timedelta

    @property
    def ratio(self) -> float:
        return self.quiet / self.usual


def dormancy(pushes: Iterable[datetime], at: datetime) -> Dormancy | None:
    """Measure how quiet it is *at* a time after *pushes*, in any order; None below MIN_INTERVALS intervals."""
    known = sorted({push for push in pushes if push <= at})
    intervals = [after - before for before, after in pairwise(known)]
    if len(intervals) < MIN_INTERVALS:
        return None
    usual = timedelta(seconds=median(interval.total_seconds() for interval in intervals))
    return Dormancy(at - known[-1], usual)


def quiet_sentence(found: Dormancy) -> str:
    """Return `Quiet for 3.2 times its usual interval`, or that a push is not due yet."""
    if found.ratio < 1:
        return "Pushed within its usual interval"
    return f"Quiet for {found.ratio:,.1f} times its usual interval"
