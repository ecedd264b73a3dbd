"""A repository's counts over time: which captures make a run, and what a value says about the past."""

from datetime import timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert

from core.db import schema
from core.db.data_version import publish_data_version
from core.queries import star_history
from tests import seed_data
from tests.seed_data import utc


@pytest.fixture
def cat(database) -> int:
    """Refreshed on four days; at the default cadence more than two days without a capture are a gap."""
    created = seed_data.add_repository(
        database,
        "octo/cat",
        {"2026-01-01": 10, "2026-01-09": 40},
        forks=3,
        captures=["2026-01-02", "2026-01-10"],
        refreshed_at="2026-01-10",
    )
    publish_data_version(database)
    return created


def test_a_run_of_captures_ends_where_the_next_one_is_overdue(cat):
    runs = star_history.coverage_intervals(cat, utc("2026-01-20"))
    assert [
        (
            row.source_id,
            row.source,
            f"{row.from_at:%m-%d}",
            f"{row.to_at:%m-%d}",
            f"{row.overdue_at:%m-%d}",
            row.captures,
        )
        for row in runs.itertuples()
    ] == [(1, "GitHub", "01-01", "01-02", "01-04", 2), (1, "GitHub", "01-09", "01-10", "01-12", 2)]


def test_as_of_a_day_later_captures_do_not_exist(cat):
    runs = star_history.coverage_intervals(cat, utc("2026-01-09"))
    assert list(runs["captures"]) == [2, 1]
    assert star_history.latest_capture(cat, utc("2026-01-09")).captured_at == utc("2026-01-09")
    assert list(star_history.star_series(cat, utc("2026-01-08"))["stars"]) == [10]


def test_gaps_are_what_lies_between_the_runs(cat):
    until = utc("2026-01-20")
    runs, gaps = star_history.coverage_intervals(cat, until), star_history.coverage_gaps(cat, until)
    between = list(zip(runs["to_at"], [*runs["from_at"][1:], pd.NaT], strict=True))
    assert [(from_at, to_at) for from_at, to_at in zip(gaps["from_at"], gaps["to_at"], strict=True)] == between


def test_each_source_has_its_own_runs(database):
    cat = seed_data.add_imported_repository(
        database, "octo/cat", {"2025-01-05": 70, "2025-01-12": 75, "2025-02-09": 80}, by="weekly list"
    )
    publish_data_version(database)
    runs = star_history.coverage_intervals(cat, None)
    # Without a cadence a source is expected weekly: 28 days are more than twice that.
    assert list(zip(runs["source"], runs["captures"], strict=True)) == [("weekly list", 2), ("weekly list", 1)]
    assert star_history.latest_capture(cat, None).source == "weekly list"


def reported(*rows: tuple[str, int | None]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["captured_at", "watchers"])
    return frame.assign(
        captured_at=[utc(at) for at in frame["captured_at"]], watchers=frame["watchers"].astype("Int64"), source_id=1
    )


def test_a_value_counts_for_the_past_only_while_it_is_recent():
    extras = reported(("2026-01-01", 5), ("2026-02-01", 7), ("2026-03-01", None))
    month = timedelta(days=30)
    assert star_history.reported_before(extras, "watchers", utc("2026-02-10"), month) == 7
    assert star_history.reported_before(extras, "watchers", utc("2026-01-31"), month) == 5
    assert star_history.reported_before(extras, "watchers", utc("2026-03-10"), month) is None  # 37 days old
    assert star_history.reported_before(extras, "watchers", utc("2025-12-31"), month) is None


@given(
    st.lists(st.tuples(st.integers(1, 28), st.integers(0, 9)), max_size=6, unique_by=lambda row: row[0]),
    st.integers(1, 28),
    st.integers(0, 40),
)
def test_a_reported_value_is_the_last_row_within_the_age(rows, day, age):
    extras = reported(*[(f"2026-01-{at:02d}", value) for at, value in sorted(rows)])
    expected = None
    for at, value in sorted(rows):
        if day - age <= at <= day:
            expected = value
    found = star_history.reported_before(extras, "watchers", utc(f"2026-01-{day:02d}"), timedelta(days=age))
    assert found == expected


def test_extras_hold_what_was_reported_with_its_source(cat, database):
    row = {"repository_id": cat, "captured_at": utc("2026-01-01"), "watchers": 3, "open_issues": 2}
    database.execute(insert(schema.repository_extra_snapshot).values(**row))
    publish_data_version(database)
    (found,) = star_history.extra_series(cat, None).to_dict("records")
    assert (found["watchers"], found["open_issues"], found["source"]) == (3, 2, "GitHub")
    assert pd.isna(found["open_change_requests"])
