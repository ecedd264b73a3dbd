"""The city's repositories, and the counts of those left out."""

import pandas as pd
import pytest
from sqlalchemy import Connection

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
