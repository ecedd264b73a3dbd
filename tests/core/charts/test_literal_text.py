"""Names, languages and sources in figures are text: Plotly finds no tag and no placeholder in them."""

import json
from datetime import timedelta

import pytest
from pandas import DataFrame

from core.charts import areas, bars, lines, repositories
from core.charts.theme import LIGHT
from core.markup import plotly
from tests.core.charts.test_figures import START, coverage_interval, days, history

HOSTILE = "<b>x</b><a href='https://evil.example'>y</a> %{y} &lt;"


@pytest.mark.parametrize(
    "draw",
    [
        lambda: bars.ranking_bars(
            DataFrame({"name": [HOSTILE], "stars": [3]}), "name", "stars", LIGHT, texts=DataFrame({"t": ["3"]})["t"]
        ),
        lambda: bars.language_bars(
            DataFrame({"language": [HOSTILE], "share": [1.0]}), "share", LIGHT, texts=DataFrame({"t": ["3"]})["t"]
        ),
        lambda: areas.stacked_shares(
            DataFrame({"at": days(0, 1), "language": [HOSTILE] * 2, "stars": [1, 2]}),
            "stars", LIGHT, unit="stars", max_gap=timedelta(days=9),
        ),
        lambda: lines.history_lines(
            history(1, 5, source=2, name=HOSTILE), coverage_interval(0, 3, source=2), "stars", LIGHT,
            until=START + timedelta(days=2), unit="stars",
        ),
        lambda: repositories.growth_scatter(
            DataFrame({"full_name": [f"octo/{HOSTILE}"], "language": [HOSTILE], "stars": [9], "stars_30d": [5]}), LIGHT
        ),
    ],
)  # fmt: skip
def test_a_figure_has_names_only_as_literal_text(draw):
    drawn = json.dumps(json.loads(draw().to_json()), ensure_ascii=False)
    assert plotly(HOSTILE)[:20] in drawn
    assert "<b>x" not in drawn
    assert "<a " not in drawn
    assert "%{y} &" not in drawn
