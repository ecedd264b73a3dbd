"""Values of frames as text: like `core.wording`, with a dash for null, which is never shown as zero."""

import math
from datetime import timedelta
from typing import Any

import pandas as pd

from core import wording

UNKNOWN = "—"


def number(value: Any) -> str:
    """Return 1,234,567 for 1234567."""
    return UNKNOWN if pd.isna(value) else f"{value:,.0f}"


def signed_number(value: Any) -> str:
    """Return growth with its sign: +1,234, −12, 0."""
    return UNKNOWN if pd.isna(value) else wording.signed(value)


def percent(share: Any, digits: int = 0, *, round_down: bool = False) -> str:
    """Return 97 % for 0.974; only a full share is 100 %. With *round_down* 0.976 is 97 %, too: never more than there is."""
    if pd.isna(share):
        return UNKNOWN
    scale = 10 ** (digits + 2)
    # The inner rounding keeps 0.29 from becoming 28 %.
    rounded = math.floor(round(share * scale, 6)) / scale if round_down else round(float(share), digits + 2)
    if rounded == 1 and share < 1:
        rounded -= 1 / scale
    return f"{rounded:.{digits}%}".replace("%", "\N{NO-BREAK SPACE}%")


def byte_size(count: Any) -> str:
    """Return 9.5 MB for 9516735."""
    return UNKNOWN if pd.isna(count) else wording.byte_size(float(count))


def day(at: Any) -> str:
    """Return the date of a timestamp as 2026-03-31."""
    return UNKNOWN if pd.isna(at) else f"{at:%Y-%m-%d}"


def duration(hours: Any) -> str:
    """Return a length of time: 40 s, 12 min, 6 h, 2.5 days."""
    return UNKNOWN if pd.isna(hours) else wording.duration(timedelta(hours=float(hours)))
