"""Calendar heatmap: one column per week, one square per day."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from pandas import DataFrame

from core.charts.theme import Theme, figure

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
HEIGHT = 190
MIN_LABEL_DISTANCE = timedelta(weeks=3)


def calendar_heatmap(frame: DataFrame, theme: Theme, *, text: str) -> go.Figure:
    """Draw *frame*: day, share (0 to 1 or null) and hover texts in the column *text*; the newest week at the right."""
    if frame.empty:
        return figure(theme, height=HEIGHT)
    days = pd.to_datetime(frame["day"])
    mondays = days - pd.to_timedelta(days.dt.day_of_week, unit="D")
    weeks = pd.date_range(mondays.min(), mondays.max(), freq="7D")
    at = {day: index for index, day in enumerate(zip(mondays, days.dt.day_of_week, strict=True))}
    shares = frame["share"].astype(float)
    z = [[_value_at(shares, at.get((week, weekday))) for week in weeks] for weekday in range(7)]
    texts_by_day = [[_value_at(frame[text], at.get((week, weekday))) or "" for week in weeks] for weekday in range(7)]
    # Days without tracked accounts are pale: they are no missed refreshes.
    idle = [
        [0 if text and share is None else None for share, text in zip(shares, texts, strict=True)]
        for shares, texts in zip(z, texts_by_day, strict=True)
    ]
    chart = figure(theme, height=HEIGHT, hovermode="closest")
    squares: dict[str, Any] = {
        "x": list(weeks),
        "y": list(WEEKDAYS),
        "customdata": texts_by_day,
        "xgap": 3,
        "ygap": 3,
        "showscale": False,
        "hovertemplate": "%{customdata}<extra></extra>",
        "hoverongaps": False,
    }
    chart.add_heatmap(z=idle, colorscale=[[0, theme.imported_fill], [1, theme.imported_fill]], **squares)
    chart.add_heatmap(z=z, zmin=0, zmax=1, colorscale=[[0, theme.rest], [1, theme.accent]], **squares)
    chart.update_yaxes(autorange="reversed", showgrid=False, tickvals=["Mon", "Wed", "Fri"])
    months = month_starts(list(weeks))
    chart.update_xaxes(
        tickangle=0,
        tickvals=months,
        ticktext=[
            f"{week:%b}<br>{week:%Y}" if index == 0 or week.year != months[index - 1].year else f"{week:%b}"
            for index, week in enumerate(months)
        ],
        range=[weeks.min() - timedelta(days=4), weeks.max() + timedelta(days=4)],
    )
    return chart


def month_starts(weeks: Sequence[pd.Timestamp]) -> list[pd.Timestamp]:
    """Return the first of *weeks* in each month; not the very first where the next month's label is too close."""
    starts = [week for index, week in enumerate(weeks) if index == 0 or weeks[index - 1].month != week.month]
    return starts[1:] if len(starts) > 1 and starts[1] - starts[0] < MIN_LABEL_DISTANCE else starts


def _value_at(values: pd.Series, index: int | None) -> object:
    if index is None or pd.isna(values.iloc[index]):
        return None
    return values.iloc[index]
