"""Shares over time: a whole of 100 % in layers."""

import pandas as pd
import plotly.graph_objects as go
from pandas import DataFrame

from core.charts import linguist
from core.charts.theme import Theme, figure

LAYERS = 8
LEGEND_ROW = 20


def top_layers(frame: DataFrame, value: str, layers: int = LAYERS) -> DataFrame:
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


def shares(frame: DataFrame, value: str, theme: Theme, *, unit: str, height: int = 300) -> go.Figure:
    """Layers of languages that add up to 100 % at each moment; *frame* has at, language and *value*."""
    layers = top_layers(frame, value)
    drawing = figure(theme, height=height, showlegend=True, margin={"l": 0, "r": 8, "t": 0, "b": 0})
    for language, layer in layers.groupby("language", sort=False):
        color = linguist.color(language)
        drawing.add_scatter(
            x=layer["at"],
            y=layer[value].astype(float),
            name=str(language),
            mode="lines",
            stackgroup="all",
            groupnorm="percent",
            line={"width": 0.8, "color": theme.background},
            fillcolor=color,
            customdata=layer[value].astype(float),
            hovertemplate=f"%{{y:.1f}} % · %{{customdata:,.0f}} {unit}<extra>{language}</extra>",
        )
    drawing.update_yaxes(range=[0, 100], ticksuffix=" %", nticks=5)
    drawing.update_layout(legend={"y": 1.06, "font": {"size": 11}, "traceorder": "normal", "entrywidth": 0})
    return drawing
