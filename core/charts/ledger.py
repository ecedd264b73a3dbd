"""The star ledger: given and withdrawn stars by month, and the retention triangle."""

import plotly.graph_objects as go
from pandas import DataFrame

from core.charts import axes
from core.charts.theme import Theme, figure

ROW_PX = 22
MAX_MONTHS = 36
LOSS = "#ef4444"


def given_and_withdrawn(frame: DataFrame, theme: Theme, *, height: int = 240) -> go.Figure:
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


def retention_triangle(frame: DataFrame, theme: Theme) -> go.Figure:
    """Draw *frame* (month, age, given, surviving, share) as squares: one row a month, the newest above."""
    known = frame.dropna(subset=["given", "surviving", "share"])
    months = sorted(known["month"].unique())[-MAX_MONTHS:]
    shown = known[known["month"].isin(months)]
    labels = [f"{month:%Y-%m}" for month in months]
    row_of = {month: position for position, month in enumerate(months)}
    ages = range(int(shown["age"].max()) + 1) if len(shown) else range(0)
    shares: list[list[float | None]] = [[None] * len(ages) for _ in months]
    texts = [[""] * len(ages) for _ in months]
    for month, age, given, surviving, share in zip(
        *(shown[name] for name in ("month", "age", "given", "surviving", "share")), strict=True
    ):
        row, column = row_of[month], int(age)
        shares[row][column] = float(share)
        texts[row][column] = (
            f"{month:%Y-%m}, age {column}: {surviving:,} of {axes.count_with_unit(given, 'stars')}, {float(share):.1%}"
        )
    lowest = min((share for row in shares for share in row if share is not None), default=1.0)
    chart = figure(theme, height=ROW_PX * len(months) + 60, hovermode="closest")
    chart.add_heatmap(
        z=shares,
        x=list(ages),
        y=labels,
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
    chart.update_yaxes(type="category", showgrid=False)
    chart.update_xaxes(
        title={"text": "months since", "font": {"size": 12, "color": theme.muted}},
        dtick=max(1, len(ages) // 12),
        side="bottom",
    )
    return chart
