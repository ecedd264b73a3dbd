"""Marks on time charts: what happened when, as small symbols at the foot of the chart with the words on hover."""

from collections.abc import Callable
from typing import ParamSpec

import plotly.graph_objects as go
from pandas import DataFrame

from core import markup
from core.charts.theme import Theme

Parameters = ParamSpec("Parameters")
RELEASE, CHANGE = "release", "change"
SYMBOLS = {RELEASE: "triangle-up", CHANGE: "diamond"}
MAX_MARKS = 200
MAX_NAMED = 3
READING_HINT = "Triangles: releases; diamonds: changes."


def marked(
    build: Callable[Parameters, go.Figure],
    happened: DataFrame | None,
    /,
    *args: Parameters.args,
    **kwargs: Parameters.kwargs,
) -> go.Figure:
    """Return the figure that *build* makes of the other arguments, with a mark for each row of *happened*, if given."""
    chart = build(*args, **kwargs)
    if happened is not None:
        add_marks(chart, happened, next(theme for theme in (*args, *kwargs.values()) if isinstance(theme, Theme)))
    return chart


def add_marks(chart: go.Figure, marks: DataFrame, theme: Theme) -> None:
    """Draw *marks* (at, what, kind: RELEASE or CHANGE) that lie between the first and the last point of *chart*.

    One symbol a day and kind; of more than MAX_MARKS the newest.
    """
    times = [at for trace in chart.data if trace.x is not None for at in trace.x]
    if marks.empty or not times:
        return
    at = marks["at"].dt.tz_convert("UTC").dt.tz_localize(None)
    inside = marks.assign(at=at)[(at >= min(times)) & (at <= max(times))]
    for kind, found in inside.groupby("kind"):
        by_day = found.groupby(found["at"].dt.floor("D"))["what"].agg(_named).tail(MAX_MARKS)
        chart.add_scatter(
            x=list(by_day.index),
            y=[0.02] * len(by_day),
            yaxis="y2",
            mode="markers",
            name=str(kind),
            showlegend=False,
            cliponaxis=False,
            marker={
                "symbol": SYMBOLS[str(kind)],
                "size": 8,
                "color": theme.background,
                "line": {"width": 1.5, "color": theme.muted if kind == RELEASE else theme.text},
            },
            customdata=list(by_day),
            hovertemplate="%{customdata}<extra></extra>",
        )
    chart.update_layout(yaxis2={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True})


def _named(what: "list[str]") -> str:
    """Return the first few of a day's texts and how many are left."""
    texts = [markup.plotly(text) for text in what]
    more = f" and {len(texts) - MAX_NAMED} more" if len(texts) > MAX_NAMED else ""
    return ", ".join(texts[:MAX_NAMED]) + more
