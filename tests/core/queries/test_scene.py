"""The city's repositories, and the counts of those left out."""

from collections import Counter

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert

from core.db import schema
from core.db.frames import clear_frames
from core.queries import scene
from core.queries.scene import CityFilters
from tests import seed_data


@pytest.fixture
def stored(database: Connection) -> Connection:
    seed_data.add_repository(
        database, "big/one", {"2026-01-01": 100, "2026-03-01": 900}, growth={30: 40}, primary_language="Go"
    )
    seed_data.add_repository(database, "Big/two", {"2026-03-01": 50}, primary_language="Python")
    seed_data.add_repository(database, "small/one", {"2026-03-01": 500}, primary_language="Python")
    seed_data.add_repository(database, "tiny/one", {"2026-03-01": 3})
    seed_data.add_repository(
        database, "tiny/gone", {"2026-03-01": 9000}, gone_at=seed_data.utc("2026-03-02"), primary_language="Go"
    )
    return database


def building_names(choice: CityFilters) -> list[str]:
    return scene.city_repositories(choice)["full_name"].tolist()


def test_districts_and_their_towers_are_ordered_by_stars(stored):
    assert building_names(CityFilters()) == ["big/one", "Big/two", "small/one", "tiny/one"]


def test_the_number_of_owners_is_limited(stored):
    assert building_names(CityFilters(owners=1)) == ["big/one", "Big/two"]


def test_owners_are_ranked_by_matching_repositories(stored):
    assert building_names(CityFilters(owners=1, languages=("Python",))) == ["small/one"]
    assert building_names(CityFilters(account="BIG")) == ["big/one", "Big/two"]
    assert building_names(CityFilters(account="nobody")) == []
    assert building_names(CityFilters(min_stars=100)) == ["big/one", "small/one"]


ANY_REPOSITORY = st.fixed_dictionaries(
    {
        "owner": st.sampled_from(["a", "B", "b", "c", "D", "e"]),
        "stars": st.integers(0, 6),
        "primary_language": st.sampled_from(["Go", "Python", None]),
        "is_gone": st.booleans(),
    }
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(ANY_REPOSITORY, max_size=16),
    st.builds(
        CityFilters,
        owners=st.integers(1, 4),
        languages=st.sampled_from([(), ("Go",), ("Go", "Python")]),
        min_stars=st.integers(0, 4),
        account=st.sampled_from(["", "", "", "b", "nobody"]),
    ),
)
def test_the_owners_are_those_that_a_list_of_all_repositories_gives(database, repositories, filters):
    """Two accounts may have the same login, in any case: one was renamed, and its former name taken, unnoticed."""
    clear_frames()  # as a new data version would
    seed_data.delete_stored(database)
    accounts = {
        owner: seed_data.insert_row(database, schema.account, login=owner, github_id=number)
        for number, owner in enumerate({one["owner"] for one in repositories}, 1)
    }
    for number, one in enumerate(repositories):
        created = seed_data.insert_repository(
            database,
            accounts[one["owner"]],
            f"{one['owner']}/{number:02}",
            github_id=number + 1,
            primary_language=one["primary_language"],
            gone_at=seed_data.utc("2026-03-02") if one["is_gone"] else None,
        )
        count = {"stars": one["stars"], "forks": 0, "captured_at": seed_data.utc("2026-03-01")}
        database.execute(insert(schema.repository_current).values(repository_id=created, **count))
    seed_data.summarize(database)
    matching = [
        (one["owner"].lower(), one["stars"], f"{one['owner']}/{number:02}")
        for number, one in enumerate(repositories)
        if not one["is_gone"]
        and one["stars"] >= filters.min_stars
        and (not filters.languages or one["primary_language"] in filters.languages)
        and filters.account in ("", one["owner"].lower())
    ]
    stars = Counter[str]()
    for owner, count, _ in matching:
        stars[owner] += count
    ranked = sorted(stars, key=lambda owner: (-stars[owner], owner))
    assert building_names(filters) == [
        name
        for owner in ranked[: filters.owners]
        for _, _, name in sorted((one for one in matching if one[0] == owner), key=lambda one: (-one[1], one[2]))
    ]
    assert scene.count_eligible(filters) == (len(matching), len(stars))


def test_city_rows_have_language_growth_and_capture_time(stored):
    row = scene.city_repositories(CityFilters()).iloc[0]
    assert (row["stars"], row["stars_30d"], row["language"]) == (900, 40, "Go")
    assert row["checked_at"] == seed_data.utc("2026-03-01")
    assert pd.isna(scene.city_repositories(CityFilters()).iloc[1]["stars_30d"])


def test_as_of_a_day_the_city_is_that_of_the_day(stored):
    assert building_names(CityFilters(as_of=seed_data.utc("2026-02-01"))) == ["big/one"]
    assert scene.city_repositories(CityFilters(as_of=seed_data.utc("2026-02-01")))["stars"].tolist() == [100]


def test_eligible_repositories_are_counted_without_the_limit_on_owners(stored):
    assert scene.count_eligible(CityFilters(owners=1)) == (4, 3)
    assert scene.count_eligible(CityFilters(owners=1, languages=("Python",))) == (2, 2)


def test_the_number_of_towers_is_limited(stored, monkeypatch):
    monkeypatch.setattr(scene, "MAX_TOWERS", 2)
    assert building_names(CityFilters()) == ["big/one", "small/one"]


def test_an_empty_database_gives_an_empty_city(database):
    assert scene.city_repositories(CityFilters()).empty
    assert scene.count_eligible(CityFilters()) == (0, 0)
