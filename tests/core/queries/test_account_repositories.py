"""An account's repositories, now and as of a day, with their courses."""

import pandas as pd

from core.queries import account_repositories
from tests import holdings
from tests.holdings import moment


def test_now_and_then_say_the_same_of_the_same_moment(database):
    holdings.repository(database, "octo/cat", {"2026-01-01": 900, "2026-03-01": 1000}, growth={30: 100})
    octo = holdings.account(database, "octo")
    now = account_repositories.table(octo, None).iloc[0]
    then = account_repositories.table(octo, moment("2026-03-01 12:00")).iloc[0]
    for column in ("full_name", "stars", "stars_30d", "source"):
        assert now[column] == then[column], column


def test_as_of_a_day_only_what_was_known_then_counts(database):
    holdings.repository(database, "octo/cat", {"2026-01-01": 900, "2026-03-01": 1000})
    holdings.repository(database, "octo/new", {"2026-03-01": 5})
    table = account_repositories.table(holdings.account(database, "octo"), moment("2026-02-01"))
    assert table[["full_name", "stars"]].to_numpy().tolist() == [["octo/cat", 900]]


def test_before_our_first_look_an_import_speaks(database):
    cat = holdings.imported(database, "octo/cat", {"2025-01-05": 70, "2025-02-09": 80}, by="weekly list")
    table = account_repositories.table(holdings.account(database, "octo"), moment("2025-02-10"))
    assert table.at[0, "stars"] == 80
    assert table.at[0, "stars_30d"] == 10
    assert table.at[0, "source"] == "weekly list"
    assert cat


def test_the_course_carries_what_was_last_known_to_the_next_step(database):
    holdings.repository(database, "octo/cat", {"2025-01-01": 10, "2026-01-10": 20, "2026-02-20": 30})
    table = account_repositories.table(holdings.account(database, "octo"), moment("2026-03-01"))
    course = list(table.at[0, "course"])
    assert len(course) == 14
    assert course[0] == 10
    assert course[-2:] == [20, 30]


def test_what_is_gone_is_marked(database):
    holdings.repository(database, "octo/lost", {"2026-01-01": 5}, gone_at=moment("2026-02-01"))
    octo = holdings.account(database, "octo")
    assert account_repositories.table(octo, None)["is_gone"].tolist() == [True]
    assert account_repositories.table(octo, moment("2026-01-15"))["is_gone"].tolist() == [False]


def test_unknown_growth_stays_unknown(database):
    holdings.repository(database, "octo/cat", {"2026-01-01": 900})
    table = account_repositories.table(holdings.account(database, "octo"), moment("2026-01-02"))
    assert pd.isna(table.at[0, "stars_30d"])
