"""A reported number rests between two changes and is unknown in a gap."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from pandas import DataFrame, Series

from core.analysis.reported_series import reported_series, weekly_trend
from tests.seed_data import utc


def test_a_weekly_trend_rests_between_changes_and_is_unknown_in_gaps():
    """Weeks end on 2026-02-01, 01-25, 01-18, 01-11, 01-04 …; captured daily but for 01-09 to 01-20."""
    history = DataFrame(
        {"captured_at": [utc(day) for day in ("2026-01-02", "2026-01-07", "2026-01-21")], "source": "GitHub"}
    ).assign(stars=[2, 3, 4])
    intervals = DataFrame(
        {
            "source": "GitHub",
            "from_at": [utc("2026-01-02"), utc("2026-01-21")],
            "overdue_at": [utc("2026-01-10"), utc("2026-02-03")],
        }
    )
    trend = weekly_trend(history, intervals, "stars", "GitHub", utc("2026-02-01"))
    assert [None if value != value else value for value in trend] == [2.0, None, None, 4.0, 4.0]
    assert weekly_trend(history, intervals, "stars", "weekly list", utc("2026-02-01")) == []


DAYS = st.integers(0, 60)


@given(
    rows=st.lists(st.tuples(DAYS, st.sampled_from(["GitHub", "list"]), st.none() | st.integers(0, 9)), max_size=8),
    runs=st.lists(st.tuples(DAYS, DAYS, st.sampled_from(["GitHub", "list"])), max_size=4),
    at=st.lists(DAYS, max_size=5),
)
def test_a_value_is_that_of_the_last_row_until_then_unless_in_a_gap(rows, runs, at):
    def time(day: int) -> datetime:
        return utc("2026-01-01") + timedelta(days=day)

    rows = sorted(rows, key=lambda row: row[0])
    history = DataFrame(
        {
            "captured_at": Series([time(day) for day, _, _ in rows], dtype="datetime64[us, UTC]"),
            "source": Series([source for _, source, _ in rows], dtype=object),
            "stars": Series([stars for _, _, stars in rows], dtype=float),
        }
    )
    intervals = DataFrame(
        {
            "from_at": Series([time(first) for first, _, _ in runs], dtype="datetime64[us, UTC]"),
            "overdue_at": Series([time(last) for _, last, _ in runs], dtype="datetime64[us, UTC]"),
            "source": Series([source for _, _, source in runs], dtype=object),
        }
    )

    def expected(day: int) -> float | None:
        known = [stars for of, source, stars in rows if of <= day and source == "GitHub" and stars is not None]
        covered = [1 for first, last, source in runs if first <= day <= last and source == "GitHub"]
        return known[-1] if known and covered else None

    found = reported_series(history, intervals, "stars", "GitHub").at([time(day) for day in at])
    assert found == [expected(day) for day in at]
