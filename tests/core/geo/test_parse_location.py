"""Geocoding of free text with GeoNames' real cities; ambiguous text returns None."""

import csv
import gzip
from pathlib import Path

import pytest

from core.geo.geocoder import Geocoder

CITIES = [
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
    ("Ethiopia, Adama", "Nazrēt", "Ethiopia"),
    ("🇩🇪 Berlin", "Berlin", "Germany"),
]
COUNTRIES = [
    ("Germany", "Germany"),
    ("The Netherlands", "The Netherlands"),
    ("中国", "China"),
    ("USA", "United States"),
    ("Somewhere in the hills, Italy", "Italy"),
    ("Hong Kong, China", "Hong Kong"),
]
NO_PLACES = [
    *("", "Earth", "remote", "127.0.0.1", "Springfield", "New York, Seattle", "Silicon Valley CA & Seattle WA"),
    *("Honorary members of the Lemmings 100 achievement", "everywhere and nowhere", "🦑", "x" * 10_000, ",,,;;"),
    *(
        "\x00",
        "Berlin & Paris",
        "USA / Germany",
        "Sweden ⇄ Spain",
        "Vilnius, Lithuania / London, UK",
        "'; DROP TABLE account",
    ),
]


@pytest.fixture(scope="module")
def geocoder() -> Geocoder:
    """Share one geocoder, so that the file is read once."""
    geocoder = Geocoder()
    geocoder.locate([*(text for text, _, _ in CITIES), *(text for text, _ in COUNTRIES), *NO_PLACES])
    return geocoder


@pytest.mark.parametrize(
    ("location", "place", "country"),
    CITIES,
)
def test_a_city_is_found_as_people_write_it(geocoder, location, place, country):
    found = geocoder.locate([location])[location]
    assert found is not None
    assert (found.name, found.country, found.precision) == (place, country, "city")


@pytest.mark.parametrize(
    ("location", "country"),
    COUNTRIES,
)
def test_a_country_alone_is_shown_as_a_country(geocoder, location, country):
    found = geocoder.locate([location])[location]
    assert found is not None
    assert (found.country, found.precision) == (country, "country")


@pytest.mark.parametrize(
    "location",
    NO_PLACES,
)
def test_unknown_and_ambiguous_locations_return_none(geocoder, location):
    assert geocoder.locate([location])[location] is None


def test_names_looked_up_before_are_not_read_again(geocoder, monkeypatch):
    geocoder.locate(["Lisboa"])
    monkeypatch.setattr(geocoder, "_read", lambda missing: pytest.fail(f"read again for {missing}"))
    assert geocoder.locate(["Lisboa"])["Lisboa"].name == "Lisbon"


def test_real_profiles_are_located_in_their_country(geocoder):
    """Each real profile comes from a list of one country."""
    users = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "users" / "users.csv.gz"
    if not users.is_file():
        pytest.skip(f"no profiles at {users}")
    with gzip.open(users, "rt", encoding="utf-8") as file:
        rows = [(row["location"], row["country_list"]) for row in csv.DictReader(file)]
    countries = {location: country for location, country in rows if location and country}
    named = {text: place for text, place in geocoder.locate(countries).items() if place}
    same = [text for text, place in named.items() if countries[text] in place.country.lower()]
    assert len(named) > 0.9 * len(countries)
    # Some lists are wrong themselves: Vienna in Virginia is in Austria's.
    assert len(same) > 0.95 * len(named)
