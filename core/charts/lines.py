"""Courses over time. A line ends where looking ended; the gap is shaded and named."""

from datetime import datetime
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from pandas import DataFrame, Series

from core.charts.coverage_intervals import Gap, find_gaps, line_with_gaps, sorted_intervals
from core.charts.theme import FONT, Theme, figure

OWN_SOURCE_ID = 1
MARKERS_BELOW = 12  # points that are too few to be seen as a line
NARROW_GAP_SHARE = 0.16  # share of the width in which "not collected" has to stand upright
UNLABELED_GAP_SHARE = 0.025  # and in which it does not fit at all
ZERO_BASELINE_BELOW = (
    0.7  # a course that stays above this share of its top is shown without zero, and then without filling
)


def history_lines(
    points: DataFrame, stretches: DataFrame, y: str, theme: Theme, *, until: datetime, unit: str, height: int = 300
) -> go.Figure:
    """One line a source over its stretches: ours in the accent, imported ones muted and named.

    points     captured_at, source_id, source and the column *y*: a row wherever the value changed
    stretches  as core.charts.coverage_intervals says
    """
    lines = _lines_by_source(points, stretches, y)
    values = pd.concat([line["value"] for _, _, line in lines]) if lines else Series([0.0])
    from_zero = values.min() < ZERO_BASELINE_BELOW * values.max() or values.max() <= 0
    drawing = figure(theme, height=height, showlegend=len(lines) > 1)
    for source, name, line in lines:
        _add_line(drawing, line, theme, ours=source == OWN_SOURCE_ID, name=name, unit=unit, filled=from_zero)
    _shade_gaps(drawing, find_gaps(stretches, until), stretches, until, theme)
    drawing.update_yaxes(rangemode="tozero" if from_zero else "normal", tickformat="~s", nticks=5)
    if not from_zero:
        room = max((values.max() - values.min()) * 0.15, values.max() * 0.002, 1)
        drawing.update_yaxes(range=[values.min() - room, values.max() + room], tickformat=",.0f")
    return drawing


def _lines_by_source(points: DataFrame, stretches: DataFrame, y: str) -> list[tuple[int, str, DataFrame]]:
    """One line a source that tells *y* at all: its id, its name, its points."""
    found = []
    for source in sorted(points["source_id"].unique()):
        own = points[points["source_id"] == source]
        line = line_with_gaps(own, stretches[stretches["source_id"] == source], y)
        if line["value"].notna().any():
            found.append((int(source), str(own["source"].iloc[0]), line))
    return found


def _add_line(
    drawing: go.Figure, line: DataFrame, theme: Theme, *, ours: bool, name: str, unit: str, filled: bool
) -> None:
    few = len(line) < MARKERS_BELOW
    drawing.add_scatter(
        x=line["at"].dt.tz_convert("UTC").dt.tz_localize(None),
        y=line["value"],
        mode="lines+markers" if few else "lines",
        name=name if ours else f"{name} (imported)",
        line={"color": theme.accent if ours else theme.imported, "width": 2, "shape": "hv" if ours else "linear"},
        marker={"size": 5},
        fill="tozeroy" if filled else None,
        fillcolor=theme.fill if ours else theme.imported_fill,
        hovertemplate=f"%{{y:,.0f}} {unit}<extra></extra>",
        connectgaps=False,
    )


def _shade_gaps(drawing: go.Figure, found: list[Gap], stretches: DataFrame, until: datetime, theme: Theme) -> None:
    if not found:
        return
    span = (until - sorted_intervals(stretches)[0].from_at).total_seconds() or 1
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
        drawing.add_shape(
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
