"""Line charts of history; lines end at gaps, which are shaded and labelled."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from pandas import DataFrame, Series

from core import markup
from core.charts import axes
from core.charts.coverage_intervals import Gap, captured_until, find_gaps, line_with_gaps, sorted_intervals
from core.charts.theme import FONT, Theme, figure
from core.sources import OWN_SOURCE_ID

MARKERS_BELOW = 12  # with fewer points, each one gets a marker
NARROW_GAP_SHARE = 0.16  # of the width: in narrower gaps "not collected" is written upright
UNLABELED_GAP_SHARE = 0.025  # of the width: in narrower gaps it does not fit
# Lines that stay above this share of their maximum are drawn without zero and without filling.
ZERO_BASELINE_BELOW = 0.7


@dataclass(frozen=True)
class Capture:
    """A value and when GitHub reported it (UTC)."""

    at: datetime
    value: float


def history_lines(
    points: DataFrame,
    intervals: DataFrame,
    y: str,
    theme: Theme,
    *,
    until: datetime,
    unit: str,
    height: int = 300,
    is_log: bool = False,
    vs: datetime | None = None,
) -> go.Figure:
    """Draw one line per source: ours in the accent colour, imported ones muted and named.

    points     captured_at, source_id, source and the column *y*: one row per change
    intervals  as in `core.charts.coverage_intervals`
    vs         the same lines up to then too, dotted, moved so that both end together
    """
    lines = _lines_by_source(points, intervals, y)
    earlier = [] if vs is None else _lines_by_source(*captured_until(points, intervals, vs), y)
    values = pd.concat([line["value"] for _, _, line in lines + earlier]) if lines else Series([0.0])
    from_zero = not is_log and (values.min() < ZERO_BASELINE_BELOW * values.max() or values.max() <= 0)
    chart = figure(theme, height=height, showlegend=len(lines) + len(earlier) > 1)
    for _, name, line in earlier:
        assert vs is not None
        _add_earlier_line(chart, line, theme, name=f"{name} up to {vs:%Y-%m-%d}", unit=unit, shift=until - vs)
    for source, name, line in lines:
        _add_line(chart, line, theme, is_own=source == OWN_SOURCE_ID, name=name, unit=unit, filled=from_zero)
    gaps = find_gaps(intervals, until)
    _shade_gaps(chart, gaps, intervals, until, theme)
    if is_log:
        chart.update_yaxes(**axes.log_axis([int(value) for value in values.dropna()]))
    elif from_zero:
        chart.update_yaxes(**axes.count_axis(0, float(values.max())))
    else:
        room = max((values.max() - values.min()) * 0.15, values.max() * 0.002, 1)
        chart.update_yaxes(**axes.count_axis(float(values.min() - room), float(values.max() + room)))
    _set_time_range(chart, [line["at"] for _, _, line in lines], gaps)
    return chart


def points_without_line(points: DataFrame, y: str, theme: Theme, *, unit: str, height: int = 240) -> go.Figure:
    """Draw one dot per row of *points* (captured_at, source_id, source and *y*), without a line between them.

    For numbers of which an unchanged value leaves no row: between two dots nobody can tell whether it was asked for.
    """
    known = points.dropna(subset=[y])
    chart = figure(theme, height=height, showlegend=known["source_id"].nunique() > 1)
    for source, rows in known.groupby("source_id"):
        is_own, name = source == OWN_SOURCE_ID, str(rows["source"].iloc[0])
        chart.add_scatter(
            x=rows["captured_at"].dt.tz_convert("UTC").dt.tz_localize(None),
            y=rows[y].astype(float),
            mode="markers",
            name=markup.plotly(name if is_own else f"{name} (imported)"),
            marker={"size": 6, "color": theme.accent if is_own else theme.imported},
            customdata=[axes.count_with_unit(value, unit) for value in rows[y]],
            hovertemplate="%{customdata}<extra></extra>",
        )
    chart.update_yaxes(**axes.count_axis(0, axes.largest(known[y])))
    _set_time_range(chart, [known["captured_at"]], [])
    return chart


def only_capture(points: DataFrame, intervals: DataFrame, y: str) -> Capture | None:
    """Return the one capture that *points* and *intervals* hold of *y*; None when there is none, or a line to draw."""
    lines = _lines_by_source(points, intervals, y)
    captures = pd.concat([line.dropna() for _, _, line in lines]).drop_duplicates() if lines else DataFrame()
    if len(captures) != 1:
        return None
    return Capture(captures["at"].iloc[0], float(captures["value"].iloc[0]))


def _set_time_range(chart: go.Figure, times: Sequence["Series[pd.Timestamp]"], gaps: Sequence[Gap]) -> None:
    moments = [pd.Timestamp(at) for at in (*chain.from_iterable(times), *(gap.to_at for gap in gaps))]
    if moments and (day := axes.time_range(min(moments), max(moments))):
        chart.update_xaxes(range=[at.replace(tzinfo=None) for at in day])


def _lines_by_source(points: DataFrame, intervals: DataFrame, y: str) -> list[tuple[int, str, DataFrame]]:
    """Return (source id, name, points) of each source that reports *y*."""
    found = []
    for source in sorted(points["source_id"].unique()):
        own = points[points["source_id"] == source]
        line = line_with_gaps(own, intervals[intervals["source_id"] == source], y)
        if line["value"].notna().any():
            found.append((int(source), str(own["source"].iloc[0]), line))
    return found


def _add_line(
    chart: go.Figure, line: DataFrame, theme: Theme, *, is_own: bool, name: str, unit: str, filled: bool
) -> None:
    few = len(line) < MARKERS_BELOW
    chart.add_scatter(
        x=line["at"].dt.tz_convert("UTC").dt.tz_localize(None),
        y=line["value"],
        mode="lines+markers" if few else "lines",
        name=markup.plotly(name if is_own else f"{name} (imported)"),
        line={"color": theme.accent if is_own else theme.imported, "width": 2, "shape": "hv" if is_own else "linear"},
        marker={"size": 5},
        fill="tozeroy" if filled else None,
        fillcolor=theme.fill if is_own else theme.imported_fill,
        customdata=[axes.count_with_unit(value, unit) for value in line["value"]],
        hovertemplate="%{customdata}<extra></extra>",
        connectgaps=False,
    )


def _add_earlier_line(
    chart: go.Figure, line: DataFrame, theme: Theme, *, name: str, unit: str, shift: timedelta
) -> None:
    """Draw *line* later by *shift*; hovering tells the values with their own dates."""
    days = line["at"].dt.tz_convert("UTC").dt.tz_localize(None)
    chart.add_scatter(
        x=days + shift,
        y=line["value"],
        mode="lines",
        name=markup.plotly(name),
        line={"color": theme.muted, "width": 2, "dash": "dot", "shape": "hv"},
        customdata=[
            f"{axes.count_with_unit(value, unit)} on {at:%Y-%m-%d}"
            for value, at in zip(line["value"], days, strict=True)
        ],
        hovertemplate="%{customdata}<extra></extra>",
        connectgaps=False,
    )


def _shade_gaps(chart: go.Figure, found: list[Gap], intervals: DataFrame, until: datetime, theme: Theme) -> None:
    if not found:
        return
    span = (until - sorted_intervals(intervals)[0].from_at).total_seconds() or 1
    for gap in found:
        share = (gap.to_at - gap.from_at).total_seconds() / span
        label: dict[str, Any] = {
            "text": "" if share < UNLABELED_GAP_SHARE else "not collected",
            "font": {"size": 10, "color": theme.muted, "family": FONT},
            "textposition": "top center",
            "padding": 4,
        }
        if share < NARROW_GAP_SHARE:
            label |= {"textangle": -90, "textposition": "middle center"}
        chart.add_shape(
            type="rect",
            x0=gap.from_at.replace(tzinfo=None),
            x1=gap.to_at.replace(tzinfo=None),
            y0=0,
            y1=1,
            yref="paper",
            line_width=0,
            fillcolor=theme.gap,
            layer="below",
            label=label,
        )
