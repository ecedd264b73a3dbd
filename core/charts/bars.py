"""Horizontal bar charts of rankings, with the values at the ends of the bars."""

import plotly.graph_objects as go
from pandas import DataFrame, Series

from core import linguist, markup
from core.charts import axes
from core.charts.theme import Theme, figure

ROW_HEIGHT = 34
BOTTOM_HEIGHT = 16
CHARACTER_WIDTH, LABEL_CHARACTER_WIDTH = 6.6, 7.0  # digits and letters, in pixels
MIN_LABEL_LENGTH, MAX_LABEL_LENGTH = 12, 34
NARROW_CHART_PX, MIN_BAR_PX = 340, 24  # of a page 420 px wide; and what is left for the longest bar there


def truncate_label(name: str, max_length: int = MAX_LABEL_LENGTH) -> str:
    """Shorten *name* to *max_length* characters, so that its bar has room; of `owner/name` the owner first."""
    if len(name) <= max_length:
        return name
    owner, slash, rest = name.partition("/")
    kept = max_length - len(rest) - 2
    return f"{owner[:kept]}…/{rest}" if slash and kept > 0 else f"{name[: max_length - 1]}…"


def label_length(texts_px: float) -> int:
    """Return how many characters of a label have room on a narrow page beside bars and texts *texts_px* wide."""
    room = (NARROW_CHART_PX - MIN_BAR_PX - texts_px) / LABEL_CHARACTER_WIDTH
    return max(MIN_LABEL_LENGTH, min(MAX_LABEL_LENGTH, int(room) - 1))


def ranking_bars(
    frame: DataFrame, label: str, value: str, theme: Theme, *, texts: Series, colors: list[str] | None = None
) -> go.Figure:
    """Draw one bar per row of *frame*, the first on top, with *texts* at the ends."""
    chart = figure(theme, height=len(frame) * ROW_HEIGHT + BOTTOM_HEIGHT, hovermode="closest", bargap=0.3)
    lengths, names = frame[value].astype(float), frame[label].astype(str)
    chart.add_bar(
        x=lengths,
        # By index, not by name: shortened names can be equal.
        y=list(range(len(frame))),
        customdata=names.map(markup.plotly),
        orientation="h",
        text=texts,
        textposition="outside",
        cliponaxis=False,
        textfont={"color": theme.text, "size": 12},
        marker={"color": colors or theme.accent, "line": {"width": 1, "color": theme.outline}, "cornerradius": 3},
        hovertemplate="%{customdata}: %{text}<extra></extra>",
    )
    chart.update_xaxes(
        visible=False, range=[-axes.largest(-lengths.clip(upper=0)), axes.largest(lengths.clip(lower=0)) or 1.0]
    )
    # Room for the texts in pixels, so that it is enough at any chart width.
    longest = max((len(str(text)) for text in texts), default=0)
    texts_px = longest * CHARACTER_WIDTH + 8
    chart.update_layout(margin={"r": texts_px}, minreducedwidth=MIN_BAR_PX)
    chart.update_yaxes(
        autorange="reversed",
        showgrid=False,
        tickfont={"color": theme.text},
        tickvals=list(range(len(frame))),
        ticktext=[markup.plotly(truncate_label(name, label_length(texts_px))) for name in names],
    )
    return chart


def language_bars(frame: DataFrame, value: str, theme: Theme, *, texts: Series) -> go.Figure:
    """Draw a ranking of languages in Linguist's colours; *frame* has the column language."""
    return ranking_bars(frame, "language", value, theme, texts=texts, colors=linguist.colors(frame["language"]))
