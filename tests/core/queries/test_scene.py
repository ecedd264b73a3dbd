"""What stands in the city, and what is said to be left out."""

import pandas as pd
import pytest
from sqlalchemy import Connection

from core.queries import scene
from core.queries.scene import Choice
from tests import holdings


@pytest.fixture
def held(database: Connection) -> Connection:
    holdings.repository(
        database, "big/one", {"2026-01-01": 100, "2026-03-01": 900}, growth={30: 40}, primary_language="Go"
    )
    holdings.repository(database, "Big/two", {"2026-03-01": 50}, primary_language="Python")
    holdings.repository(database, "small/one", {"2026-03-01": 500}, primary_language="Python")
    holdings.repository(database, "tiny/one", {"2026-03-01": 3})
    holdings.repository(
        database, "tiny/gone", {"2026-03-01": 9000}, gone_at=holdings.moment("2026-03-02"), primary_language="Go"
    )
    return database


def names(choice: Choice) -> list[str]:
    return scene.city(choice)["full_name"].tolist()


def test_districts_come_with_most_stars_first_and_so_do_their_towers(held):
    assert names(Choice()) == ["big/one", "Big/two", "small/one", "tiny/one"]


def test_only_so_many_owners_stand_in_the_city(held):
    assert names(Choice(owners=1)) == ["big/one", "Big/two"]


def test_owners_are_ranked_by_what_matches(held):
    assert names(Choice(owners=1, languages=("Python",))) == ["small/one"]
    assert names(Choice(min_stars=100)) == ["big/one", "small/one"]


def test_what_is_known_comes_along(held):
    row = scene.city(Choice()).iloc[0]
    assert (row["stars"], row["stars_30d"], row["language"]) == (900, 40, "Go")
    assert row["checked_at"] == holdings.moment("2026-03-01")
    assert pd.isna(scene.city(Choice()).iloc[1]["stars_30d"])


def test_as_of_a_day_the_city_is_that_of_the_day(held):
    assert names(Choice(as_of=holdings.moment("2026-02-01"))) == ["big/one"]
    assert scene.city(Choice(as_of=holdings.moment("2026-02-01")))["stars"].tolist() == [100]


def test_what_could_stand_there_is_counted_without_the_limit_on_owners(held):
    assert scene.eligible(Choice(owners=1)) == (4, 3)
    assert scene.eligible(Choice(owners=1, languages=("Python",))) == (2, 2)


def test_never_more_towers_than_a_browser_bears(held, monkeypatch):
    monkeypatch.setattr(scene, "MOST_TOWERS", 2)
    assert names(Choice()) == ["big/one", "small/one"]


def test_an_empty_database_gives_an_empty_city(database):
    assert scene.city(Choice()).empty
    assert scene.eligible(Choice()) == (0, 0)
