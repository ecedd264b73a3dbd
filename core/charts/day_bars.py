"""Bars of counts over time, one per day or week, with a line of their mean."""

from typing import Any

import plotly.graph_objects as go
from pandas import DataFrame, Series

from core.charts import axes
from core.charts.theme import Theme, figure


def count_bars(
    frame: DataFrame,
    at: str,
    value: str,
    theme: Theme,
    *,
    unit: str,
    mean: str = "",
    height: int = 300,
    is_log: bool = False,
) -> go.Figure:
    """Draw the column *value* of *frame* as bars at the times *at*, and *mean* as a line where it is named."""
    chart = figure(theme, height=height, bargap=0.1)
    times = frame[at].dt.tz_convert("UTC").dt.tz_localize(None)
    chart.add_bar(
        x=times,
        y=frame[value].astype(float),
        name=unit,
        marker={"color": theme.accent, "opacity": 0.45 if mean else 1, "line": {"width": 0}},
        customdata=[axes.count_with_unit(count, unit) for count in frame[value]],
        hovertemplate="%{customdata}<extra></extra>",
    )
    if mean:
        chart.add_scatter(
            x=times,
            y=frame[mean].astype(float),
            mode="lines",
            name="7-day mean",
            line={"color": theme.accent, "width": 2},
            connectgaps=False,
            hovertemplate="%{y:.1f} a day over 7 days<extra></extra>",
        )
    _set_count_axis(chart, frame[value], is_log=is_log)
    return chart


def running_total(
    frame: DataFrame, at: str, value: str, theme: Theme, *, unit: str, height: int = 300, is_log: bool = False
) -> go.Figure:
    """Draw the column *value* of *frame*, a running total at the times *at*, as a line."""
    chart = figure(theme, height=height)
    chart.add_scatter(
        x=frame[at].dt.tz_convert("UTC").dt.tz_localize(None),
        y=frame[value].astype(float),
        mode="lines",
        name=unit,
        line={"color": theme.accent, "width": 2},
        fill=None if is_log else "tozeroy",
        fillcolor=theme.fill,
        customdata=[axes.count_with_unit(count, unit) for count in frame[value]],
        hovertemplate="%{customdata}<extra></extra>",
    )
    _set_count_axis(chart, frame[value], is_log=is_log)
    return chart


def _set_count_axis(chart: go.Figure, values: "Series[Any]", *, is_log: bool) -> None:
    if is_log:
        chart.update_yaxes(**axes.log_axis([int(value) for value in values.dropna() if value > 0]))
    else:
        chart.update_yaxes(**axes.count_axis(0, axes.largest(values)))
