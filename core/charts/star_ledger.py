"""The star ledger: given and withdrawn stars by month, and the retention triangle."""

import plotly.graph_objects as go
from pandas import DataFrame, DateOffset

from core.charts import axes
from core.charts.theme import Theme, figure

MAX_MONTHS = 24
LOSS = "#ef4444"


def given_and_withdrawn(frame: DataFrame, theme: Theme, *, height: int = 340) -> go.Figure:
    """Draw the columns given and, below zero, withdrawn of *frame* by its months in the column day."""
    chart = figure(theme, height=height, barmode="relative", bargap=0.2, showlegend=True)
    times = frame["day"].dt.tz_convert("UTC").dt.tz_localize(None)
    given, withdrawn = (frame[name].astype(float).fillna(0) for name in ("given", "withdrawn"))
    for name, values, color in (("given", given, theme.accent), ("withdrawn", -withdrawn, LOSS)):
        chart.add_bar(
            x=times,
            y=values,
            name=name,
            marker={"color": color, "line": {"width": 0}},
            customdata=[axes.count_with_unit(abs(value), "stars") for value in values],
            hovertemplate=f"%{{customdata}} {name}<extra></extra>",
        )
    chart.update_yaxes(**axes.count_axis(min(0.0, -axes.largest(withdrawn)), max(0.0, axes.largest(given))))
    return chart


def retention_triangle(frame: DataFrame, theme: Theme, *, height: int = 340) -> go.Figure:
    """Draw *frame* (month, age, given, surviving, share) as squares: one row a month of giving, the newest above.

    One column is the month in which the shares were last read, so that the squares begin with our first response.
    """
    known = frame.dropna(subset=["given", "surviving", "share"])
    months = sorted(known["month"].unique())[-MAX_MONTHS:]
    shown = known[known["month"].isin(months)]
    read_in = [month + DateOffset(months=int(age)) for month, age in zip(shown["month"], shown["age"], strict=True)]
    columns = sorted(set(read_in))
    row_of = {month: position for position, month in enumerate(months)}
    column_of = {month: position for position, month in enumerate(columns)}
    shares: list[list[float | None]] = [[None] * len(columns) for _ in months]
    texts = [[""] * len(columns) for _ in months]
    for at, month, given, surviving, share in zip(
        read_in, *(shown[name] for name in ("month", "given", "surviving", "share")), strict=True
    ):
        row, column = row_of[month], column_of[at]
        shares[row][column] = float(share)
        texts[row][column] = (
            f"{month:%Y-%m}, read in {at:%Y-%m}: {surviving:,} of {axes.count_with_unit(given, 'stars')}, "
            f"{float(share):.1%}"
        )
    lowest = min((share for row in shares for share in row if share is not None), default=1.0)
    chart = figure(theme, height=height, hovermode="closest")
    chart.add_heatmap(
        z=shares,
        x=[f"{at:%Y-%m}" for at in columns],
        y=[f"{month:%Y-%m}" for month in months],
        customdata=texts,
        xgap=2,
        ygap=2,
        # A withdrawal of one percent has to show: the scale spans what there is.
        zmin=min(lowest, 0.99),
        zmax=1,
        colorscale=[[0, theme.rest], [1, theme.accent]],
        showscale=False,
        hoverongaps=False,
        hovertemplate="%{customdata}<extra></extra>",
    )
    chart.update_yaxes(type="category", showgrid=False, nticks=8)
    chart.update_xaxes(type="category", nticks=8)
    return chart
