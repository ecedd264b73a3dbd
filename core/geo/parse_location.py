"""Pure: where the free text is that people write as their location. What could be two places is none."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

SEPARATOR_PATTERN = re.compile(r"[,;/|·•+()\[\]、，；⇌⇄]|\s[-–—]\s|\s&\s|\band\b|&|→|<->", re.IGNORECASE)
PUNCTUATION_PATTERN = re.compile(r"[^\w\s'-]")
MAX_LENGTH = 200
MAX_WORDS = 6
# So much larger than the next of its name that nobody means another one.
DOMINANCE_FACTOR, MIN_UNAMBIGUOUS_POPULATION = 5, 100_000
# With a code of their own, and yet people write China behind them.
CHINA_SUBREGION_CODES = {"HK", "MO"}
COUNTRY_ALIASES: Mapping[str, str] = {
    **dict.fromkeys(("usa", "us", "united states of america", "the united states", "america", "estados unidos"), "US"),
    **dict.fromkeys(("uk", "england", "scotland", "wales", "great britain", "northern ireland", "britain"), "GB"),
    **dict.fromkeys(("the netherlands", "netherlands", "holland", "nederland"), "NL"),
    **dict.fromkeys(("south korea", "korea", "republic of korea", "대한민국", "한국"), "KR"),
    **dict.fromkeys(("russia", "russian federation", "россия"), "RU"),
    **dict.fromkeys(("china", "prc", "p r china", "pr china", "mainland china", "中国", "中國"), "CN"),
    **dict.fromkeys(("czech republic", "czechia", "cesko"), "CZ"),
    **dict.fromkeys(("turkey", "turkiye"), "TR"),
    **dict.fromkeys(("uae", "united arab emirates"), "AE"),
    **dict.fromkeys(("viet nam", "vietnam"), "VN"),
    **{"brasil": "BR", "deutschland": "DE", "espana": "ES", "italia": "IT", "日本": "JP", "taiwan": "TW", "台灣": "TW"},
    **{"brasil": "BR", "deutschland": "DE", "espana": "ES", "italia": "IT", "日本": "JP", "taiwan": "TW"},
    **{
        "台灣": "TW",
        "台湾": "TW",
        "polska": "PL",
        "osterreich": "AT",
        "schweiz": "CH",
        "suisse": "CH",
        "sverige": "SE",
    },
    **{"danmark": "DK", "suomi": "FI", "norge": "NO", "україна": "UA", "belgie": "BE", "belgique": "BE"},
    **{"mexico": "MX", "iran": "IR"},
}


@dataclass(frozen=True)
class City:
    name: str
    country: str  # ISO 3166 code
    region: str  # GeoNames' code of the region; in the United States the state's
    latitude: float
    longitude: float
    population: int


@dataclass(frozen=True)
class Place:
    """`exact` says how far the point can be trusted: a country is shown at its capital."""

    name: str
    country: str
    latitude: float
    longitude: float
    precision: Literal["city", "country"]


@dataclass(frozen=True)
class Gazetteer:
    """What is known of the names in question; all names as `plain` writes them."""

    cities: Mapping[str, Sequence[City]]  # by name, the largest first
    countries: Mapping[str, str]  # ISO code by name, ALIASES among them
    country_names: Mapping[str, str]  # by ISO code
    capitals: Mapping[str, City]  # by ISO code
    states: Mapping[str, str]  # of the United States: code by name or code


@dataclass(frozen=True)
class AdministrativeArea:
    """A country, or a state of the United States, that a text names beside a city."""

    country: str
    region: str = ""

    def hold(self, city: City) -> bool:
        return city.country == self.country and self.region in {"", city.region}


def normalize_name(text: str) -> str:
    """Names without case, accents and punctuation."""
    if not text.isascii():
        split = unicodedata.normalize("NFKD", text)
        text = unicodedata.normalize("NFC", "".join(one for one in split if not unicodedata.combining(one)))
    return " ".join(PUNCTUATION_PATTERN.sub(" ", text.replace(".", "")).casefold().split())


def split_location(location: str) -> list[str]:
    """The names between commas and the like, plain."""
    return [name for name in (normalize_name(part) for part in SEPARATOR_PATTERN.split(location[:MAX_LENGTH])) if name]


def candidate_names(location: str) -> set[str]:
    """Every name that `find` may look up for *location*."""
    return {name for part in split_location(location) for name in (part, *_shortened_names(part))}


def resolve_location(location: str, known: Gazetteer) -> Place | None:
    """Where *location* is; None when it names nothing known, or more than one place."""
    said = split_location(location)
    if not said:
        return None
    named = {known.countries[part] for part in said if part in known.countries}
    if len(named - ({"CN"} if named & CHINA_SUBREGION_CODES else set())) > 1:
        return None
    cities, bounds = _match_parts(said, known)
    if len(cities) > 1:
        return None
    if cities:
        city = cities[0]
        return Place(city.name, known.country_names[city.country], city.latitude, city.longitude, "city")
    countries = {bound.country for bound in bounds} - ({"CN"} if named & CHINA_SUBREGION_CODES else set())
    return _country_place(countries.pop(), known) if len(countries) == 1 else None


def _match_parts(said: Sequence[str], known: Gazetteer) -> tuple[list[City], list[AdministrativeArea]]:
    """The cities that are named, and the countries and states. The first that is no country is the city."""
    countries = [AdministrativeArea(known.countries[part]) for part in said if part in known.countries]
    states = [AdministrativeArea("US", known.states[part]) for part in said if part in known.states]
    rest = [part for part in said if part not in known.countries]
    for at, part in enumerate(rest):
        within = _candidate_areas(part, rest[at + 1 :], countries, known)
        city = _find_city(part, within, known)
        if city is None:
            continue
        others = [] if within else [_find_city(one, [], known) for one in rest[at + 1 :]]
        return [city, *(other for other in others if other not in {None, city} if other)], countries
    return _match_without_separators(rest, known) if not countries and len(rest) == 1 else ([], countries or states[:1])


def _candidate_areas(
    part: str, later: Sequence[str], countries: list[AdministrativeArea], known: Gazetteer
) -> list[AdministrativeArea]:
    """What bounds the search for *part*: a state named after it, else a country anywhere, else a country's code."""
    states = [AdministrativeArea("US", known.states[one]) for one in later if one in known.states]
    codes = [AdministrativeArea(one.upper()) for one in later if one.upper() in known.country_names]
    options = [*states, *countries, *codes]
    return [bound for bound in options if any(bound.hold(city) for city in known.cities.get(part, ()))][:1] or options


