"""A notebook's chart draws the columns that the page's chart draws."""

import json

import plotly.graph_objects as go
import pytest
from pandas import DataFrame, to_datetime

from core.export.notebook_chart import chart_code

DAYS = to_datetime(["2026-01-01", "2026-01-02", "2026-01-03"], utc=True)


def code(rows: DataFrame, *traces: object) -> str:
    return chart_code(rows, json.loads(go.Figure(list(traces)).to_json()), "Why?")


def test_a_ranking_shows_its_first_rows_by_what_they_are_ranked_by():
    """Not by GitHub's id, which is the first number of the rows."""
    rows = DataFrame(
        {"id": [91, 92, 93], "full_name": ["a/b", "c/d", "e/f"], "stars": [50, 70, 9], "growth": [8, 6, 2]}
    )
    drawn = go.Bar(x=[8, 6], y=[0, 1], orientation="h")
    assert code(rows, drawn) == "chart(rows.head(2), 'bar', x='full_name', y='growth', title='Why?')"


@pytest.mark.parametrize("drawn", ["stars", "repositories"])
def test_a_line_has_the_numbers_of_the_question(drawn: str):
    rows = DataFrame({"at": DAYS, "source_id": 1, "source": "GitHub", "stars": [5, 6, 8], "repositories": [1, 2, 3]})
    line = go.Scatter(x=rows["at"], y=rows[drawn].to_numpy(), mode="lines")
    marks = go.Scatter(x=DAYS[1:2], y=[0.02], mode="markers")
    expected = f"chart(rows, 'line', x='at', y={drawn!r}, color='source', title='Why?')"
    assert code(rows, line, marks) == expected


def test_a_gap_is_not_crossed():
    rows = DataFrame({"at": DAYS, "source": "GitHub", "stars": [5, 6, 8]})
    with_gap = go.Scatter(x=DAYS, y=[5, None, 8], mode="lines")
    assert code(rows, with_gap).startswith("chart(rows, 'scatter', x='at', y='stars'")
    assert code(rows, go.Scatter(x=DAYS, y=[5, 6, 8], mode="markers")).startswith("chart(rows, 'scatter'")


def test_two_numbers_are_drawn_against_each_other():
    rows = DataFrame(
        {"full_name": ["a/b", "c/d", "e/f"], "language": ["C", "C", "Go"], "stars": [50, 70, 9], "growth": [8, 6, 2]}
    )
    traces = [go.Scatter(x=[50, 70], y=[8, 6], mode="markers"), go.Scatter(x=[9], y=[2], mode="markers")]
    assert code(rows, *traces) == "chart(rows, 'scatter', x='stars', y='growth', color='language', title='Why?')"


def test_a_share_is_found_by_its_percent():
    rows = DataFrame({"language": ["C", "Go"], "weight": [3, 1], "share": [0.75, 0.25]})
    assert "y='share'" in code(rows, go.Bar(x=[75.0, 25.0], y=[0, 1], orientation="h"))


def test_rows_of_numbers_alone_are_summarized():
    rows = DataFrame({"at_least": [1, 2], "repositories": [5, 6]})
    assert code(rows, go.Bar(x=[0, 1], y=[5, 6])) == "rows.describe()"


def test_where_nothing_matches_the_first_count_is_drawn():
    rows = DataFrame({"day": DAYS, "account_id": [1, 1, 1], "refreshed": [4, 4, 4]})
    assert code(rows, go.Heatmap(z=[[0.1]])) == "chart(rows, 'line', x='day', y='refreshed', title='Why?')"
