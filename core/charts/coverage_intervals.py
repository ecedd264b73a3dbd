"""Coverage intervals and gaps (pure).

An interval is a run of captures of one source without a gap: source_id, from_at and to_at (first and last capture)
and overdue_at (when the next capture would have been overdue).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import starmap
from typing import Any

import pandas as pd
from pandas import DataFrame


@dataclass(frozen=True)
class Gap:
    """A time without captures."""

    from_at: datetime
    to_at: datetime


SHARE_OF_HALF_A_PIXEL = 2_000  # a chart is at most a thousand pixels wide
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Interval:
    """A run of captures without a gap."""

    from_at: datetime
    to_at: datetime
    overdue_at: datetime


def sorted_intervals(intervals: DataFrame) -> list[Interval]:
    """Return the rows of *intervals*, oldest first."""
    columns: list[list[Any]] = [list(intervals[name]) for name in ("from_at", "to_at", "overdue_at")]
    return sorted(starmap(Interval, zip(*columns, strict=True)), key=lambda run: run.from_at)


def find_gaps(intervals: DataFrame, until: datetime) -> list[Gap]:
    """Return the times between the first capture and *until* that no interval covers, oldest first."""
    runs = sorted_intervals(intervals)
    if not runs:
        return []
    found: list[Gap] = []
    end, overdue_at = runs[0].to_at, runs[0].overdue_at
    for run in runs[1:]:
        if run.from_at > overdue_at:
            found.append(Gap(end, run.from_at))
        end, overdue_at = max(end, run.to_at), max(overdue_at, run.overdue_at)
    if overdue_at < until:
        found.append(Gap(end, until))
    return found


def stable_end(intervals: DataFrame, until: datetime) -> datetime:
    """Return a time shortly before *until* that has the same gaps and stays the same for a while.

    A chart up to it equals one up to *until* within half a pixel, and need not be drawn again each second.
    """
    if intervals.empty:
        return _floor(until, timedelta(minutes=1))
    overdue_at, first = intervals["overdue_at"].max(), intervals["from_at"].min()
    step = timedelta(minutes=1)
    while 2 * step <= (until - first) / SHARE_OF_HALF_A_PIXEL:
        step *= 2
    end = _floor(until, step)
    return end if overdue_at >= until or overdue_at < end else _floor(until, timedelta(minutes=1))


def _floor(at: datetime, step: timedelta) -> datetime:
    return at - (at - EPOCH) % step


def line_with_gaps(points: DataFrame, intervals: DataFrame, y: str) -> DataFrame:
    """Return the points of one source's line, which ends at the last capture of each interval.

    Returns at, value; a row without a value separates two intervals. Points are changes: the last value before an
    interval also holds at its first capture, unless that capture brought a change.
    """
    values = points.dropna(subset=[y]).sort_values("captured_at")
    parts: list[DataFrame] = []
    for interval in sorted_intervals(intervals):
        inside = values[(values["captured_at"] >= interval.from_at) & (values["captured_at"] <= interval.to_at)]
        part = DataFrame({"at": inside["captured_at"], "value": inside[y].astype(float)})
        before = values[values["captured_at"] < interval.from_at]
        if not before.empty and (inside.empty or inside["captured_at"].iloc[0] > interval.from_at):
            opening = DataFrame({"at": [interval.from_at], "value": [float(before[y].iloc[-1])]})
            part = pd.concat([opening, part]) if not part.empty else opening
        if part.empty:
            continue
        closing = DataFrame({"at": [interval.to_at, interval.to_at], "value": [part["value"].iloc[-1], None]})
        parts.append(pd.concat([part, closing.astype({"value": float})]))
    if not parts:
        return DataFrame({"at": pd.Series(dtype="datetime64[us, UTC]"), "value": pd.Series(dtype=float)})
    line = pd.concat(parts, ignore_index=True)
    return line.iloc[:-1].drop_duplicates(ignore_index=True)


def captured_until(points: DataFrame, intervals: DataFrame, at: datetime) -> tuple[DataFrame, DataFrame]:
    """Keep of *points* and *intervals* what was captured up to *at*."""
    begun = intervals[intervals["from_at"] <= at]
    return points[points["captured_at"] <= at], begun.assign(to_at=begun["to_at"].where(begun["to_at"] <= at, at))
