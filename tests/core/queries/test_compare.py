"""Accounts and repositories side by side: which they are, their numbers over time, their differences."""

from datetime import date

import pandas as pd
import pytest
from sqlalchemy import insert, update

from core.db import schema
from core.db.data_version import publish_data_version
from core.queries import compare
from core.queries.sql_display import inline_parameters
from tests import seed_data
from tests.seed_data import utc

AT = utc("2026-06-30")


@pytest.fixture
def stored(database):
    """octo/cat is two years old at its first capture, octo/dog one; octo/old is only imported, its age unknown."""
    seed_data.add_account(database, "octo", created_at=utc("2015-01-01"), kind="user")
    seed_data.add_repository(
        database, "octo/cat", {"2026-01-01": 100, "2026-01-03": 150, "2026-01-03 18:00": 200}, github_id=7,
        created_at=utc("2024-01-01"), growth={30: 40}, forks=9, captures=["2026-01-02", "2026-01-04"],
    )  # fmt: skip
    seed_data.add_repository(
        database, "octo/dog", {"2026-01-02": 50, "2026-01-04": 60}, github_id=8, created_at=utc("2025-01-01"),
        captures=["2026-01-03"],
    )  # fmt: skip
    seed_data.add_imported_repository(database, "octo/old", {"2025-01-05": 7, "2025-01-12": 8})
    publish_data_version(database)
    return database


def chosen(*names: str, as_of=None) -> tuple[compare.Subject, ...]:
    return compare.choose(names, as_of).subjects


def names(subjects) -> list[str]:
    return [one.name for one in subjects]


def test_the_first_decides_whether_accounts_or_repositories_are_compared(stored):
    choice = compare.choose(["octo/DOG", "octo", "octo/cat", "octo/cat", "octo/none", "nobody"], None)
    assert (choice.kind, names(choice.subjects)) == ("repository", ["octo/dog", "octo/cat"])
    assert (choice.other_kind, choice.unknown) == (("octo",), ("octo/none", "nobody"))
    assert compare.choose(["octo", "octo/cat"], None).kind == "account"
    assert compare.choose([], None).subjects == ()


def test_a_former_name_and_the_present_one_are_one_subject(stored, database):
    cat = chosen("octo/cat")[0].id
    seed_data.add_version(database, cat, "2026-01-03", full_name="octo/kitten")
    publish_data_version(database)
    assert names(chosen("octo/kitten", "octo/cat")) == ["octo/cat"]
    assert names(chosen("octo/cat", as_of=utc("2026-01-02"))) == ["octo/kitten"]


def test_what_did_not_exist_then_is_distinguished_from_what_is_unknown(stored):
    choice = compare.choose(["octo/cat", "octo/dog", "octo/none"], utc("2024-06-01"))
    assert (names(choice.subjects), choice.not_created, choice.unknown) == (["octo/cat"], ("octo/dog",), ("octo/none",))


def test_the_series_has_the_last_number_of_each_day_and_the_age_then(stored):
    rows = compare.series(chosen("octo/cat", "octo/old"), "stars", AT)
    assert [(row.name, f"{row.at:%Y-%m-%d %H}", row.value) for row in rows.itertuples(index=False)] == [
        ("octo/cat", "2026-01-01 00", 100),
        ("octo/cat", "2026-01-03 18", 200),  # 150 of the same morning is left out
        ("octo/old", "2025-01-05 00", 7),
        ("octo/old", "2025-01-12 00", 8),
    ]
    assert rows["age_years"].iloc[0] == pytest.approx(731 / 365.25)  # 2024 was a leap year
    assert rows["age_years"].isna().tolist() == [False, False, True, True]
    text = inline_parameters(rows.attrs["sql"], rows.attrs["values"])
    assert text.count("FROM repository_snapshot") == 2
    assert ":repository_id" not in text


def test_indexed_by_date_all_are_100_on_the_first_common_day(stored):
    subjects = chosen("octo/cat", "octo/dog")
    rows = compare.series(subjects, "stars", AT)
    indexed = compare.with_index(rows, compare.coverage_intervals(subjects, AT), subjects, "date")
    # On 2 January cat still has 100, dog its first 50.
    assert indexed.rows["indexed"].tolist() == [100.0, 200.0, 100.0, 120.0]
    assert (indexed.base_at, indexed.base_age_years) == (utc("2026-01-02"), None)


def test_indexed_by_age_without_a_common_age_each_starts_at_100(stored):
    subjects = chosen("octo/dog", "octo/cat", "octo/old")
    rows = compare.series(subjects, "stars", AT)
    indexed = compare.with_index(rows, compare.coverage_intervals(subjects, AT), subjects, "age")
    found = indexed.rows["indexed"]
    assert (indexed.base_at, indexed.base_age_years) == (None, None)
    assert found.astype(object).where(found.notna(), None).tolist() == [
        100.0, 120.0, 100.0, 200.0, None, None,
    ]  # fmt: skip


