"""Marks: one symbol a day and kind, inside the chart only, with strangers' text as text."""

import pandas as pd
import plotly.graph_objects as go
from pandas import DataFrame

from core.charts.marks import MAX_MARKS, add_marks
from core.charts.theme import LIGHT


def events(*rows: tuple[str, str, str]) -> DataFrame:
    frame = DataFrame(rows, columns=["at", "what", "kind"])
    return frame.assign(at=pd.to_datetime(frame["at"], utc=True, format="ISO8601"))


def chart() -> go.Figure:
    times = pd.to_datetime(["2026-01-01", "2026-01-31"])
    return go.Figure(go.Scatter(x=times, y=[1, 2]))


def test_events_of_a_day_share_a_symbol_and_those_outside_have_none():
    figure = chart()
    add_marks(
        figure,
        events(
            ("2025-12-31", "release v0", "release"), ("2026-01-05 08:00", "release v1", "release"),
            ("2026-01-05 09:00", "release v1.1", "release"), ("2026-01-07", "renamed", "change"),
            ("2026-02-01", "archived", "change"),
        ),
        LIGHT,
    )  # fmt: skip
    marks = {trace.name: list(trace.customdata) for trace in figure.data[1:]}
    assert marks == {"change": ["renamed"], "release": ["release v1, release v1.1"]}
    assert figure.layout.yaxis2.visible is False


def test_many_events_of_a_day_are_counted_and_many_days_cut_to_the_newest():
    figure = chart()
    add_marks(figure, events(*[("2026-01-05", f"release v{n}", "release") for n in range(5)]), LIGHT)
    assert list(figure.data[1].customdata) == ["release v0, release v1, release v2 and 2 more"]
    days = [(f"{day:%Y-%m-%d}", "renamed", "change") for day in pd.date_range("2020-01-01", periods=MAX_MARKS + 5)]
    long = go.Figure(go.Scatter(x=pd.to_datetime(["2020-01-01", "2026-01-01"]), y=[1, 2]))
    add_marks(long, events(*days), LIGHT)
    assert len(long.data[1].x) == MAX_MARKS


def test_a_tag_is_no_markup_and_an_empty_chart_stays_empty():
    figure = chart()
    add_marks(figure, events(("2026-01-05", "release <b>v1</b>", "release")), LIGHT)
    assert "<b>" not in figure.data[1].customdata[0]
    empty = go.Figure()
    add_marks(empty, events(("2026-01-05", "renamed", "change")), LIGHT)
    assert not empty.data
