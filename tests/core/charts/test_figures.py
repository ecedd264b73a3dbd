"""Figures show their frames, in both themes."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from pandas import DataFrame

from core import linguist
from core.charts import areas, bars, lines, lorenz, repositories
from core.charts.theme import DARK, LIGHT

HALF_A_LABEL_PX = 18  # of `100 %`, which is centred on the end of its axis
START = datetime(2026, 1, 1, tzinfo=UTC)


def days(*numbers: float) -> "pd.Series[pd.Timestamp]":
    return pd.Series([START + timedelta(days=number) for number in numbers], dtype="datetime64[us, UTC]")


def history(*values: float, source: int = 1, name: str = "GitHub") -> DataFrame:
    return DataFrame(
        {"captured_at": days(*range(len(values))), "source_id": source, "source": name, "stars": list(values)}
    )


def coverage_interval(first: float, last: float, source: int = 1) -> DataFrame:
    return DataFrame(
        {
            "source_id": [source],
            "from_at": days(first),
            "to_at": days(last),
            "overdue_at": days(last + 2),
        }
    )


def line_figure(points: DataFrame, intervals: DataFrame, until: float = 5):
    return lines.history_lines(points, intervals, "stars", LIGHT, until=START + timedelta(days=until), unit="stars")


def test_a_line_with_small_changes_is_drawn_without_zero():
    flat, steep = (
        line_figure(history(1000, 1001, 1003), coverage_interval(0, 3)),
        line_figure(history(1, 1000), coverage_interval(0, 3)),
    )
    assert flat.layout.yaxis.range[0] > 900
    assert steep.layout.yaxis.range[0] == 0
    assert flat.data[0].fill is None
    assert steep.data[0].fill == "tozeroy"


def test_a_line_of_zeros_starts_at_zero():
    assert list(line_figure(history(0, 0), coverage_interval(0, 1)).layout.yaxis.range) == [0, 1]


def test_imported_history_is_drawn_as_such_and_named():
    points = pd.concat([history(1, 2), history(5, 6, source=2, name="weekly list")])
    intervals = pd.concat([coverage_interval(0, 3), coverage_interval(0, 3, source=2)])
    ours, theirs = line_figure(points, intervals).data
    assert (ours.name, theirs.name) == ("GitHub", "weekly list (imported)")
    assert ours.line.color == LIGHT.accent
    assert theirs.line.color == LIGHT.imported


def test_a_gap_is_shaded_and_labelled():
    figure = line_figure(history(1, 2), coverage_interval(0, 1), until=20)
    assert [shape.label.text for shape in figure.layout.shapes] == ["not collected"]


def test_a_value_never_reported_is_not_drawn():
    assert not line_figure(history(), coverage_interval(0, 1)).data


def test_a_ranking_keeps_its_order_and_its_texts():
    frame = DataFrame({"language": ["C", "Go"], "stars": [3, 1]})
    figure = bars.language_bars(frame, "stars", LIGHT, texts=pd.Series(["three", "one"]))
    assert list(figure.layout.yaxis.ticktext) == ["C", "Go"]
    assert list(figure.data[0].text) == ["three", "one"]
    assert list(figure.data[0].marker.color) == [linguist.color("C"), linguist.color("Go")]
    assert figure.layout.yaxis.autorange == "reversed"


def test_names_equal_when_shortened_keep_a_bar_each():
    name = "owner/" + "a" * 60
    frame = DataFrame({"name": [f"{name}1", f"{name}2"], "stars": [3, 1]})
    figure = bars.ranking_bars(frame, "name", "stars", LIGHT, texts=pd.Series(["3", "1"]))
    assert len(set(figure.data[0].y)) == 2
    assert list(figure.data[0].customdata) == frame["name"].tolist()


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_areas_end_at_gaps(theme):
    frame = DataFrame({"at": days(0, 30, 200, 230), "language": "C", "stars": [1, 2, 3, 4]})
    figure = areas.stacked_shares(frame, "stars", theme, unit="stars", max_gap=timedelta(days=62))
    assert len(figure.data) == 2
    assert [trace.showlegend for trace in figure.data] == [True, False]
    assert len(figure.layout.shapes) == 1


def test_small_languages_become_one_layer():
    frame = DataFrame({"at": days(*[0] * 12), "language": [f"L{n}" for n in range(12)], "stars": range(12)})
    layers = areas.top_layers(frame, "stars", layers=3)
    assert layers["language"].tolist() == ["L11", "L10", "L9", linguist.OTHER]
    assert layers["stars"].sum() == sum(range(12))


def test_layers_that_share_a_colour_have_patterns_of_their_own():
    """Linguist gives Python and Python console one colour; Go has its own."""
    frame = DataFrame({"at": days(0, 0, 0), "language": ["Python", "Python console", "Go"], "stars": [3, 2, 1]})
    figure = areas.stacked_shares(frame, "stars", LIGHT, unit="stars", max_gap=timedelta(days=62))
    shapes = {trace.name: trace.fillpattern.shape for trace in figure.data}
    assert shapes["Go"] is None
    assert None not in (shapes["Python"], shapes["Python console"])
    assert shapes["Python"] != shapes["Python console"]


def test_symbols_tell_languages_apart_that_share_a_colour():
    names = ["Python", "Python console", "JSX", None, "Go", "Rust", "C", "Zig", "Perl", "Python"]
    frame = DataFrame({"full_name": [f"o/{n}" for n in range(10)], "language": names, "stars": range(10, 20)})
    drawn = repositories.growth_scatter(frame.assign(stars_30d=range(1, 11)), LIGHT)
    dots = [trace for trace in drawn.data if trace.mode == "markers"]
    assert sum(len(trace.x) for trace in dots) == 10
    assert len({trace.marker.symbol for trace in dots}) == len(dots) == 8
    assert dots[0].name == "Python"
    assert dots[-1].name == "2 more"
    assert drawn.layout.showlegend


@pytest.mark.parametrize(
    ("name", "length", "label"),
    [
        ("octo/cat", 8, "octo/cat"),
        ("ZephyrFoundation/sparse-schema", 28, "ZephyrFoundat…/sparse-schema"),
        ("octo/a-name-that-is-far-too-long", 12, "octo/a-name…"),
        ("Jupyter Notebook", 12, "Jupyter Not…"),
    ],
)
def test_a_label_too_long_for_its_bar_keeps_the_name_of_the_repository(name, length, label):
    assert bars.truncate_label(name, length) == label


def test_labels_and_texts_leave_room_for_bars_on_a_narrow_page():
    """340 pixels less 24 for the longest bar: texts of 16 characters take 16 * 6.6 + 8 = 113.6, so 27 letters fit."""
    frame = DataFrame({"full_name": ["ZephyrFoundation/sparse-schema"], "growth": [7099]})
    figure = bars.ranking_bars(frame, "full_name", "growth", LIGHT, texts=pd.Series(["+7,099  (15.6 %)"]))
    assert figure.layout.yaxis.ticktext == ("ZephyrFounda…/sparse-schema",)
    assert figure.layout.minreducedwidth == 24
    assert figure.data[0].customdata[0] == "ZephyrFoundation/sparse-schema"


def test_the_last_label_below_a_lorenz_curve_has_room():
    """Plotly leaves out a label that would be cut."""
    shares = DataFrame({"full_name": ["a/b"], "stars": [5], "repository_share": [1.0], "star_share": [1.0]})
    assert lorenz.lorenz_curve(shares, LIGHT).layout.margin.r >= HALF_A_LABEL_PX
