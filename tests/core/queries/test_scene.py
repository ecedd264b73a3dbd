"""What stands in the city, and what is said to be left out."""

import pandas as pd
import pytest
from sqlalchemy import Connection

from core.queries import scene
from core.queries.scene import CityFilters
from tests import seed_data


@pytest.fixture
def held(database: Connection) -> Connection:
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


def test_districts_come_with_most_stars_first_and_so_do_their_towers(held):
    assert building_names(CityFilters()) == ["big/one", "Big/two", "small/one", "tiny/one"]


def test_only_so_many_owners_stand_in_the_city(held):
    assert building_names(CityFilters(owners=1)) == ["big/one", "Big/two"]


def test_owners_are_ranked_by_what_matches(held):
    assert building_names(CityFilters(owners=1, languages=("Python",))) == ["small/one"]
    assert building_names(CityFilters(min_stars=100)) == ["big/one", "small/one"]


def test_what_is_known_comes_along(held):
    row = scene.city_repositories(CityFilters()).iloc[0]
    assert (row["stars"], row["stars_30d"], row["language"]) == (900, 40, "Go")
    assert row["checked_at"] == seed_data.utc("2026-03-01")
    assert pd.isna(scene.city_repositories(CityFilters()).iloc[1]["stars_30d"])


def test_as_of_a_day_the_city_is_that_of_the_day(held):
    assert building_names(CityFilters(as_of=seed_data.utc("2026-02-01"))) == ["big/one"]
    assert scene.city_repositories(CityFilters(as_of=seed_data.utc("2026-02-01")))["stars"].tolist() == [100]


def test_what_could_stand_there_is_counted_without_the_limit_on_owners(held):
    assert scene.count_eligible(CityFilters(owners=1)) == (4, 3)
    assert scene.count_eligible(CityFilters(owners=1, languages=("Python",))) == (2, 2)


def test_never_more_towers_than_a_browser_bears(held, monkeypatch):
    monkeypatch.setattr(scene, "MAX_TOWERS", 2)
    assert building_names(CityFilters()) == ["big/one", "small/one"]


def test_an_empty_database_gives_an_empty_city(database):
    assert scene.city_repositories(CityFilters()).empty
    assert scene.count_eligible(CityFilters()) == (0, 0)
