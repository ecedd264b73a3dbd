"""`stargazers/history`: stars by day in weekly rows, as GitHub reports them since September 2026."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from ingest.sandbox.world.repositories import Repository

PACIFIC = ZoneInfo("America/Los_Angeles")


def history_weeks(repository: Repository, timestamp: int) -> list[date]:
    """Return the Sundays of all weeks since the first star was possible, newest first."""
    first, last = _week_start(repository.created_at), _week_start(timestamp)
    return [last - timedelta(weeks=back) for back in range((last - first).days // 7 + 1)]


def history_rows(repository: Repository, timestamp: int, sundays: list[date]) -> list[dict[str, Any]]:
    """Return surviving stars of these weeks by the day they were given (America/Los_Angeles)."""
    withdrawn = _withdrawn_stars(repository, timestamp)
    return [_row(repository, timestamp, sunday, withdrawn) for sunday in sundays]


def _row(repository: Repository, timestamp: int, sunday: date, withdrawn: dict[date, int]) -> dict[str, Any]:
    days = [sunday + timedelta(days=offset) for offset in range(7)]
    given = _stars_given(repository, timestamp, sunday)
    left = [count - withdrawn.get(day, 0) for day, count in zip(days, given, strict=True)]
    # The label is Sunday 00:00 UTC although the days are California's.
    week = int(datetime.combine(sunday, time(), UTC).timestamp())
    return {"week": week, "total": sum(left), "days": left}


def _stars_given(repository: Repository, timestamp: int, sunday: date) -> list[int]:
    """Count stars given on the seven days from *sunday* that were not purged by *timestamp*."""
    edges = [_midnight(sunday + timedelta(days=offset)) for offset in range(8)]
    totals = [_stars_until(repository, min(edge - 1, timestamp), timestamp) for edge in edges]
    return [after - before for before, after in pairwise(totals)]


def _stars_until(repository: Repository, until: int, timestamp: int) -> int:
    if until < repository.created_at:
        return 0
    gained = sum(change for at, change in repository.star_changes if change > 0 and at <= until)
    return repository.star_curve.count(until, seen_at=timestamp) + gained


def _withdrawn_stars(repository: Repository, timestamp: int) -> dict[date, int]:
    """Return the days of giving of withdrawn stars: the newest are withdrawn first."""
    left = -sum(change for at, change in repository.star_changes if change < 0 and at <= timestamp)
    withdrawn: dict[date, int] = {}
    for sunday in history_weeks(repository, timestamp) if left > 0 else []:
        for offset, given in reversed(list(enumerate(_stars_given(repository, timestamp, sunday)))):
            taken = min(given, left)
            withdrawn[sunday + timedelta(days=offset)] = taken
            left -= taken
        if left <= 0:
            break
    return withdrawn


def _week_start(timestamp: int) -> date:
    day = datetime.fromtimestamp(timestamp, PACIFIC).date()
    return day - timedelta(days=(day.weekday() + 1) % 7)


def _midnight(day: date) -> int:
    return int(datetime.combine(day, time(), PACIFIC).timestamp())
