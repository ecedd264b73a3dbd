"""Days that people compare with, counted from a day: the shortcuts of the time machine."""

import calendar
from datetime import date, timedelta


def shortcuts(day: date) -> dict[str, date]:
    """Return days before *day* by label."""
    return {
        "yesterday": day - timedelta(days=1),
        "last week": day - timedelta(days=7),
        "a month ago": months_before(day, 1),
        "a year ago": day - timedelta(days=365),
        "this day last year": months_before(day, 12),
    }


def months_before(day: date, months: int) -> date:
    """Return the same day *months* before; the month's last day where it is shorter."""
    index = day.year * 12 + day.month - 1 - months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
