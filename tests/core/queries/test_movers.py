"""Movers: rank movement against the span before."""

import pandas as pd

from core.queries.movers import with_rank_movement


def ranked(*keys):
    """Rows in this order; a number is GitHub's id, a text the name of an imported repository."""
    ids = pd.array([key if isinstance(key, int) else None for key in keys], dtype="Int64")
    return pd.DataFrame({"id": ids, "full_name": [f"octo/{key}" for key in keys]})


def test_places_are_counted_against_the_span_before_by_identity():
    """3 rose from the third place to the first, 1 fell from the first to the second; "new" was not ranked."""
    before = ranked(1, 2, 3, "old")
    now = ranked(3, 1, "old", "new").assign(full_name=["renamed/three", "octo/1", "octo/old", "octo/new"])
    found = with_rank_movement(now, before)
    assert found["rank"].tolist() == [1, 2, 3, 4]
    assert found["rank_before"].fillna(-1).tolist() == [3, 1, 4, -1]
    assert found["rank_change"].fillna(-99).tolist() == [2, -1, 1, -99]
