"""Where free text is: found where it names one place, left alone where it could be two. With GeoNames' real cities."""

import csv
import gzip
from pathlib import Path

import pytest

from core.gazetteer import Atlas


@pytest.fixture(scope="module")
def atlas() -> Atlas:
    return Atlas()


@pytest.mark.parametrize(
    ("location", "place", "country"),
    [
        ("Seattle, WA", "Seattle", "United States"),
        ("seattle wa", "Seattle", "United States"),
        ("Seattle", "Seattle", "United States"),
        ("Paris, France", "Paris", "France"),
        ("Paris", "Paris", "France"),
        ("Paris, TX", "Paris", "United States"),
        ("Münster, Germany", "Münster", "Germany"),
        ("GuangZhou", "Guangzhou", "China"),
        ("HangZhou,China", "Hangzhou", "China"),
        ("Hangzhou, Zhejiang, China", "Hangzhou", "China"),
        ("Kathmandu Nepal", "Kathmandu", "Nepal"),
        ("London, UK", "London", "United Kingdom"),
        ("London, England, UK", "London", "United Kingdom"),
        ("New York, NY", "New York City", "United States"),
        ("San Francisco, CA, USA", "San Francisco", "United States"),
        ("Toronto, CA", "Toronto", "Canada"),
        ("Berlin, DE", "Berlin", "Germany"),
        ("München", "Munich", "Germany"),
        ("Санкт-Петербург", "Saint Petersburg", "Russia"),
        ("東京", "Tokyo", "Japan"),
        ("São Paulo - Brasil", "São Paulo", "Brazil"),
        ("Ethiopia, Adama", "Adama", "Ethiopia"),
        ("🇩🇪 Berlin", "Berlin", "Germany"),
    ],
)
def test_a_city_is_found_as_people_write_it(atlas, location, place, country):
    found = atlas.locate([location])[location]
    assert found is not None
    assert (found.name, found.country, found.exact) == (place, country, "city")


@pytest.mark.parametrize(
    ("location", "country"),
    [
        ("Germany", "Germany"),
        ("The Netherlands", "The Netherlands"),
        ("中国", "China"),
        ("USA", "United States"),
        ("Somewhere in the hills, Italy", "Italy"),
    ],
)
def test_a_country_alone_is_shown_as_a_country(atlas, location, country):
    found = atlas.locate([location])[location]
    assert found is not None
    assert (found.country, found.exact) == (country, "country")


@pytest.mark.parametrize(
    "location",
    [
        *("", "Earth", "remote", "127.0.0.1", "Springfield", "New York, Seattle", "Silicon Valley CA & Seattle WA"),
        *("Honorary members of the Lemmings 100 achievement", "everywhere and nowhere", "🦑", "x" * 10_000, ",,,;;"),
        *("\x00", "Berlin & Paris", "USA / Germany", "'; DROP TABLE account"),
    ],
)
def test_what_names_no_place_or_two_is_never_guessed(atlas, location):
    assert atlas.locate([location])[location] is None


def test_what_was_looked_up_before_is_not_read_again(atlas, monkeypatch):
    atlas.locate(["Lisboa"])
    monkeypatch.setattr(atlas, "_read", lambda missing: pytest.fail(f"read again for {missing}"))
    assert atlas.locate(["Lisboa"])["Lisboa"].name == "Lisbon"


def test_people_of_a_country_are_found_in_it(atlas):
    """The lists that real profiles were found in say which country each is of."""
    users = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "users" / "users.csv.gz"
    if not users.is_file():
        pytest.skip(f"no profiles at {users}")
    with gzip.open(users, "rt", encoding="utf-8") as file:
        told = {
            row["location"]: row["country_list"]
            for row in csv.DictReader(file)
            if row["location"] and row["country_list"]
        }
    found = atlas.locate(told)
    named = {text: place for text, place in found.items() if place}
    same = [text for text, place in named.items() if told[text].replace("_", " ").lower() in place.country.lower()]
    print(
        len(named) / len(told),
        len(same) / len(named),
        [(text, told[text], named[text].country) for text in named if text not in same][:60],
    )
    print([text for text in told if text not in named][:80])
    assert len(named) > 0.8 * len(told)
    assert len(same) > 0.9 * len(named)
