"""Lorenz curve: how unequally stars are spread over repositories."""

import plotly.graph_objects as go
from pandas import DataFrame

from core import markup
from core.charts import axes
from core.charts.theme import Theme, figure

HALF_A_LABEL_PX = 18  # of `100 %`: Plotly leaves out a label that would be cut


def lorenz_curve(frame: DataFrame, theme: Theme, earlier: DataFrame | None = None, then: str = "") -> go.Figure:
    """Draw *frame* (full_name, stars, repository_share, star_share; fewest stars first) under the diagonal.

    earlier  such a frame of the time *then* that is compared with, drawn dashed
    """
    chart = figure(theme, height=300, hovermode="closest", margin={"l": 0, "r": HALF_A_LABEL_PX, "t": 8, "b": 0})
    chart.add_scatter(
        x=[0, 100], y=[0, 100], mode="lines", line={"color": theme.muted, "width": 1, "dash": "dot"}, hoverinfo="skip"
    )
    chart.add_scatter(
        x=[0, *(frame["repository_share"].astype(float) * 100)],
        y=[0, *(frame["star_share"].astype(float) * 100)],
        mode="lines+markers" if len(frame) <= 40 else "lines",
        marker={"size": 5},
        line={"color": theme.accent, "width": 2},
        fill="tozeroy",
        fillcolor=theme.fill,
        customdata=[
            "",
            *(
                f"up to {markup.plotly(name)} with {axes.count_with_unit(stars, 'stars')}"
                for name, stars in zip(frame["full_name"], frame["stars"], strict=True)
            ),
        ],
        hovertemplate="%{x:.0f} % of the repositories have %{y:.1f} % of the stars<br>%{customdata}<extra></extra>",
    )
    if earlier is not None and len(earlier):
        chart.add_scatter(
            x=[0, *(earlier["repository_share"].astype(float) * 100)],
            y=[0, *(earlier["star_share"].astype(float) * 100)],
            mode="lines",
            line={"color": theme.text, "width": 1.5, "dash": "dash"},
            hovertemplate=f"%{{x:.0f}} % of the repositories had %{{y:.1f}} % of the stars on {then}<extra></extra>",
        )
    title = {"text": "repositories, fewest stars first", "font": {"size": 12, "color": theme.muted}, "standoff": 6}
    chart.update_xaxes(**axes.share_axis(), title=title)
    chart.update_yaxes(**axes.share_axis())
    return chart
