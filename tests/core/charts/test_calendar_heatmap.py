"""Calendar heatmap: a column per week, a square per day."""

from datetime import timedelta

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from core.charts import calendar_heatmap
from core.charts.theme import DARK, LIGHT


def frame(start: str, shares: list[float | None]) -> pd.DataFrame:
    days = [pd.Timestamp(start) + timedelta(days=at) for at in range(len(shares))]
    texts = [f"{day:%Y-%m-%d}" for day in days]
    return pd.DataFrame({"day": days, "share": pd.array(shares, dtype="Float64"), "label": texts})


def test_a_day_is_in_the_column_of_its_week_and_the_row_of_its_weekday():
    drawn = calendar_heatmap.calendar_heatmap(
        frame("2026-03-04", [0.5, 1.0, None, 0.0, 1.0, 0.25]), LIGHT, text="label"
    )
    idle, refreshed = drawn.data
    assert [f"{week:%Y-%m-%d}" for week in refreshed.x] == ["2026-03-02", "2026-03-09"]
    assert refreshed.z[2][0] == 0.5  # a Wednesday
    assert refreshed.z[0][1] == 0.25  # the Monday after
    assert refreshed.customdata[2][0] == "2026-03-04"
    assert refreshed.z[1][0] is None  # the calendar begins on the day after
    assert (refreshed.z[4][0], idle.z[4][0]) == (None, 0)  # nothing was tracked on Friday: pale
    assert idle.z[1][0] is None


@given(st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=60), st.integers(0, 6))
def test_every_day_is_drawn_once(shares, start):
    drawn = calendar_heatmap.calendar_heatmap(frame(f"2026-03-0{start + 1}", shares), DARK, text="label")
    squares = [one for trace in drawn.data for row in trace.z for one in row if one is not None]
    assert len(squares) == len(shares)
