"""Where somebody looked and where nobody did: pure arithmetic on stretches of looks.

A stretch is a run of looks of one source without a gap: source_id, from_at, to_at (first and last look) and
patient_until (when the next look would have been overdue).
"""

from dataclasses import dataclass
from datetime import datetime
from itertools import starmap
from typing import Any

import pandas as pd
from pandas import DataFrame


@dataclass(frozen=True)
class Gap:
    """A time in which nobody looked."""

    from_at: datetime
    to_at: datetime


@dataclass(frozen=True)
class Interval:
    """A run of looks without a gap."""

    from_at: datetime
    to_at: datetime
    patient_until: datetime


def sorted_intervals(stretches: DataFrame) -> list[Interval]:
    """The rows of *stretches*, oldest first."""
    columns: list[list[Any]] = [list(stretches[name]) for name in ("from_at", "to_at", "patient_until")]
    return sorted(starmap(Interval, zip(*columns, strict=True)), key=lambda run: run.from_at)


def find_gaps(stretches: DataFrame, until: datetime) -> list[Gap]:
    """The times between the first look and *until* that no stretch covers, oldest first."""
    looked = sorted_intervals(stretches)
    if not looked:
        return []
    found: list[Gap] = []
    end, patience = looked[0].to_at, looked[0].patient_until
    for run in looked[1:]:
        if run.from_at > patience:
            found.append(Gap(end, run.from_at))
        end, patience = max(end, run.to_at), max(patience, run.patient_until)
    if patience < until:
        found.append(Gap(end, until))
    return found


def covered_share(stretches: DataFrame, until: datetime) -> float | None:
    """The share of the time from the first look to *until* that is in no gap; None before the first look."""
    if stretches.empty:
        return None
    span = (until - sorted_intervals(stretches)[0].from_at).total_seconds()
    missing = sum((gap.to_at - gap.from_at).total_seconds() for gap in find_gaps(stretches, until))
    return 1.0 if span <= 0 else max(0.0, 1 - missing / span)


def line_with_gaps(points: DataFrame, stretches: DataFrame, y: str) -> DataFrame:
    """The points of one source's line: a value holds to the last look of its stretch, and then the line ends.

    Returns at, value; a row without a value separates two stretches. Points are changes, so what was last known
    before a stretch still held at its first look unless that look brought a change.
    """
    known = points.dropna(subset=[y]).sort_values("captured_at")
    parts: list[DataFrame] = []
    for stretch in sorted_intervals(stretches):
        inside = known[(known["captured_at"] >= stretch.from_at) & (known["captured_at"] <= stretch.to_at)]
        part = DataFrame({"at": inside["captured_at"], "value": inside[y].astype(float)})
        before = known[known["captured_at"] < stretch.from_at]
        if not before.empty and (inside.empty or inside["captured_at"].iloc[0] > stretch.from_at):
            opening = DataFrame({"at": [stretch.from_at], "value": [float(before[y].iloc[-1])]})
            part = pd.concat([opening, part]) if not part.empty else opening
        if part.empty:
            continue
        closing = DataFrame({"at": [stretch.to_at, stretch.to_at], "value": [part["value"].iloc[-1], None]})
        parts.append(pd.concat([part, closing.astype({"value": float})]))
    if not parts:
        return DataFrame({"at": pd.Series(dtype="datetime64[us, UTC]"), "value": pd.Series(dtype=float)})
    line = pd.concat(parts, ignore_index=True)
    return line.iloc[:-1].drop_duplicates(ignore_index=True)
