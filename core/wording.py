"""Wording of durations, sizes and plurals, the same on pages, in the API, in the command line and in error messages.

humanize does not serve: it rounds 364 days to "a year", writes "120.0 kB" and "999 Bytes", and has no plurals of nouns.
"""

import math
from datetime import datetime, timedelta

SECONDS_PER_MINUTE, SECONDS_PER_HOUR, SECONDS_PER_DAY = 60, 3_600, 86_400
JUST_NOW_SECONDS = 60
DAYS_PER_YEAR = 365.25
BYTES_PER_UNIT = 1_000


def pluralize(count: float, singular: str, plural: str | None = None) -> str:
    """Return *singular* for 1, else *plural* (by default *singular* with an s): `repository`, `accounts are`."""
    return singular if count == 1 else plural or f"{singular}s"


def quantity(count: float, singular: str, plural: str | None = None) -> str:
    """Return the number, rounded, with its noun: `1 account`, `1,234 accounts`, `0 repositories`."""
    return f"{count:,.0f} {pluralize(round(count), singular, plural)}"


def signed(change: float, digits: int = 0) -> str:
    """Return a change with its sign: `+1,234`, `−12`, and `0` where there is none."""
    text = f"{change:+,.{digits}f}".replace("-", "−")
    return text if text.strip("+−0.,") else text[1:]


def duration(span: timedelta, *, round_up: bool = False) -> str:
    """Return a length of time: `40 s`, `12 min`, `1.5 h`, `2.5 days`.

    With *round_up*, for waiting times, the text is at least `1 s` and never shorter than *span* (from a minute on by
    half a second at most, so that 7,200.1 s are not `2.1 h`).
    """
    seconds = max(0.0, span.total_seconds())
    if round_up:
        seconds = max(1.0, seconds if seconds < SECONDS_PER_MINUTE else seconds - 0.5)
    for size, unit, digits, limit in (
        (1, "s", 0, SECONDS_PER_MINUTE),
        (SECONDS_PER_MINUTE, "min", 0, SECONDS_PER_HOUR),
        (SECONDS_PER_HOUR, "h", 1, 2 * SECONDS_PER_DAY),
    ):
        count = _rounded(seconds / size, digits, up=round_up)
        if count * size < limit:
            return f"{count:g} {unit}"
    days = _rounded(seconds / SECONDS_PER_DAY, 1, up=round_up)
    return f"{days:,.1f} {pluralize(days, 'day')}".replace(".0 ", " ")


def _rounded(value: float, digits: int, *, up: bool) -> float:
    # The inner rounding keeps 3.0000000001 from becoming 3.1.
    scale = 10**digits
    return math.ceil(round(value * scale, 6)) / scale if up else round(value, digits)


def window(span: timedelta) -> str:
    """Return the length of a limit's window, for "within …": `a minute`, `15 minutes`, `an hour`, `7 days`."""
    seconds = int(span.total_seconds())
    for unit, size in (("day", SECONDS_PER_DAY), ("hour", SECONDS_PER_HOUR), ("minute", SECONDS_PER_MINUTE)):
        if seconds and seconds % size == 0:
            count = seconds // size
            return quantity(count, unit) if count > 1 else f"{'an' if unit == 'hour' else 'a'} {unit}"
    return quantity(seconds, "second")


def time_ago(at: datetime, now: datetime) -> str:
    """Return the age of *at*: `just now`, `4 min ago`, `3 h ago`, `12 days ago`, `2.5 years ago`. Rounds down."""
    passed = now - at
    if passed < timedelta(seconds=JUST_NOW_SECONDS):
        return "just now"
    if passed < timedelta(hours=1):
        return f"{passed // timedelta(minutes=1)} min ago"
    if passed < timedelta(days=2):
        return f"{passed // timedelta(hours=1)} h ago"
    if passed < timedelta(days=730):
        return f"{passed.days} days ago"
    return f"{passed.days / DAYS_PER_YEAR:.1f} years ago"


def byte_size(count: float) -> str:
    """Return a size in decimal units: `999 B`, `9.5 MB`, `120 kB`."""
    for unit in ("B", "kB", "MB", "GB"):
        digits = 0 if unit == "B" or round(count, 1) >= 100 else 1
        if round(count, digits) < BYTES_PER_UNIT:
            return f"{count:.{digits}f} {unit}"
        count /= BYTES_PER_UNIT
    return f"{count:.1f} TB"