def _find_city(name: str, within: list[AdministrativeArea], known: Gazetteer) -> City | None:
    """The city of that name within any of the bounds; without bounds only one that nobody mistakes for another."""
    found = known.cities.get(name, ())
    if within:
        held = [city for city in found if any(bound.hold(city) for bound in within)]
        return held[0] if held else None
    if not found or found[0].population < MIN_UNAMBIGUOUS_POPULATION:
        return None
    return found[0] if len(found) == 1 or found[0].population >= DOMINANCE_FACTOR * found[1].population else None


def _match_without_separators(rest: Sequence[str], known: Gazetteer) -> tuple[list[City], list[AdministrativeArea]]:
    """`Kathmandu Nepal`, `Seattle WA`: a text without commas whose last words are a country or a state."""
    words = rest[0].split()
    for cut in range(1, min(len(words), MAX_WORDS)):
        before, after = " ".join(words[:-cut]), " ".join(words[-cut:])
        bounds = [AdministrativeArea(known.countries[after])] if after in known.countries else []
        bounds += [AdministrativeArea("US", known.states[after])] if after in known.states else []
        if bounds:
            city = next(
                filter(None, (_find_city(name, bounds, known) for name in (before, *_shortened_names(before)))), None
            )
            return ([city] if city else []), (bounds if after in known.countries else [])
    return [], [AdministrativeArea("US", known.states[rest[0]])] if rest[0] in known.states and len(rest[0]) > 2 else []


def _shortened_names(part: str) -> Iterator[str]:
    """The first words of a part, and its last ones."""
    words = part.split()[:MAX_WORDS]
    for cut in range(1, len(words)):
        yield " ".join(words[:-cut])
        yield " ".join(words[-cut:])


def _country_place(code: str, known: Gazetteer) -> Place | None:
    capital = known.capitals.get(code)
    if capital is None:
        return None
    return Place(known.country_names[code], known.country_names[code], capital.latitude, capital.longitude, "country")


def sort_by_population(cities: Iterable[City]) -> list[City]:
    return sorted(set(cities), key=lambda city: (-city.population, city.name, city.country))
