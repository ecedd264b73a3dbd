"""Rankings as lying bars with their numbers at the ends."""

import plotly.graph_objects as go
from pandas import DataFrame, Series

from core.charts import linguist
from core.charts.theme import Theme, figure

ROW_HEIGHT = 34
BOTTOM_HEIGHT = 16
CHARACTER_WIDTH = 6.6
MAX_LABEL_LENGTH = 34


def truncate_label(name: str) -> str:
    """*name*, cut where it would leave no room for its bar."""
    return name if len(name) <= MAX_LABEL_LENGTH else f"{name[: MAX_LABEL_LENGTH - 1]}…"


def ranking_bars(
    frame: DataFrame, label: str, value: str, theme: Theme, *, texts: Series, colors: list[str] | None = None
) -> go.Figure:
    """One bar a row of *frame*, the first on top; *texts* stand at the ends."""
    drawing = figure(theme, height=len(frame) * ROW_HEIGHT + BOTTOM_HEIGHT, hovermode="closest", bargap=0.3)
    lengths, names = frame[value].astype(float), frame[label].astype(str)
    drawing.add_bar(
        x=lengths,
        # By place, not by name: names that are shortened may look alike.
        y=list(range(len(frame))),
        customdata=names,
        orientation="h",
        text=texts,
        textposition="outside",
        cliponaxis=False,
        textfont={"color": theme.text, "size": 12},
        marker={"color": colors or theme.accent, "line": {"width": 1, "color": theme.outline}, "cornerradius": 3},
        hovertemplate="%{customdata}: %{text}<extra></extra>",
    )
    drawing.update_xaxes(visible=False, range=[min(0.0, lengths.min()), max(lengths.max(), 0.0) or 1.0])
    # Room for the texts at the ends, in pixels, as the texts are: it has to do on any width.
    longest = max((len(str(text)) for text in texts), default=0)
    drawing.update_layout(margin={"r": longest * CHARACTER_WIDTH + 8})
    drawing.update_yaxes(
        autorange="reversed",
        showgrid=False,
        tickfont={"color": theme.text},
        tickvals=list(range(len(frame))),
        ticktext=names.map(truncate_label),
    )
    return drawing


def language_bars(frame: DataFrame, value: str, theme: Theme, *, texts: Series) -> go.Figure:
    """A ranking of languages in GitHub's colours; *frame* has the column language."""
    return ranking_bars(frame, "language", value, theme, texts=texts, colors=linguist.colors(frame["language"]))
