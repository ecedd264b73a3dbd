"""Differences to another time, with hand arithmetic."""

import pandas as pd
import pytest

from core.analysis.difference import difference, percent, with_differences


@pytest.mark.parametrize(
    ("value", "before", "expected"),
    [
        (120, 100, (20, 20.0)),
        (75, 100, (-25, -25.0)),
        (5, 0, (5, None)),
        (5, None, (None, None)),
        (pd.NA, 5, (None, None)),
    ],
)
def test_difference_and_percent(value, before, expected):
    assert (difference(value, before), percent(value, before)) == expected


def test_changed_rows_come_first_and_unknown_stays_unknown():
    now = pd.DataFrame({"name": ["same", "new", "up", "down"], "stars": [5, 9, 15, 50]})
    then = pd.DataFrame({"name": ["down", "same", "up", "gone"], "stars": [100, 5, 10, 3]})
    found = with_differences(now, then, "name", ["stars"])
    assert found["name"].tolist() == ["down", "up", "same", "new"]
    assert found["stars_vs"].tolist()[:3] == [100, 10, 5]
    assert found["stars_difference"].tolist()[:3] == [-50, 5, 0]
    assert found["stars_percent"].tolist()[:3] == [-50.0, 50.0, 0.0]
    assert found.iloc[3][["stars_vs", "stars_difference", "stars_percent"]].isna().all()


def test_rows_are_found_by_one_column_as_by_two():
    """One column of distinct values is looked up at once, two are compared row by row."""
    now = pd.DataFrame({"name": ["b", None, "c", "a"], "of": "x", "stars": [1, 2, 3, 4]}).astype({"name": "string"})
    then = pd.DataFrame({"name": ["a", "b", None], "of": "x", "stars": [10, 20, 30]}).astype({"name": "string"})
    by_one, by_two = (
        with_differences(now, then, key, ["stars"], changed_first=False)["stars_vs"].tolist()
        for key in ("name", ["name", "of"])
    )
    assert by_one == by_two == [20, 30, pd.NA, 10]
