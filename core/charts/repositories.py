"""Charts of many repositories: the distribution of stars, and growth against stars."""

from math import floor, log10
from typing import Any

import plotly.graph_objects as go
from pandas import DataFrame

from core import linguist, markup
from core.charts import axes
from core.charts.theme import Theme, figure

MAX_LABELS = 6
# One for each of the most frequent languages; the others share one.
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star")
OTHER_SYMBOL = "circle-open"
BAR_WIDTH, MARGIN = 0.3, 0.05  # in powers of ten
LABEL_HEIGHT_SHARE = 0.07  # of the plot's height


def stars_histogram(frame: DataFrame, theme: Theme) -> go.Figure:
    """Draw one bar per bin of *frame* (at_least, below, repositories); bins are equally wide in powers of ten."""
    chart = figure(theme, height=300, hovermode="closest", bargap=0)
    starts, ends = frame["at_least"].astype(int).tolist(), frame["below"].astype(int).tolist()
    # Zero has no logarithm: its bin is drawn one bin's width before the first.
    middles = [(floor(log10(start) * 3 + 0.01) + 0.5) / 3 if start else -0.5 / 3 for start in starts]
    chart.add_bar(
        x=middles,
        width=BAR_WIDTH,
        y=frame["repositories"].astype(int),
        customdata=[
            f"{axes.count_with_unit(repositories, 'repositories')} with {bin_label(start, end)}"
            for start, end, repositories in zip(starts, ends, frame["repositories"], strict=True)
        ],
        marker={"color": theme.accent, "line": {"width": 0}, "cornerradius": 3},
        hovertemplate="%{customdata}<extra></extra>",
    )
    # Two ticks at least: Plotly places the title below the labels in sight, and without any nowhere.
    left, right = min(middles, default=0) - BAR_WIDTH / 2, max(middles, default=1) + BAR_WIDTH / 2
    first = max(0, floor(left))
    powers = range(first, max(first + 1, floor(right)) + 1)
    chart.update_xaxes(
        range=[min(left, powers[0]) - MARGIN, max(right, powers[-1]) + MARGIN],
        tickvals=list(powers),
        ticktext=axes.log_labels([10**power for power in powers]),
        **_axis_title("stars", theme),
    )
    chart.update_yaxes(**axes.count_axis(0, axes.largest(frame["repositories"])))
    return chart


def bin_label(start: int, end: int) -> str:
    """Format the bounds of a bin with their unit; *end* is exclusive."""
    return (
        axes.count_with_unit(start, "stars")
        if end == start + 1
        else f"{start:,} to {axes.count_with_unit(end - 1, 'stars')}"
    )


def growth_scatter(frame: DataFrame, theme: Theme) -> go.Figure:
    """Draw one dot per repository of *frame* (full_name, language, stars, stars_30d), both axes logarithmic.

    Those that gained nothing, or of which that is not known, have no place on them.
    Symbols and the legend tell the most frequent languages apart, whatever their colours.
    """
    chart = figure(theme, height=300, hovermode="closest", showlegend=True)
    frame = frame[(frame["stars"] > 0).fillna(False) & (frame["stars_30d"] > 0).fillna(False)]
    languages = frame["language"].fillna(linguist.NO_LANGUAGE)
    shown = list(languages.value_counts().index[: len(SYMBOLS)])
    for name, symbol in zip(shown, SYMBOLS, strict=False):
        _add_dots(chart, frame[languages == name], theme, name=name, symbol=symbol)
    others = frame[~languages.isin(shown)]
    if len(others):
        _add_dots(chart, others, theme, name=f"{others['language'].nunique()} more", symbol=OTHER_SYMBOL)
    on_x, on_y = (axes.log_axis(frame[name].astype(int).tolist()) for name in ("stars", "stars_30d"))
    chart.update_xaxes(showgrid=True, gridcolor=theme.grid, **_axis_title("stars", theme), **on_x)
    chart.update_yaxes(**on_y)
    chart.update_layout(legend={"font": {"size": 11}, "entrywidth": 0})
    _label_fastest_growing(chart, frame, theme)
    return chart


def _add_dots(chart: go.Figure, frame: DataFrame, theme: Theme, *, name: str, symbol: str) -> None:
    """Add the repositories of one language: its symbol tells it apart where another one has its colour."""
    languages = frame["language"].fillna(linguist.NO_LANGUAGE)
    stars = [axes.count_with_unit(count, "stars") for count in frame["stars"]]
    chart.add_scatter(
        x=frame["stars"].astype(int),
        y=frame["stars_30d"].astype(int),
        mode="markers",
        name=markup.plotly(name),
        customdata=DataFrame(
            {
                "name": frame["full_name"].map(markup.plotly),
                "stars": stars,
                "language": languages.map(markup.plotly),
            }
        ),
        marker={
            "color": linguist.colors(languages),
            "symbol": symbol,
            "size": 8,
            "opacity": 0.85,
            "line": {"width": 0.5, "color": theme.background},
        },
        hovertemplate="<b>%{customdata[0]}</b><br>%{customdata[1]}, +%{y:,} in 30 days<br>%{customdata[2]}"
        "<extra></extra>",
    )


def _axis_title(text: str, theme: Theme) -> dict[str, object]:
    return {"title": {"text": text, "font": {"size": 12, "color": theme.muted}, "standoff": 6}}


def _label_fastest_growing(chart: go.Figure, frame: DataFrame, theme: Theme) -> None:
    """Label the fastest growing repositories whose labels do not overlap."""
    named = frame.loc[_rows_with_clear_labels(frame)].head(MAX_LABELS)
    chart.add_scatter(
        x=named["stars"].astype(int),
        y=named["stars_30d"].astype(int),
        mode="text",
        text=[f"{markup.plotly(name.partition('/')[2])}  " for name in named["full_name"]],
        textposition="middle left",
        textfont={"size": 11, "color": theme.text},
        hoverinfo="skip",
        showlegend=False,
        cliponaxis=False,
    )


def _rows_with_clear_labels(frame: DataFrame) -> list[Any]:
    """Return the rows, in order, whose labels are not at the same height as an earlier one's."""
    if frame.empty:
        return []
    line = LABEL_HEIGHT_SHARE * max(1.0, log10(frame["stars_30d"].max() / frame["stars_30d"].min()))
    levels: list[float] = []
    rows = []
    for index, growth in frame["stars_30d"].head(40).items():
        level = log10(growth)
        if all(abs(level - other) > line for other in levels):
            levels.append(level)
            rows.append(index)
    return rows
