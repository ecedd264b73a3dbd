"""An account's repositories, now and as of a day, with their star trends."""

import pandas as pd

from core.queries import account_repositories
from tests import seed_data
from tests.seed_data import utc


def test_current_and_as_of_queries_agree_on_the_same_time(database):
    counts = {"2026-01-01": 900, "2026-03-01": 1000}
    seed_data.add_repository(database, "octo/cat", counts, growth={30: 100}, captures=["2026-01-30"])
    octo = seed_data.add_account(database, "octo")
    now = account_repositories.list_repositories(octo, None).iloc[0]
    then = account_repositories.list_repositories(octo, utc("2026-03-01 12:00")).iloc[0]
    for column in ("full_name", "stars", "stars_30d", "source"):
        assert now[column] == then[column], column


def test_as_of_a_day_later_snapshots_do_not_count(database):
    seed_data.add_repository(database, "octo/cat", {"2026-01-01": 900, "2026-03-01": 1000})
    seed_data.add_repository(database, "octo/new", {"2026-03-01": 5})
    table = account_repositories.list_repositories(seed_data.add_account(database, "octo"), utc("2026-02-01"))
    assert table[["full_name", "stars"]].to_numpy().tolist() == [["octo/cat", 900]]


def test_before_our_first_capture_imported_counts_are_used(database):
    cat = seed_data.add_imported_repository(
        database, "octo/cat", {"2025-01-05": 70, "2025-02-09": 80}, by="weekly list"
    )
    table = account_repositories.list_repositories(seed_data.add_account(database, "octo"), utc("2025-02-10"))
    assert table.at[0, "stars"] == 80
    assert table.at[0, "stars_30d"] == 10
    assert table.at[0, "source"] == "weekly list"
    assert cat


def test_the_star_trend_is_null_where_nobody_refreshed(database):
    """Every four weeks before 2026-03-01: 02-01, 01-04, 12-07, 11-09 … and 2025-03-02 as the first of 14 moments.

    A day is expected between two captures, so that one confirms the last value for two days.
    """
    counts = {"2025-03-01": 10, "2026-01-10": 20, "2026-02-20": 30}
    seed_data.add_repository(
        database, "octo/cat", counts, captures=["2025-11-07", "2025-12-04", "2026-01-03", "2026-01-31", "2026-02-28"]
    )
    table = account_repositories.list_repositories(seed_data.add_account(database, "octo"), utc("2026-03-01"))
    trend = list(table.at[0, "star_trend"])
    assert trend == [10, *[None] * 8, 10, None, 10, 20, 30]
    assert account_repositories.since_last_gap(trend) == [10, 20, 30]


def test_an_imported_trend_is_null_for_longer_than_two_of_its_source_s_weeks(database):
    """Moments 2026-03-01, 02-01, 01-04, 2025-12-07; the source reports weekly unless it says otherwise."""
    seed_data.add_imported_repository(database, "octo/cat", {"2025-11-23": 7, "2026-01-20": 8, "2026-02-14": 9})
    table = account_repositories.list_repositories(seed_data.add_account(database, "octo"), utc("2026-03-01"))
    assert table.at[0, "star_trend"][-4:] == [7, None, 8, None]


def test_values_since_the_last_gap():
    assert account_repositories.since_last_gap([None, 1, None, 2, 3]) == [2, 3]
    assert account_repositories.since_last_gap([1, None]) == []
    assert account_repositories.since_last_gap([1, 2]) == [1, 2]


def test_unavailable_repositories_are_marked(database):
    seed_data.add_repository(database, "octo/lost", {"2026-01-01": 5}, gone_at=utc("2026-02-01"))
    octo = seed_data.add_account(database, "octo")
    assert account_repositories.list_repositories(octo, None)["is_gone"].tolist() == [True]
    assert account_repositories.list_repositories(octo, utc("2026-01-15"))["is_gone"].tolist() == [False]


def test_unknown_growth_stays_unknown(database):
    seed_data.add_repository(database, "octo/cat", {"2026-01-01": 900})
    table = account_repositories.list_repositories(seed_data.add_account(database, "octo"), utc("2026-01-02"))
    assert pd.isna(table.at[0, "stars_30d"])
