"""Ticks that are whole and distinct, one definition for all figures.

Plotly's own ticks suit continuous values: over counts of 0 to 3 it writes 0, 500m, 1, 1.5.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count
from math import ceil, floor
from typing import Any

import pandas as pd
from pandas import Series

from core.wording import quantity

MAX_TICKS = 5
MIN_TIME_SPAN = timedelta(days=1)
STEPS = (1, 2, 5)
UNITS = ((1_000_000_000, "B", 3), (1_000_000, "M", 2), (1_000, "k", 1))  # with the most digits after the point
FULL_NUMBERS_BELOW = 10_000
# A logarithmic axis has ticks at powers of ten if its values differ by this factor, at 1, 2, 5 … if by the second.
POWERS_FROM, STEPS_FROM = 100, 5
HEADROOM = 1.05
UNIT_SINGULARS = {
    **{"repositories": "repository", "bytes": "byte", "stars": "star", "followers": "follower", "forks": "fork"},
    **{"watchers": "watcher", "open issues": "open issue", "open change requests": "open change request"},
    **{"commits": "commit", "contributions": "contribution", "views": "view"},
    "open issues and change requests": "open issue or change request",
}


def count_with_unit(value: float, unit: str) -> str:
    """Return `1 star`, `1,234 stars`, nothing for a missing value; *unit* is the plural."""
    if pd.isna(value):
        return ""
    return quantity(value, UNIT_SINGULARS.get(unit, unit), unit)


def count_ticks(low: float, high: float, most: int = MAX_TICKS) -> list[int]:
    """Return at most *most* whole numbers at equal distances, at least two, around the values *low* to *high*."""
    for power in count():
        for factor in STEPS:
            step = factor * 10**power
            first, last = floor(low / step), ceil(high / step)
            last = max(last, first + 1)
            if last - first < most:
                return [number * step for number in range(first, last + 1)]
    raise AssertionError("unreachable: steps grow without end")


def tick_labels(values: Sequence[int]) -> list[str]:
    """Write *values* in one unit, short where that is exact: `0`, `1.5M`, `3M`, else in full: `1,234,567`."""
    largest = max(map(abs, values), default=0)
    for size, suffix, digits in UNITS:
        if largest >= max(size, FULL_NUMBERS_BELOW) and all(value * 10**digits % size == 0 for value in values):
            return [f"{_short(value / size, digits)}{suffix}" if value else "0" for value in values]
    return [f"{value:,}".replace("-", "−") for value in values]


def log_labels(values: Sequence[int]) -> list[str]:
    """Write *values* each in its own unit: `1`, `100`, `10k`, `1M`."""
    return [tick_labels([value])[0] for value in values]


def _short(value: float, digits: int) -> str:
    return f"{value:,.{digits}f}".rstrip("0").rstrip(".").replace("-", "−")


def count_axis(low: float, high: float) -> dict[str, Any]:
    """Return the settings of a linear axis of counts that holds *low* to *high*."""
    ticks = count_ticks(low, high)
    return {**_labelled(ticks), "range": [min(low, ticks[0]), max(high * HEADROOM if low == 0 else high, ticks[-1])]}


def largest(values: "Series[Any]") -> float:
    """Return the largest of *values*, 0 where there is none."""
    known = values.dropna()
    return float(known.max()) if len(known) else 0.0


def log_axis(values: Sequence[int]) -> dict[str, Any]:
    """Return the settings of a logarithmic axis of counts from 1."""
    low, high = max(1, min(values, default=1)), max(1, max(values, default=1))
    if high < STEPS_FROM * low:
        ticks = [tick for tick in count_ticks(low, high) if tick > 0]
    else:
        steps = STEPS if high < POWERS_FROM * low else (1,)
        series = [step * 10**power for power in range(len(str(high)) + 1) for step in steps]
        # One tick outside on either side.
        first = max((tick for tick in series if tick <= low), default=1)
        last = min(tick for tick in series if tick >= high)
        ticks = [tick for tick in series if first <= tick <= last]
    return {"type": "log", "tickmode": "array", "tickvals": ticks, "ticktext": log_labels(ticks)}


def share_axis() -> dict[str, Any]:
    """Return the settings of an axis from 0 to 100 percent."""
    ticks = range(0, 101, 25)
    return {"range": [0, 100], "tickvals": list(ticks), "ticktext": [f"{tick}\N{NO-BREAK SPACE}%" for tick in ticks]}


def time_range(first: datetime, last: datetime) -> list[datetime] | None:
    """Return the range of a time axis whose values lie within less than a day: a day around them. Else None."""
    if last - first >= MIN_TIME_SPAN:
        return None
    middle = first + (last - first) / 2
    return [middle - MIN_TIME_SPAN / 2, middle + MIN_TIME_SPAN / 2]


def _labelled(ticks: Sequence[int]) -> dict[str, Any]:
    return {"tickmode": "array", "tickvals": list(ticks), "ticktext": tick_labels(ticks)}
