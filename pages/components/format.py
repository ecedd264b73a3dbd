"""Numbers, ages and days as people read them; what is unknown is a dash, never a zero."""

from datetime import date, datetime, timedelta

import pandas as pd

UNKNOWN = "—"


def number(value: object) -> str:
    """1234567 -> 1,234,567."""
    return UNKNOWN if pd.isna(value) else f"{value:,.0f}"


def signed_number(value: object) -> str:
    """Growth with its sign: +1,234, −12, ±0."""
    if pd.isna(value):
        return UNKNOWN
    return "±0" if not value else f"{value:+,.0f}".replace("-", "−")


def percent(share: object, digits: int = 0) -> str:
    """0.974 -> 97 %; never 100 % while anything is missing."""
    if pd.isna(share):
        return UNKNOWN
    rounded = round(float(share), digits + 2)
    if rounded == 1 and share < 1:
        rounded -= 10 ** -(digits + 2)
    return f"{rounded:.{digits}%}".replace("%", "\N{NO-BREAK SPACE}%")


def byte_size(count: float | None) -> str:
    """9516735 -> 9.5 MB."""
    if count is None:
        return UNKNOWN
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def day(moment: date | None) -> str:
    return UNKNOWN if pd.isna(moment) else f"{moment:%Y-%m-%d}"


def time_ago(moment: datetime, now: datetime) -> str:
    """How long ago *moment* was: just now, 4 min ago, 3 h ago, 12 days ago, 2.5 years ago."""
    passed = now - moment
    if passed < timedelta(minutes=1):
        return "just now"
    if passed < timedelta(hours=1):
        return f"{passed // timedelta(minutes=1)} min ago"
    if passed < timedelta(days=2):
        return f"{passed // timedelta(hours=1)} h ago"
    if passed < timedelta(days=730):
        return f"{passed.days} days ago"
    return f"{passed.days / 365.25:.1f} years ago"


def duration(hours: object) -> str:
    """A length of time: 40 s, 12 min, 6 h, 2.5 days."""
    if pd.isna(hours):
        return UNKNOWN
    minutes = float(hours) * 60
    if minutes < 1:
        return f"{minutes * 60:.0f} s"
    if minutes < 60:
        return f"{minutes:.0f} min"
    if minutes < 48 * 60:
        return f"{minutes / 60:.1f} h".replace(".0 h", " h")
    return f"{minutes / 1440:.1f} days".replace(".0 days", " days")
