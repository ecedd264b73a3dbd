"""Stacked area charts of shares over time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import pandas as pd
import plotly.graph_objects as go
from pandas import DataFrame

from core import linguist, markup
from core.charts import axes
from core.charts.comparison import Earlier
from core.charts.theme import Theme, figure
from core.wording import byte_size

MAX_LAYERS = 8
NO_GAP = timedelta(days=100_000)
PATTERNS = ("/", "\\", "x", "-", "|", "+", ".")


def top_layers(frame: DataFrame, value: str, layers: int = MAX_LAYERS) -> DataFrame:
    """Keep the languages that are largest at the end (or were twice as large at some time) and sum the others.

    *frame* has at, language and *value*; returns the same columns, kept languages first, largest first.
    """
    by_language = frame.groupby("language")[value]
    weight = by_language.last().fillna(0).astype(float) + by_language.max().fillna(0).astype(float) / 2
    top = list(weight.nlargest(layers).index)
    named = frame.assign(language=frame["language"].where(frame["language"].isin(top), linguist.OTHER))
    summed = named.groupby(["at", "language"], as_index=False)[value].sum()
    rank = pd.Categorical(summed["language"], categories=[*top, linguist.OTHER])
    ordered: DataFrame = summed.assign(rank=rank).sort_values(["rank", "at"])
    return ordered.drop(columns="rank")


def split_at_gaps(frame: DataFrame, max_gap: timedelta) -> list[DataFrame]:
    """Split *frame* (with the column at) where two consecutive timestamps are more than *max_gap* apart."""
    timestamps = frame["at"].drop_duplicates().sort_values()
    part = (timestamps.diff() > max_gap).cumsum()
    numbers = frame["at"].map(dict(zip(timestamps, part, strict=True)))
    return [frame[numbers == number] for number in sorted(numbers.unique())]


def stacked_shares(
    frame: DataFrame,
    value: str,
    theme: Theme,
    *,
    unit: str,
    max_gap: timedelta = NO_GAP,
    height: int = 300,
    is_step: bool = False,
    compared: Earlier | None = None,
) -> go.Figure:
    """Stack the languages of *frame* (at, language and *value*) to 100 % at each timestamp.

    With *is_step* each set holds until the next one. Where two timestamps are more than *max_gap* apart the areas end
    and the gap is shaded.

    compared  the upper edges of the same areas up to then too, dotted, moved so that both end together
    """
    layers = top_layers(frame, value)
    parts = split_at_gaps(layers, max_gap)
    chart = figure(theme, height=height, showlegend=True, margin={"l": 0, "r": 8, "t": 0, "b": 0})
    shown: set[str] = set()
    patterns = patterns_of_shared_colors([str(name) for name in layers["language"].unique()])
    for number, part in enumerate(parts):
        for language, layer in part.groupby("language", sort=False):
            name = str(language)
            color = theme.rest if name == linguist.OTHER else linguist.color(name)
            _add_layer(
                chart, layer, value, color, theme, name=name, unit=unit, group=number, in_legend=name not in shown
            )
            if is_step:
                chart.data[-1].line.shape = "hv"
            if name in patterns:
                pattern = {"shape": patterns[name], "fgcolor": theme.background, "bgcolor": color, "size": 6}
                chart.data[-1].update(fillpattern=pattern)
            shown.add(name)
    if compared is not None:
        _add_earlier_edges(chart, layers, value, theme, compared, max_gap, is_step=is_step)
    for before, after in pairwise(parts):
        chart.add_vrect(
            x0=_without_timezone(before["at"].max()),
            x1=_without_timezone(after["at"].min()),
            fillcolor=theme.gap,
            line_width=0,
            layer="below",
        )
    chart.update_yaxes(**axes.share_axis())
    chart.update_layout(legend={"y": 1.06, "font": {"size": 11}, "traceorder": "normal", "entrywidth": 0})
    return chart


def _add_earlier_edges(
    chart: go.Figure,
    layers: DataFrame,
    value: str,
    theme: Theme,
    compared: Earlier,
    max_gap: timedelta,
    *,
    is_step: bool,
) -> None:
    for part in split_at_gaps(layers[layers["at"] <= compared.vs], max_gap):
        counts = part[value].astype(float).fillna(0)
        share = counts / counts.groupby(part["at"]).transform("sum") * 100
        edges = part.assign(share=share, edge=share.groupby(part["at"]).cumsum())
        for language, layer in edges.groupby("language", sort=False):
            days = layer["at"].dt.tz_localize(None)
            chart.add_scatter(
                x=days + (compared.until - compared.vs),
                y=layer["edge"],
                mode="lines",
                name=markup.plotly(f"{language} up to {compared.vs:%Y-%m-%d}"),
                showlegend=False,
                line={"color": theme.text, "width": 1, "dash": "dot", "shape": "hv" if is_step else "linear"},
                customdata=[
                    f"{part_share:.1f} % on {day:%Y-%m-%d}"
                    for part_share, day in zip(layer["share"], days, strict=True)
                ],
                hovertemplate=f"%{{customdata}}<extra>{markup.plotly(str(language))}</extra>",
            )


def _value_text(value: float, unit: str) -> str:
    if pd.isna(value):
        return "unknown"
    return byte_size(value) if unit == "bytes" else axes.count_with_unit(value, unit)


def patterns_of_shared_colors(names: Sequence[str]) -> dict[str, str]:
    """Return a pattern for each of *names* whose colour another one has, different ones where few share it."""
    shared = linguist.sharing_color(name for name in names if name != linguist.OTHER)
    return {name: PATTERNS[n % len(PATTERNS)] for n, name in enumerate(name for name in names if name in shared)}


def _without_timezone(at: datetime) -> datetime:
    return at.replace(tzinfo=None)


def _add_layer(
    chart: go.Figure,
    layer: DataFrame,
    value: str,
    color: str,
    theme: Theme,
    *,
    name: str,
    unit: str,
    group: int,
    in_legend: bool,
) -> None:
    chart.add_scatter(
        x=layer["at"].dt.tz_localize(None),
        y=layer[value].astype(float),
        name=markup.plotly(name),
        legendgroup=markup.plotly(name),
        showlegend=in_legend,
        mode="lines",
        stackgroup=f"part {group}",
        groupnorm="percent",
        line={"width": 0.8, "color": theme.background},
        fillcolor=color,
        customdata=[_value_text(value, unit) for value in layer[value]],
        hovertemplate=f"%{{y:.1f}} % · %{{customdata}}<extra>{markup.plotly(name)}</extra>",
    )
