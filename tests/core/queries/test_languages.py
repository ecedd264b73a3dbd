"""Languages of an account and of all repositories, by bytes, repositories and stars."""

from datetime import date

import pandas as pd
import pytest
from pandas import DataFrame, Series
from sqlalchemy import Connection, insert, update

from core.db import schema
from core.queries import languages
from tests import seed_data
from tests.seed_data import utc


def add_language_bytes(database: Connection, repository_id: int, at: str, **bytes_of: int) -> None:
    database.execute(
        insert(schema.repository_language),
        [
            {"repository_id": repository_id, "captured_at": utc(at), "language": name, "bytes": count}
            for name, count in bytes_of.items()
        ],
    )


def add_rollup(database: Connection, day: date, source_id: int = 1, **stars: int) -> None:
    database.execute(
        insert(schema.language_day),
        [
            {"day": day, "source_id": source_id, "language": name, "repositories": 1, "stars": count}
            for name, count in stars.items()
        ],
    )


def test_only_the_newest_set_of_each_repository_counts(database):
    cat = seed_data.add_repository(database, "octo/cat", {"2026-01-01": 1})
    add_language_bytes(database, cat, "2026-01-01", Perl=900)
    add_language_bytes(database, cat, "2026-02-01", Python=300, C=100)
    octo = seed_data.add_account(database, "octo")
    now = languages.account_languages(octo, None)
    assert now[["language", "bytes"]].to_numpy().tolist() == [["Python", 300], ["C", 100]]
    assert now["share"].tolist() == [0.75, 0.25]
    assert languages.account_languages(octo, utc("2026-01-15"))["language"].tolist() == ["Perl"]


def test_forks_and_unavailable_repositories_are_left_out(database):
    fork = seed_data.add_repository(database, "octo/fork", {"2026-01-01": 1}, is_fork=True)
    gone = seed_data.add_repository(database, "octo/gone", {"2026-01-01": 1}, gone_at=utc("2026-01-02"))
    for repository in (fork, gone):
        add_language_bytes(database, repository, "2026-01-01", C=1)
    assert languages.account_languages(seed_data.add_account(database, "octo"), None).empty


def test_a_repository_without_code_has_no_language(database):
    cat = seed_data.add_repository(database, "octo/cat", {"2026-01-01": 1})
    add_language_bytes(database, cat, "2026-01-01", **{"": 0})
    assert languages.account_languages(seed_data.add_account(database, "octo"), None).empty


def test_the_mix_has_all_repositories_that_were_captured_changed_or_not(database):
    """Refreshed from 2023 on, not in the third quarter of 2024; one repository has not changed for two years."""
    captures = [f"{year}-{month:02}-15" for year in (2023, 2024) for month in range(2, 13)]
    captures = [day for day in captures if not "2024-06-30" < day < "2024-10-01"] + ["2025-02-20"]
    seed_data.add_repository(database, "octo/cat", {"2023-02-01": 10}, primary_language="C", captures=captures)
    seed_data.add_repository(database, "octo/dog", {"2023-02-01": 5, "2024-11-15": 7}, primary_language="Go")
    mix = languages.account_language_history(seed_data.add_account(database, "octo"), utc("2025-03-01"))
    by_end = {(f"{row.at:%Y-%m-%d}", row.language): row.stars for row in mix.itertuples()}
    ends = ["2023-03-31", "2023-06-30", "2023-09-30", "2023-12-31", "2024-03-31", "2024-06-30", "2024-12-31"]
    assert by_end == {(end, "C"): 10 for end in [*ends, "2025-03-01"]} | {
        **{(end, "Go"): 5 for end in ends[:6]},
        **{(end, "Go"): 7 for end in ("2024-12-31", "2025-03-01")},
    }


def test_the_mix_has_imported_repositories_of_the_three_months_before(database):
    seed_data.add_imported_repository(database, "octo/cat", {"2024-12-01": 10, "2025-01-01": 12}, primary_language="C")
    mix = languages.account_language_history(seed_data.add_account(database, "octo"), utc("2025-05-01"))
    assert {f"{row.at:%Y-%m-%d}": row.stars for row in mix.itertuples()} == {"2024-12-31": 10, "2025-03-31": 12}


def test_the_ranking_is_of_the_last_rollup_and_has_its_day(database):
    add_rollup(database, date(2026, 2, 1), C=10, Go=1)
    add_rollup(database, date(2026, 3, 1), C=12, Rust=3)
    found = languages.ranking("GitHub", utc("2026-03-05"))
    assert found["language"].tolist() == ["C", "Rust"]
    assert found["day"].tolist() == [utc("2026-03-01")] * 2
    assert found["stars_4w"].fillna(-99).tolist() == [2, -99]
    assert languages.ranking("GitHub", utc("2026-02-20"))["stars"].tolist() == [10, 1]
    assert languages.ranking("GitHub", utc("2026-01-01")).empty


