"""A calendar of days: a column a week, a square a day, empty where there is no day."""

from datetime import timedelta

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from core.charts import calendar_heatmap
from core.charts.theme import DARK, LIGHT


def frame(start: str, shares: list[float | None]) -> pd.DataFrame:
    days = [pd.Timestamp(start) + timedelta(days=at) for at in range(len(shares))]
    told = [f"{day:%Y-%m-%d}" for day in days]
    return pd.DataFrame({"day": days, "share": pd.array(shares, dtype="Float64"), "told": told})


def test_a_day_stands_in_its_week_under_its_weekday():
    drawn = calendar_heatmap.calendar_heatmap(frame("2026-03-04", [0.5, 1.0, None, 0.0, 1.0, 0.25]), LIGHT, text="told")
    idle, looked = drawn.data
    assert [f"{week:%Y-%m-%d}" for week in looked.x] == ["2026-03-02", "2026-03-09"]
    assert looked.z[2][0] == 0.5  # a Wednesday
    assert looked.z[0][1] == 0.25  # the Monday after
    assert looked.customdata[2][0] == "2026-03-04"
    assert looked.z[1][0] is None  # the calendar begins on the day after
    assert (looked.z[4][0], idle.z[4][0]) == (None, 0)  # nothing was tracked on Friday: pale, not missed
    assert idle.z[1][0] is None


@given(st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=60), st.integers(0, 6))
def test_every_day_is_drawn_once(shares, start):
    drawn = calendar_heatmap.calendar_heatmap(frame(f"2026-03-0{start + 1}", shares), DARK, text="told")
    squares = [one for trace in drawn.data for row in trace.z for one in row if one is not None]
    assert len(squares) == len(shares)
