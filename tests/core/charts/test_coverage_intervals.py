"""Coverage intervals: gaps, coverage, and lines that end at gaps."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from pandas import DataFrame

from core.charts.coverage_intervals import SHARE_OF_HALF_A_PIXEL, Gap, find_gaps, line_with_gaps, stable_end

START = datetime(2026, 1, 1, tzinfo=UTC)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def coverage_intervals(*runs: tuple[float, float], overdue_after: float = 2) -> DataFrame:
    return DataFrame(
        {
            "source_id": [1] * len(runs),
            "from_at": pd.Series([day(first) for first, _ in runs], dtype="datetime64[us, UTC]"),
            "to_at": pd.Series([day(last) for _, last in runs], dtype="datetime64[us, UTC]"),
            "overdue_at": pd.Series([day(last + overdue_after) for _, last in runs], dtype="datetime64[us, UTC]"),
        }
    )


def points(*known: tuple[float, float | None]) -> DataFrame:
    return DataFrame(
        {
            "captured_at": pd.Series([day(at) for at, _ in known], dtype="datetime64[us, UTC]"),
            "stars": pd.array([value for _, value in known], dtype="Int64"),
        }
    )


def relative_line(found: DataFrame) -> list[tuple[float, float | None]]:
    return [
        ((row.at - START) / timedelta(days=1), None if pd.isna(row.value) else row.value) for row in found.itertuples()
    ]


def test_the_time_between_two_intervals_is_a_gap():
    assert find_gaps(coverage_intervals((0, 5), (9, 10)), day(11)) == [Gap(day(5), day(9))]


def test_a_current_gap_lasts_until_now():
    assert find_gaps(coverage_intervals((0, 5)), day(30)) == [Gap(day(5), day(30))]
    assert find_gaps(coverage_intervals((0, 5)), day(6)) == []


def test_captures_of_one_source_suffice_to_avoid_a_gap():
    assert find_gaps(coverage_intervals((0, 5), (4, 20), (12, 13)), day(20)) == []


def test_without_captures_there_are_no_gaps():
    assert find_gaps(coverage_intervals(), day(1)) == []


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 30)), min_size=1, max_size=12), st.integers(0, 400))
def test_gaps_are_in_order_disjoint_and_outside_every_interval(runs, until):
    intervals = coverage_intervals(*[(first, first + length) for first, length in runs])
    now = day(max(until, *(first + length for first, length in runs)))
    found = find_gaps(intervals, now)
    assert all(gap.from_at < gap.to_at <= now for gap in found)
    assert all(before.to_at <= after.from_at for before, after in pairwise(found))
    for gap in found:
        inside = (intervals["from_at"] < gap.to_at) & (intervals["to_at"] > gap.from_at)
        assert not inside.any()


def test_a_value_holds_until_the_last_capture():
    assert relative_line(line_with_gaps(points((0, 10), (2, 12)), coverage_intervals((0, 5)), "stars")) == [
        (0, 10),
        (2, 12),
        (5, 12),
    ]


def test_the_line_ends_before_a_gap_and_continues_after_it():
    found = relative_line(line_with_gaps(points((0, 10), (9, 30)), coverage_intervals((0, 5), (9, 10)), "stars"))
    assert found == [(0, 10), (5, 10), (5, None), (9, 30), (10, 30)]


def test_a_value_unchanged_over_a_gap_is_drawn_from_the_first_capture_after_it():
    found = relative_line(line_with_gaps(points((0, 10), (10, 11)), coverage_intervals((0, 5), (9, 12)), "stars"))
    assert found == [(0, 10), (5, 10), (5, None), (9, 10), (10, 11), (12, 11)]


def test_a_value_never_reported_has_no_line():
    assert line_with_gaps(points((0, None)), coverage_intervals((0, 5)), "stars").empty
    assert line_with_gaps(points(), coverage_intervals((0, 5)), "stars").empty


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9)), min_size=1, max_size=10, unique_by=lambda it: it[0]),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 10)), min_size=1, max_size=5),
)
def test_no_point_of_a_line_is_in_a_gap(known, runs):
    intervals = coverage_intervals(*[(first, first + length) for first, length in runs])
    found = line_with_gaps(points(*known), intervals, "stars")
    values = {value for _, value in known}
    for row in found.itertuples():
        assert ((intervals["from_at"] <= row.at) & (intervals["to_at"] >= row.at)).any()
        assert pd.isna(row.value) or row.value in values


@given(st.integers(1, 2_000), st.integers(0, 3_000_000), st.integers(0, 90))
def test_a_chart_s_stable_end_is_close_and_has_the_same_gaps(days, minutes_later, seconds):
    intervals = coverage_intervals((0, days))
    until = day(days) + timedelta(minutes=minutes_later, seconds=seconds)
    end = stable_end(intervals, until)
    assert timedelta(0) <= until - end <= max(timedelta(minutes=1), (until - day(0)) / SHARE_OF_HALF_A_PIXEL)
    gaps, stable_gaps = find_gaps(intervals, until), find_gaps(intervals, end)
    if until.replace(second=0) > intervals["overdue_at"].max():
        assert [gap.from_at for gap in gaps] == [gap.from_at for gap in stable_gaps]
    else:
        assert stable_gaps == []


def test_a_chart_of_a_year_has_the_same_end_for_hours():
    """365 days / 2,000 are 262 minutes: 256, the largest power of two below, are one step."""
    intervals = coverage_intervals((0, 365))
    ends = {stable_end(intervals, day(365) + timedelta(minutes=minute)) for minute in range(24 * 60)}
    assert len(ends) in {6, 7}
