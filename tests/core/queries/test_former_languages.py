"""A language that Linguist renamed is one language, under its present name, in every query."""

from datetime import date

import pytest
from sqlalchemy import insert, text

from core.db import schema
from core.queries import (
    account_repositories,
    changes,
    languages,
    movers,
    overview,
    repository_detail,
    repository_list,
    scene,
)
from core.queries.repository_list import Filters
from core.queries.scene import CityFilters
from tests import seed_data
from tests.seed_data import utc

DAYS = {"2026-01-30": 10, "2026-03-01": 100}


@pytest.fixture
def two_raku_repositories(database):
    """One of them was not pushed to since Linguist renamed Perl 6, in January 2020."""
    old = seed_data.add_repository(database, "octo/old", DAYS, primary_language="Perl 6")
    new = seed_data.add_repository(database, "octo/new", DAYS, primary_language="Raku")
    sizes = [(old, "Perl 6", 300), (old, "C", 50), (new, "Raku", 2_550_296_376)]
    database.execute(
        insert(schema.repository_language),
        [
            {"repository_id": id_, "captured_at": utc("2026-03-01"), "language": name, "bytes": size}
            for id_, name, size in sizes
        ],
    )
    database.execute(text("UPDATE repository SET languages_checked_at = '2026-03-01Z'"))
    return seed_data.add_account(database, "octo")


@pytest.mark.parametrize("as_of", [None, utc("2026-03-02")])
def test_bytes_of_both_names_add_up(two_raku_repositories, as_of):
    """300 + 2,550,296,376 bytes, in two repositories."""
    found = languages.account_languages(two_raku_repositories, as_of)
    assert found[["language", "bytes", "repositories"]].to_numpy().tolist() == [
        ["Raku", 2_550_296_676, 2],
        ["C", 50, 1],
    ]


@pytest.mark.parametrize("as_of", [None, utc("2026-03-02")])
def test_a_repository_shows_the_present_name_of_what_github_sent(two_raku_repositories, as_of):
    (row,) = repository_detail.by_name("octo", "old", as_of).to_dict("records")
    assert row["primary_language"] == "Raku"
    assert row["languages"] == '{"C": 50, "Raku": 300}'
    listed = account_repositories.list_repositories(two_raku_repositories, as_of)
    assert listed["language"].tolist() == ["Raku", "Raku"]


@pytest.mark.parametrize("as_of", [None, utc("2026-03-02")])
def test_filters_find_repositories_under_both_names(two_raku_repositories, as_of):
    for other in ("Perl 6", "C"):
        assert repository_list.matching_repositories(Filters(languages=(other,), as_of=as_of)).empty
    assert len(repository_list.matching_repositories(Filters(languages=("Raku",), as_of=as_of))) == 2
    assert len(scene.city_repositories(CityFilters(languages=("Raku",), as_of=as_of))) == 2


def test_movers_have_and_filter_by_the_present_name(two_raku_repositories):
    then = utc("2026-03-02")
    assert movers.movers(then, 30, "Raku").rows["language"].tolist() == ["Raku", "Raku"]
    assert movers.movers(then, 30, "Perl 6").rows.empty
    assert movers.movers(then, 30).rows["language"].tolist() == ["Raku", "Raku"]


def test_both_names_are_counted_as_one_language(two_raku_repositories):
    assert repository_list.language_counts().to_numpy().tolist() == [["Raku", 2]]
    assert overview.stored_totals().languages == 1


def test_rollups_from_before_a_rename_continue_under_the_present_name(database):
    seed_data.add_repository(database, "octo/cat", {"2026-02-01": 1, "2026-03-01": 2})
    rows = [
        ("2026-02-01", "Perl 6", 3, 30, None),
        ("2026-03-01", "Perl 6", 1, 10, 500),
        ("2026-03-01", "Raku", 2, 25, 3_000_000_000),
    ]
    database.execute(
        insert(schema.language_day),
        [
            {"day": date.fromisoformat(day), "language": name, "repositories": count, "stars": stars, "bytes": size}
            for day, name, count, stars, size in rows
        ],
    )
    (raku,) = languages.ranking("GitHub", utc("2026-03-02")).to_dict("records")
    assert (raku["language"], raku["repositories"], raku["stars"], raku["bytes"]) == ("Raku", 3, 35, 3_000_000_500)
    assert raku["stars_4w"] == 5  # 35 - 30
    trend = languages.language_trend("GitHub", utc("2026-03-02"))
    assert trend[["language", "stars"]].to_numpy().tolist() == [["Raku", 30], ["Raku", 35]]
    assert overview.source_trend(utc("2026-03-02"))["languages"].tolist() == [1, 1]


def test_a_language_that_was_only_renamed_is_no_change(two_raku_repositories, database):
    """Perl 6 became Raku in Linguist; C to Perl 6 is a change of the primary language to Raku."""
    entries = [("Perl 6", "Raku"), ("C", "Perl 6"), ("Raku", "Perl 6"), (None, "Perl 6")]
    database.execute(
        insert(schema.change),
        [
            {"account_id": two_raku_repositories, "kind": "primary_language", "detected_at": utc(f"2026-02-0{day}")}
            | {"before": before, "after": after}
            for day, (before, after) in enumerate(entries, start=1)
        ]
        # A name of something else that was a language's once stays as it is.
        + [
            {"account_id": two_raku_repositories, "kind": "renamed", "detected_at": utc("2026-02-09")}
            | {"before": "Perl 6", "after": "octo"}
        ],
    )
    expected = [("Perl 6", "octo"), (None, "Raku"), ("C", "Raku")]
    for found in (
        changes.list_changes(None, limit=9),
        changes.list_changes(utc("2026-03-02"), limit=9),
    ):
        shown = found[["before", "after"]].astype(object).where(found[["before", "after"]].notna(), None)
        assert list(shown.itertuples(index=False, name=None)) == expected


def test_the_command_line_shows_present_names(two_raku_repositories, database):
    from ingest.cli.show import stored_account

    database.execute(text("UPDATE account SET github_id = 1"))
    old = next(one for one in stored_account(database, "octo")["repositories"] if one["name"] == "old")
    assert (old["primary_language"], old["languages"]) == ("Raku", {"C": 50, "Raku": 300})
