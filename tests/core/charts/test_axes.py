"""Ticks of counts are whole and distinct in every figure, whatever the values."""

import json
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas import DataFrame

from core.charts import areas, axes, lines
from core.charts.calendar_heatmap import calendar_heatmap
from core.charts.repositories import growth_scatter, stars_histogram
from core.charts.theme import LIGHT

START = datetime(2026, 3, 1, tzinfo=UTC)
counts = st.integers(min_value=0, max_value=4_000_000_000)


def layout_of(figure: Any) -> dict[str, Any]:
    """Return the layout as the browser receives it."""
    layout: dict[str, Any] = json.loads(figure.to_json())["layout"]
    return layout


def line_layout(*values: int, unit: str = "stars", minutes: int = 24 * 60) -> dict[str, Any]:
    at = pd.Series([START + timedelta(minutes=minutes * number) for number in range(len(values))])
    at = at.astype("datetime64[us, UTC]")
    points = DataFrame({"captured_at": at, "source_id": 1, "source": "GitHub", unit: list(values)})
    intervals = DataFrame({"source_id": [1], "from_at": at[:1], "to_at": at[-1:].array, "overdue_at": at[-1:].array})
    until = at.iloc[-1].to_pydatetime()
    return layout_of(lines.history_lines(points, intervals, unit, LIGHT, until=until, unit=unit))


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ((0, 0), ["0", "1"]),
        ((0, 1), ["0", "1"]),
        ((0, 2), ["0", "1", "2"]),
        ((0, 3, 1), ["0", "1", "2", "3"]),
        ((0, 9), ["0", "5", "10"]),
        # 13 to 15 with room of one on either side
        ((13, 15), ["12", "13", "14", "15", "16"]),
        # room of 0.2 %, so from 998 to 1,005
        ((1_000, 1_003), ["995", "1,000", "1,005", "1,010"]),
        ((0, 12_000), ["0", "5k", "10k", "15k"]),
        ((0, 2_400_000), ["0", "1M", "2M", "3M"]),
        ((0, 3_000_000_000), ["0", "1B", "2B", "3B"]),
        ((2_000_000_000, 2_000_000_001), ["1.995B", "2B", "2.005B"]),
    ],
)
def test_a_line_of_few_values_has_whole_distinct_ticks(values, labels):
    axis = line_layout(*values)["yaxis"]
    assert axis["ticktext"] == labels
    low, high = axis["range"]
    assert low <= min(values)
    assert high >= max(values)


def read_label(label: str) -> float:
    """Read a tick as a person does."""
    units = {"k": 10**3, "M": 10**6, "B": 10**9}
    text = label.replace(",", "").replace("−", "-")
    return round(float(text[:-1]) * units[text[-1]]) if text[-1] in units else int(text)


@given(counts, counts, st.integers(min_value=3, max_value=9))
def test_ticks_are_whole_distinct_and_say_what_they_are(one, other, most):
    low, high = sorted((one, other))
    ticks = axes.count_ticks(low, high, most)
    assert 2 <= len(ticks) <= most
    assert ticks[0] <= low
    assert ticks[-1] >= high
    assert len({after - before for before, after in pairwise(ticks)}) == 1
    assert [read_label(label) for label in axes.tick_labels(ticks)] == ticks


def test_values_too_fine_for_a_short_unit_are_written_in_full():
    assert axes.tick_labels([1_234_567, 1_234_568]) == ["1,234,567", "1,234,568"]
    assert axes.tick_labels([-15_000, 0]) == ["−15k", "0"]


@given(st.lists(st.integers(min_value=1, max_value=4_000_000_000), min_size=1, max_size=5))
def test_a_logarithmic_axis_has_ticks_around_its_values(values):
    axis = axes.log_axis(values)
    ticks = axis["tickvals"]
    assert ticks == sorted(set(ticks))
    assert all(isinstance(tick, int) and tick > 0 for tick in ticks)
    assert len(set(axis["ticktext"])) == len(ticks) <= 11
    assert ticks[-1] >= max(values)
    assert any(min(values) / 10 <= tick <= max(values) * 10 for tick in ticks)
    assert [read_label(label) for label in axis["ticktext"]] == ticks


@pytest.mark.parametrize("most", range(6))
def test_a_histogram_of_few_repositories_has_whole_ticks(most):
    frame = DataFrame({"at_least": [0, 1], "below": [1, 2], "repositories": [most, 0]})
    figure = stars_histogram(frame, LIGHT)
    ticks = layout_of(figure)["yaxis"]["tickvals"]
    assert ticks == sorted(set(ticks))
    assert all(isinstance(tick, int) for tick in ticks)
    assert ticks[-1] >= most
    if most == 1:
        assert figure.data[0].customdata[0] == "1 repository with 0 stars"


