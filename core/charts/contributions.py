"""A user's contributions: the last year as a calendar, all years as a heat map of months."""

from datetime import timedelta

import pandas as pd
import plotly.graph_objects as go
from pandas import DataFrame

from core.charts import axes
from core.charts.calendar_heatmap import calendar_heatmap
from core.charts.theme import Theme, figure

DAYS_SHOWN = 371  # whole weeks of a year
FULL_COLOR_QUANTILE = 0.95
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
ROW_HEIGHT = 22
BOTTOM_HEIGHT = 30


def contribution_calendar(frame: DataFrame, theme: Theme) -> go.Figure:
    """Draw the last year of *frame* (day, contributions); the busiest twentieth of the days has the full colour."""
    recent = frame[frame["day"] > frame["day"].max() - timedelta(days=DAYS_SHOWN)]
    counts = recent["contributions"].astype(float)
    full = counts[counts > 0].quantile(FULL_COLOR_QUANTILE) if (counts > 0).any() else 1.0
    texts = [
        f"{axes.count_with_unit(count, 'contributions')} on {day:%Y-%m-%d}"
        for day, count in zip(recent["day"], recent["contributions"], strict=True)
    ]
    days = recent["day"].dt.tz_localize(None)
    return calendar_heatmap(
        DataFrame({"day": days, "share": (counts / full).clip(upper=1), "text": texts}), theme, text="text"
    )


def years_heatmap(frame: DataFrame, theme: Theme) -> go.Figure:
    """Draw one square per month of *frame* (day, contributions), one row per year, the newest on top."""
    days = frame["day"].dt
    months = frame.groupby([days.year.rename("year"), days.month.rename("month")])["contributions"].sum()
    years = list(range(int(days.year.max()), int(days.year.min()) - 1, -1))
    rows = [[months.get((year, month)) for month in range(1, 13)] for year in years]
    known = [float(count) for row in rows for count in row if not pd.isna(count)]
    chart = figure(theme, height=len(years) * ROW_HEIGHT + BOTTOM_HEIGHT, hovermode="closest")
    chart.add_heatmap(
        z=[[None if pd.isna(count) else float(count) for count in row] for row in rows],
        x=list(MONTHS),
        y=[str(year) for year in years],
        customdata=[
            [
                "" if pd.isna(count) else f"{axes.count_with_unit(count, 'contributions')} in {month} {year}"
                for month, count in zip(MONTHS, row, strict=True)
            ]
            for year, row in zip(years, rows, strict=True)
        ],
        xgap=3,
        ygap=3,
        zmin=0,
        zmax=max(known, default=0) or 1,
        showscale=False,
        colorscale=[[0, theme.rest], [1, theme.accent]],
        hovertemplate="%{customdata}<extra></extra>",
        hoverongaps=False,
    )
    chart.update_xaxes(tickangle=0)
    chart.update_yaxes(type="category", autorange="reversed", showgrid=False)
    return chart
