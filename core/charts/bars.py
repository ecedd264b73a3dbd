"""Rankings as lying bars with their numbers at the ends."""

import plotly.graph_objects as go
from pandas import DataFrame, Series

from core.charts import linguist
from core.charts.theme import Theme, figure

ROW_HEIGHT = 34
BOTTOM = 16


def ranking(
    frame: DataFrame, label: str, value: str, theme: Theme, *, texts: Series, colors: list[str] | None = None
) -> go.Figure:
    """One bar a row of *frame*, the first on top; *texts* stand at the ends."""
    drawing = figure(theme, height=len(frame) * ROW_HEIGHT + BOTTOM, hovermode="closest", bargap=0.3)
    top = float(frame[value].max() or 1)
    drawing.add_bar(
        x=frame[value].astype(float),
        y=frame[label].astype(str),
        orientation="h",
        text=texts,
        textposition="outside",
        cliponaxis=False,
        textfont={"color": theme.text, "size": 12},
        marker={"color": colors or theme.accent, "line": {"width": 1, "color": theme.outline}, "cornerradius": 3},
        hovertemplate="%{y}: %{text}<extra></extra>",
    )
    # Room for the text at the end of the longest bar.
    longest = max((len(str(text)) for text in texts), default=0)
    drawing.update_xaxes(
        visible=False, range=[min(0.0, float(frame[value].min() or 0)), top * (1.06 + 0.022 * longest)]
    )
    drawing.update_yaxes(autorange="reversed", showgrid=False, tickfont={"color": theme.text})
    return drawing


def languages(frame: DataFrame, value: str, theme: Theme, *, texts: Series) -> go.Figure:
    """A ranking of languages in GitHub's colours; *frame* has the column language."""
    return ranking(frame, "language", value, theme, texts=texts, colors=linguist.colors(frame["language"]))