def test_differences_are_to_the_first(stored):
    rows = compare.differences(chosen("octo/cat", "octo/dog", "octo/old"), None)
    assert rows[["stars", "difference"]].values.tolist() == [[200, 0], [60, -140], [8, -192]]
    assert rows["difference_share"].tolist() == [0.0, -0.7, -0.96]
    assert rows["gained"].isna().tolist() == [False, True, True]
    assert rows["source"].tolist() == ["GitHub", "GitHub", "elsewhere"]
    assert rows["rank"].isna().all()
    assert rows["unranked"].tolist() == ["no language", "no language", "age unknown"]


def test_a_first_subject_without_stars_has_no_share(stored, database):
    seed_data.add_repository(database, "octo/zero", {"2026-01-01": 0})
    publish_data_version(database)
    rows = compare.differences(chosen("octo/zero", "octo/cat"), None)
    assert rows["difference"].tolist() == [0, 200]
    assert rows["difference_share"].isna().all()


def test_accounts_are_compared_by_their_totals(stored, database):
    account = seed_data.add_account(database, "octo")
    for at, stars in (("2026-01-01", 150), ("2026-01-04", 260)):
        database.execute(
            insert(schema.account_snapshot).values(
                account_id=account, captured_at=utc(at), stars=stars, forks=9, repositories=2, followers=3
            )
        )
    seed_data.add_imported_repository(database, "cat/x", {"2025-01-05": 7, "2025-01-12": 8})
    publish_data_version(database)
    rows = compare.differences(chosen("octo", "cat"), None)
    assert rows[["stars", "followers", "repositories"]].astype(object).values.tolist()[0] == [260, 3, 2]
    assert rows["stars"].tolist() == [260, 8]
    assert pd.isna(rows["followers"].iloc[1])
    followers = compare.series(chosen("octo", "cat"), "followers", None)
    assert followers["name"].unique().tolist() == ["octo"]


def add_star_days(database, repository_id, days, *, read_at, next_page=None):
    rows = [
        {"repository_id": repository_id, "day": day, "captured_at": utc(read_at), "stars": count}
        for day, count in days.items()
    ]
    database.execute(insert(schema.star_day), rows)
    database.execute(
        insert(schema.star_backfill).values(
            repository_id=repository_id, first_day=min(days), next_page=next_page,
            completed_at=None if next_page else utc(read_at),
        )
    )  # fmt: skip
    publish_data_version(database)


DAYS = {date(2024, 2, 1): 3, date(2024, 2, 5): 4, date(2026, 1, 2): 100}


def test_stars_by_day_of_giving_lead_from_the_first_star_to_the_first_capture(stored, database):
    """3, then 7; those of 2026-01-02 are after the first capture. A day of Los Angeles ends at 8:00 UTC."""
    cat = chosen("octo/cat")
    add_star_days(database, cat[0].id, DAYS, read_at="2026-01-04")
    rows = compare.series(cat, "stars", None)
    assert rows["value"].tolist() == [3, 7, 100, 200]
    assert rows["source"].tolist() == ["GitHub, by day of giving"] * 2 + ["GitHub"] * 2
    assert rows["at"].iloc[0] == utc("2024-02-02 08:00")
    intervals = compare.coverage_intervals(cat, None)["octo/cat"]
    assert intervals["from_at"].tolist() == [utc("2024-02-02 08:00"), utc("2026-01-01")]
    assert inline_parameters(rows.attrs["sql"], rows.attrs["values"]).count("star_day") > 1


def test_stars_by_day_are_not_added_up_before_all_are_known(stored, database):
    cat, before_the_reading = chosen("octo/cat"), utc("2026-01-03 23:00")
    add_star_days(database, cat[0].id, DAYS, read_at="2026-01-04", next_page=2)
    assert compare.series(cat, "stars", None)["value"].tolist() == [100, 200]
    # Nobody asked for so long that the history is read again from its newest page: what is before may have gaps.
    database.execute(update(schema.star_backfill).values(first_day=date(2026, 1, 1)))
    publish_data_version(database)
    assert compare.series(cat, "stars", None)["value"].tolist() == [100, 200]
    database.execute(update(schema.star_backfill).values(next_page=None, completed_at=utc("2026-01-05")))
    publish_data_version(database)
    assert compare.series(cat, "stars", before_the_reading)["value"].tolist() == [100, 200]
    assert compare.series(cat, "forks", None)["source"].unique().tolist() == ["GitHub"]
