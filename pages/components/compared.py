"""A number beside the one that it is compared with, in words."""

from datetime import datetime
from typing import Any

from pandas import to_datetime

from core.analysis import difference
from core.wording import signed
from pages.components.as_of import moment
from pages.components.format import day, number


def signed_percent(value: Any, before: Any) -> str:
    """Return the difference in percent, `+25.0 %`; nothing where there is none, or it is unknown."""
    share = difference.percent(value, before)
    return f"{signed(share, 1)}\N{NO-BREAK SPACE}%" if share else ""


def compared_with(before: Any, vs: datetime) -> str:
    """Return the value that is compared with, and its day: `vs 120 on 2025-03-31`."""
    return f"vs {number(before)} on {day(vs)}"


def in_brackets(value: Any, before: Any, vs: datetime | None) -> str:
    """Return ` (−30, −25.0 %, vs 120 on 2025-03-31)` for a sentence; nothing without *vs*."""
    if vs is None:
        return ""
    change = difference.difference(value, before)
    parts = [] if change is None else [signed(change), signed_percent(value, before)]
    return f" ({', '.join([*filter(None, parts), compared_with(before, vs)])})"


def dotted_hint(times: Any, vs: datetime) -> str:
    """Say what the dotted lines of a chart of these *times* are, or why there are none."""
    if (to_datetime(times, utc=True) <= vs).any():
        return f"Dotted: the same up to {moment(vs)}, moved so that both end together."
    return f"Without dotted lines: nothing was collected by {moment(vs)}."
