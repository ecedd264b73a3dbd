"""Shares over time: a whole of 100 % in layers."""

from datetime import datetime, timedelta
from itertools import pairwise

import pandas as pd
import plotly.graph_objects as go
from pandas import DataFrame

from core.charts import linguist
from core.charts.theme import Theme, figure

MAX_LAYERS = 8


def top_layers(frame: DataFrame, value: str, layers: int = MAX_LAYERS) -> DataFrame:
    """Keep the languages that are largest at the end (or ever were half as large); the others become one layer.

    frame  at, language and *value*; returns the same columns, largest language first
    """
    by_language = frame.groupby("language")[value]
    weight = by_language.last().fillna(0).astype(float) + by_language.max().fillna(0).astype(float) / 2
    kept = list(weight.nlargest(layers).index)
    named = frame.assign(language=frame["language"].where(frame["language"].isin(kept), linguist.OTHER))
    summed = named.groupby(["at", "language"], as_index=False)[value].sum()
    rank = pd.Categorical(summed["language"], categories=[*kept, linguist.OTHER])
    ordered: DataFrame = summed.assign(rank=rank).sort_values(["rank", "at"])
    return ordered.drop(columns="rank")


def split_at_gaps(frame: DataFrame, longest: timedelta) -> list[DataFrame]:
    """The parts of *frame* (with the column at) between which nothing was told for longer than *longest*."""
    moments = frame["at"].drop_duplicates().sort_values()
    part = (moments.diff() > longest).cumsum()
    numbers = frame["at"].map(dict(zip(moments, part, strict=True)))
    return [frame[numbers == number] for number in sorted(numbers.unique())]


def stacked_shares(
    frame: DataFrame, value: str, theme: Theme, *, unit: str, longest: timedelta, height: int = 300
) -> go.Figure:
    """Layers of languages that add up to 100 % at each moment; *frame* has at, language and *value*.

    Where nothing was told for longer than *longest* the layers stop, and the gap is shaded.
    """
    layers = top_layers(frame, value)
    parts = split_at_gaps(layers, longest)
    drawing = figure(theme, height=height, showlegend=True, margin={"l": 0, "r": 8, "t": 0, "b": 0})
    shown: set[str] = set()
    for number, part in enumerate(parts):
        for language, layer in part.groupby("language", sort=False):
            name = str(language)
            color = theme.rest if name == linguist.OTHER else linguist.color(name)
            _add_layer(drawing, layer, value, color, theme, name=name, unit=unit, group=number, first=name not in shown)
            shown.add(name)
    for before, after in pairwise(parts):
        drawing.add_vrect(
            x0=_without_timezone(before["at"].max()),
            x1=_without_timezone(after["at"].min()),
            fillcolor=theme.gap,
            line_width=0,
            layer="below",
        )
    drawing.update_yaxes(range=[0, 100], ticksuffix=" %", nticks=5)
    drawing.update_layout(legend={"y": 1.06, "font": {"size": 11}, "traceorder": "normal", "entrywidth": 0})
    return drawing


def _without_timezone(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


def _add_layer(
    drawing: go.Figure,
    layer: DataFrame,
    value: str,
    color: str,
    theme: Theme,
    *,
    name: str,
    unit: str,
    group: int,
    first: bool,
) -> None:
    drawing.add_scatter(
        x=layer["at"].dt.tz_localize(None),
        y=layer[value].astype(float),
        name=name,
        legendgroup=name,
        showlegend=first,
        mode="lines",
        stackgroup=f"part {group}",
        groupnorm="percent",
        line={"width": 0.8, "color": theme.background},
        fillcolor=color,
        customdata=layer[value].astype(float),
        hovertemplate=f"%{{y:.1f}} % · %{{customdata:,.0f}} {unit}<extra>{name}</extra>",
    )
