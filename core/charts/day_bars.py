"""Bars of counts over time, one per day or week, with a line of their mean."""

import plotly.graph_objects as go
from pandas import DataFrame

from core.charts import axes
from core.charts.theme import Theme, figure


def count_bars(
    frame: DataFrame, at: str, value: str, theme: Theme, *, unit: str, mean: str = "", height: int = 300
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
    chart.update_yaxes(**axes.count_axis(0, axes.largest(frame[value])))
    return chart