def test_no_language_has_a_name(database):
    add_rollup(database, date(2026, 2, 1), **{"": 10})
    assert languages.ranking("GitHub", None)["language"].tolist() == ["No language"]


def test_the_source_to_open_with_is_ours_once_it_has_two_months(database):
    elsewhere = seed_data.add_source(database, "weekly list")
    for day in (date(2024, 2, 1), date(2025, 2, 1)):
        add_rollup(database, day, elsewhere, C=10)
    for day in (date(2026, 1, 1), date(2026, 3, 3), date(2026, 3, 4)):
        add_rollup(database, day, C=1)
    for until, source in (("2026-01-02", "weekly list"), ("2026-03-03", "weekly list"), ("2026-03-04", "GitHub")):
        assert languages.default_source(languages.rollup_sources(utc(until))) == source  # 0, 61 and 62 days of ours


def test_a_ranking_beside_an_earlier_one_has_differences_and_changed_languages_first(database):
    add_rollup(database, date(2026, 1, 1), C=100, Rust=10, Go=7)
    add_rollup(database, date(2026, 2, 1), C=100, Rust=25, Go=7, Zig=1)
    found = languages.compared_ranking("GitHub", None, utc("2026-01-15"))
    assert found["language"].tolist() == ["Rust", "C", "Go", "Zig"]
    assert found["stars_vs"].fillna(-99).tolist() == [10, 100, 7, -99]
    assert found["stars_difference"].fillna(-99).tolist() == [15, 0, 0, -99]
    assert found["stars_percent"].fillna(-99).tolist() == [150.0, 0.0, 0.0, -99]


def test_sources_are_listed_by_name_ours_first(database):
    elsewhere = seed_data.add_source(database, "weekly list")
    add_rollup(database, date(2026, 2, 1), elsewhere, C=10)
    add_rollup(database, date(2026, 1, 1), C=1)
    assert languages.rollup_sources(None)["source"].tolist() == ["GitHub", "weekly list"]
    assert languages.ranking("weekly list", None)["stars"].tolist() == [10]


def test_the_trend_has_the_last_rollup_of_each_month(database):
    for day, stars in ((date(2026, 1, 5), 1), (date(2026, 1, 31), 2), (date(2026, 2, 3), 3)):
        add_rollup(database, day, C=stars)
    assert languages.language_trend("GitHub", None)["stars"].tolist() == [2, 3]


@pytest.mark.parametrize("measure", ["bytes"])
def test_bytes_not_collected_are_null(database, measure):
    add_rollup(database, date(2026, 2, 1), C=10)
    assert pd.isna(languages.ranking("GitHub", None).at[0, measure])


def test_shares_add_up_to_one_and_are_unknown_of_nothing():
    assert languages.shares(Series([1, 3], dtype="Int64")).tolist() == [0.25, 0.75]
    assert languages.shares(Series([0, 0], dtype="Int64")).isna().all()


def test_top_languages_leave_out_zeros_and_unknown_ones():
    ranking = DataFrame({"language": ["C", "Go", "Lua", "R"], "bytes": [5, 9, 0, None]})
    assert languages.top_languages(ranking, "bytes", 5)["language"].tolist() == ["Go", "C"]
    assert languages.top_languages(ranking, "bytes", 1)["language"].tolist() == ["Go"]


def test_the_mix_has_the_primary_language_and_owner_of_each_quarter(database):
    """Rewritten from Perl to C in February, given from octo to hooli in May."""
    octo, hooli = seed_data.add_account(database, "octo"), seed_data.add_account(database, "hooli")
    cat = seed_data.add_repository(
        database, "octo/cat", {"2025-12-01": 10, "2026-03-01": 20}, captures=["2026-04-20"], primary_language="C"
    )
    seed_data.add_version(database, cat, "2026-02-15", primary_language="Perl")
    seed_data.add_version(database, cat, "2026-05-15")
    database.execute(update(schema.repository).values(account_id=hooli, full_name="hooli/cat"))
    database.execute(insert(schema.capture_open).values(account_id=hooli, captured_at=utc("2026-06-01")))
    mixes = [
        [(f"{row.at:%Y-%m}", row.language, row.stars) for row in history.itertuples()]
        for history in (languages.account_language_history(who, utc("2026-06-30")) for who in (octo, hooli))
    ]
    assert mixes == [[("2025-12", "Perl", 10), ("2026-03", "C", 20)], [("2026-06", "C", 20)]]
