"""A number that one source reported, read at given times: it rests between two changes and is unknown in a gap.

*history* is a frame of changes in order of time (captured_at, source, the numbers), *intervals* one of
`coverage_intervals` (source, from_at, overdue_at); both of an account or of a repository.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pandas import DataFrame

from core.shared_cache import memoized


def weekly_trend(history: DataFrame, intervals: DataFrame, column: str, source: str, until: datetime) -> list[float]:
    """Return *column* of *source*, see `weekly_trends`."""
    return weekly_trends(history, intervals, (column,), source, until)[column]


def weekly_trends(
    history: DataFrame, intervals: DataFrame, columns: tuple[str, ...], source: str, until: datetime
) -> dict[str, list[float]]:
    """Return each of *columns* of *source* at the end of each of the 52 weeks before *until*, oldest first.

    In a gap the number is NaN. Weeks before the first capture are left out.
    """
    times = [until - timedelta(days=7 * week) for week in range(52, -1, -1)]
    series = memoized(_series_by_column, _series_bytes, history, intervals, columns, source)
    return {column: _trend(one.at(times)) for column, one in series.items()}


def _trend(values: Sequence[float | None]) -> list[float]:
    first = next((index for index, value in enumerate(values) if value is not None), len(values))
    return [float("nan") if value is None else value for value in values[first:]]


def _series_by_column(
    history: DataFrame, intervals: DataFrame, columns: tuple[str, ...], source: str
) -> dict[str, "ReportedSeries"]:
    return {column: reported_series(history, intervals, column, source) for column in columns}


def _series_bytes(series: Mapping[str, "ReportedSeries"]) -> int:
    return sum(64 * (len(one.captured_at) + len(one.covered)) for one in series.values())


def value_at(history: DataFrame, intervals: DataFrame, column: str, source: str, at: datetime) -> float | None:
    """Return *column* of *source* as it was *at* a time; None before its first row and in a gap of *intervals*."""
    return reported_series(history, intervals, column, source).at([at])[0]


@dataclass(frozen=True)
class ReportedSeries:
    """The values of one number that one source reported, with their times and the spans without a gap."""

    captured_at: list[datetime]
    values: list[float]
    covered: list[tuple[datetime, datetime]]

    def at(self, times: Sequence[datetime]) -> list[float | None]:
        """Return the value at each of *times*; None before the first and where nobody captured."""
        found: list[float | None] = []
        for at in times:
            rows_until = bisect_right(self.captured_at, at)
            is_covered = any(from_at <= at <= overdue_at for from_at, overdue_at in self.covered)
            found.append(float(self.values[rows_until - 1]) if is_covered and rows_until else None)
        return found


def reported_series(history: DataFrame, intervals: DataFrame, column: str, source: str) -> ReportedSeries:
    reported = history[history["source"] == source].dropna(subset=[column])
    runs = intervals[intervals["source"] == source]
    covered = list(zip(runs["from_at"].tolist(), runs["overdue_at"].tolist(), strict=True))
    return ReportedSeries(reported["captured_at"].tolist(), reported[column].tolist(), covered)
