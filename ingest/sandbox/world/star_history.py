"""`stargazers/history`: stars by day of weeks, as GitHub tells them since September 2026."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from ingest.sandbox.world.repositories import Repository

PACIFIC = ZoneInfo("America/Los_Angeles")


def history_weeks(repository: Repository, moment: int) -> list[date]:
    """Return the Sundays of all weeks since the first star was possible, newest first."""
    first, last = _week_start(repository.created_at), _week_start(moment)
    return [last - timedelta(weeks=back) for back in range((last - first).days // 7 + 1)]


def history_rows(repository: Repository, moment: int, sundays: list[date]) -> list[dict[str, Any]]:
    """Tell surviving stars of these weeks by the day they were given; days are days in California."""
    withdrawn = _withdrawn_stars(repository, moment)
    return [_row(repository, moment, sunday, withdrawn) for sunday in sundays]


def _row(repository: Repository, moment: int, sunday: date, withdrawn: dict[date, int]) -> dict[str, Any]:
    days = [sunday + timedelta(days=offset) for offset in range(7)]
    given = _stars_given(repository, moment, sunday)
    left = [count - withdrawn.get(day, 0) for day, count in zip(days, given, strict=True)]
    # The label is Sunday 00:00 UTC although the days are California's.
    week = int(datetime.combine(sunday, time(), UTC).timestamp())
    return {"week": week, "total": sum(left), "days": left}


def _stars_given(repository: Repository, moment: int, sunday: date) -> list[int]:
    """Count stars given on the seven days from *sunday* that GitHub had not purged by *moment*."""
    edges = [_midnight(sunday + timedelta(days=offset)) for offset in range(8)]
    totals = [_stars_until(repository, min(edge - 1, moment), moment) for edge in edges]
    return [after - before for before, after in pairwise(totals)]


def _stars_until(repository: Repository, until: int, moment: int) -> int:
    if until < repository.created_at:
        return 0
    gained = sum(change for at, change in repository.star_changes if change > 0 and at <= until)
    return repository.star_curve.count(until, seen_at=moment) + gained


def _withdrawn_stars(repository: Repository, moment: int) -> dict[date, int]:
    """Tell on which days the stars were given that people took back: the newest ones went first."""
    left = -sum(change for at, change in repository.star_changes if change < 0 and at <= moment)
    withdrawn: dict[date, int] = {}
    for sunday in history_weeks(repository, moment) if left > 0 else []:
        for offset, given in reversed(list(enumerate(_stars_given(repository, moment, sunday)))):
            taken = min(given, left)
            withdrawn[sunday + timedelta(days=offset)] = taken
            left -= taken
        if left <= 0:
            break
    return withdrawn


def _week_start(moment: int) -> date:
    day = datetime.fromtimestamp(moment, PACIFIC).date()
    return day - timedelta(days=(day.weekday() + 1) % 7)


def _midnight(day: date) -> int:
    return int(datetime.combine(day, time(), PACIFIC).timestamp())