def test_a_histogram_names_powers_of_ten():
    frame = DataFrame({"at_least": [0, 1_000_000], "below": [1, 2_200_000], "repositories": [1, 1]})
    assert layout_of(stars_histogram(frame, LIGHT))["xaxis"]["ticktext"] == [
        *("1", "10", "100", "1,000", "10k", "100k", "1M"),
    ]


@given(st.lists(st.integers(0, 20), min_size=1, max_size=4, unique=True))
def test_a_histogram_of_few_bins_has_two_ticks_in_sight(bins):
    """Plotly places the axis title below the labels in sight: without any it writes an error and no title."""
    edges = [round(10 ** (number / 3)) for number in range(22)]
    starts, ends = [0, *edges][:21], [1, *edges[1:]][:21]
    frame = DataFrame({"at_least": starts, "below": ends, "repositories": 1}).iloc[sorted(bins)]
    axis = layout_of(figure := stars_histogram(frame, LIGHT))["xaxis"]
    low, high = axis["range"]
    assert len([tick for tick in axis["tickvals"] if low < tick < high]) >= 2
    bar = figure.data[0]
    assert all(low < middle - bar.width / 2 and middle + bar.width / 2 < high for middle in bar.x)


def test_a_scatter_of_similar_repositories_has_ticks_on_both_axes():
    frame = DataFrame({"full_name": ["a/b", "a/c"], "language": None, "stars": [20, 80], "stars_30d": [1, 2]})
    layout = layout_of(growth_scatter(frame, LIGHT))
    # by hand: 20 and 80 differ fourfold, so whole steps; 1 and 2 as well
    assert layout["xaxis"]["ticktext"] == ["20", "40", "60", "80"]
    assert layout["yaxis"]["ticktext"] == ["1", "2"]
    assert layout["xaxis"]["type"] == layout["yaxis"]["type"] == "log"


def test_hover_texts_have_the_singular():
    points = DataFrame({"captured_at": [START], "source_id": 1, "source": "GitHub", "stars": [1]})
    points["captured_at"] = points["captured_at"].astype("datetime64[us, UTC]")
    end = points["captured_at"]
    intervals = DataFrame({"source_id": [1], "from_at": end, "to_at": end, "overdue_at": end})
    figure = lines.history_lines(points, intervals, "stars", LIGHT, until=START, unit="stars")
    assert figure.data[0].customdata[0] == "1 star"


@pytest.mark.parametrize(("minutes", "is_widened"), [(0.02, True), (30, True), (24 * 60, False), (48 * 60, False)])
def test_a_day_is_the_least_span_of_a_time_axis(minutes, is_widened):
    axis = line_layout(1, 2, minutes=minutes)["xaxis"]
    if not is_widened:
        assert "range" not in axis
        return
    first, last = map(datetime.fromisoformat, axis["range"])
    assert last - first == timedelta(days=1)
    assert first < START.replace(tzinfo=None) < last


@pytest.mark.parametrize("value", ["stars", "bytes", "repositories"])
def test_shares_have_distinct_ticks_and_their_counts_a_unit(value):
    at = pd.Series([START, START + timedelta(days=31)]).astype("datetime64[us, UTC]")
    frame = DataFrame({"at": at, "language": "C", value: [1, 9_516_735]})
    figure = areas.stacked_shares(frame, value, LIGHT, unit=value, max_gap=timedelta(days=62))
    assert layout_of(figure)["yaxis"]["ticktext"] == [f"{share}\N{NO-BREAK SPACE}%" for share in (0, 25, 50, 75, 100)]
    assert (
        list(figure.data[0].customdata)
        == {
            "stars": ["1 star", "9,516,735 stars"],
            "repositories": ["1 repository", "9,516,735 repositories"],
            "bytes": ["1 B", "9.5 MB"],
        }[value]
    )


@pytest.mark.parametrize("days", [1, 6, 20, 60, 400])
def test_a_calendar_names_each_month_once(days):
    newest = date(2026, 3, 4)
    frame = DataFrame(
        {"day": [newest - timedelta(days=number) for number in range(days)], "share": 1.0, "label": "refreshed"}
    )
    axis = layout_of(calendar_heatmap(frame, LIGHT, text="label"))["xaxis"]
    months = [text[:7] for text in axis["tickvals"]]
    assert months
    assert len(set(months)) == len(months)
    assert axis["ticktext"][0].endswith(months[0][:4])


def test_one_capture_is_no_line():
    at = pd.Series([START]).astype("datetime64[us, UTC]")
    points = DataFrame({"captured_at": at, "source_id": 1, "source": "GitHub", "stars": [7]})
    once = DataFrame({"source_id": [1], "from_at": at, "to_at": at, "overdue_at": at + timedelta(days=2)})
    assert lines.only_capture(points, once, "stars") == lines.Capture(at.iloc[0], 7.0)
    # Captured again a day later, unchanged: a level line.
    twice = once.assign(to_at=at + timedelta(days=1))
    assert lines.only_capture(points, twice, "stars") is None
    assert lines.only_capture(points.assign(stars=None), once, "stars") is None
