"""The movers page: any span, gains, shares and losses, by language and age."""

import pytest
from sqlalchemy import insert

from core.db import schema
from tests import seed_data
from tests.pages.wording import page_text
from tests.seed_data import days_ago


@pytest.fixture
def three_movers(database):
    """A repository that gained 40 of 1,000, a young one that gained 30 of 60, and one that lost 7."""
    account = seed_data.add_account(database, "octo", github_id=7)
    database.execute(insert(schema.tracked_account).values(account_id=account))
    for days in range(40, -1, -1):
        database.execute(insert(schema.capture_open).values(account_id=account, captured_at=days_ago(days)))
    for number, (name, language, before, now, created) in enumerate(
        [
            ("big", "Python", 1000, 1040, 2000),
            ("young", "Rust", 60, 90, 100),
            ("fading", "Rust", 500, 493, 2000),
            ("tiny", "C", 1, 3, 2000),
        ]
    ):
        seed_data.add_repository(
            database,
            f"octo/{name}",
            {f"{days_ago(40):%Y-%m-%d}": before, f"{days_ago(5):%Y-%m-%d}": now},
            github_id=100 + number,
            primary_language=language,
            created_at=days_ago(created),
            growth={30: now - before},
        )


def names(shown):
    return shown.dataframe[-1].value["repository"].str.rpartition("/")[2].tolist()


def test_repositories_are_ranked_by_stars_gained(open_page, three_movers):
    shown = open_page("movers")
    assert not shown.exception
    assert names(shown) == ["big", "young", "tiny", "fading"]
    assert "Compared: 4. Left out: none." in page_text(shown)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"by": "Lost"}, ["fading"]),
        ({"by": "Gained, share"}, ["young", "big", "fading"]),
        ({"language": "rust"}, ["young", "fading"]),
        ({"age": "Younger than a year"}, ["young"]),
        ({"days": "20"}, ["big", "young", "tiny", "fading"]),
    ],
    ids=str,
)
def test_ranking_language_age_and_span_are_in_the_url(open_page, three_movers, params, expected):
    shown = open_page("movers", **params)
    assert not shown.exception
    assert not shown.warning
    assert names(shown) == expected


def test_as_of_before_the_gain_nothing_was_gained(open_page, three_movers):
    shown = open_page("movers", as_of=f"{days_ago(7):%Y-%m-%d}", days="7")
    assert not shown.exception
    assert set(shown.dataframe[-1].value["growth"]) == {0}


@pytest.mark.parametrize("days", ["0", "366", "-1", "1e2", "seven"])
def test_a_span_that_is_no_number_of_days_is_refused(open_page, three_movers, days):
    shown = open_page("movers", days=days)
    assert f"days={days}" in shown.warning[0].value
    assert shown.number_input(key="days").value == 30


def test_without_losses_the_page_says_so(open_page, database):
    seed_data.add_repository(database, "octo/cat", {f"{days_ago(0):%Y-%m-%d}": 5}, growth={30: 5})
    assert "Of 1 repository compared, none lost a star." in page_text(open_page("movers", by="Lost"))


def test_an_empty_database_says_that_nothing_was_collected(open_page, database):
    assert "Nothing has been collected yet." in page_text(open_page("movers"))


def test_an_account_and_a_collection_filter(open_page, three_movers, database):
    added = {f"{days_ago(40):%Y-%m-%d}": 5, f"{days_ago(0):%Y-%m-%d}": 9}
    seed_data.add_repository(
        database, "cat/other", added, captures=[f"{days_ago(30):%Y-%m-%d}"], created_at=days_ago(2000)
    )
    group = seed_data.insert_row(database, schema.collection, name="Pets")
    account = seed_data.add_account(database, "cat")
    database.execute(insert(schema.collection_member).values(collection_id=group, account_id=account))

    def repositories(**filters):
        shown = open_page("movers", days="29", **filters)
        assert not shown.exception
        return sorted(link.partition("name=")[2].partition("&")[0] for link in shown.dataframe[-1].value["repository"])

    assert repositories() == ["cat/other", "octo/big", "octo/fading", "octo/tiny", "octo/young"]
    assert repositories(account="OCTO") == ["octo/big", "octo/fading", "octo/tiny", "octo/young"]
    assert repositories(collection="Pets") == ["cat/other"]
    assert repositories(collection="PETS") == ["cat/other"]


def test_a_collection_that_is_gone_is_named_and_not_taken_for_all_repositories(open_page, three_movers, database):
    """The link of a page outlives the collection that it was made for."""
    for another in ("Tools", "Games"):
        shown = open_page("movers", collection="Pets")
        assert "`collection=Pets`" in "".join(warning.value for warning in shown.warning)
        seed_data.insert_row(database, schema.collection, name=another)
