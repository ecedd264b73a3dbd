"""Geocode free-text locations (pure). Ambiguous text returns None."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

SEPARATOR_PATTERN = re.compile(r"[,;/|·•+()\[\]、，；⇌⇄]|\s[-–—]\s|\s&\s|\band\b|&|→|<->", re.IGNORECASE)
PUNCTUATION_PATTERN = re.compile(r"[^\w\s'-]")
MAX_LENGTH = 200
MAX_WORDS = 6
# A name means its largest city without an area only if that is this large, and this many times the next one.
DOMINANCE_FACTOR, MIN_UNAMBIGUOUS_POPULATION = 5, 100_000
# People write China after these, which have country codes of their own.
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
    """A geocoded place. Precision `country` means that the coordinates are those of its capital."""

    name: str
    country: str
    latitude: float
    longitude: float
    precision: Literal["city", "country"]


@dataclass(frozen=True)
class Gazetteer:
    """The names needed for one lookup, as `normalize_name` writes them."""

    cities: Mapping[str, Sequence[City]]  # by name, the largest first
    countries: Mapping[str, str]  # ISO code by name, COUNTRY_ALIASES included
    country_names: Mapping[str, str]  # by ISO code
    capitals: Mapping[str, City]  # by ISO code
    states: Mapping[str, str]  # of the United States: code by name or code


@dataclass(frozen=True)
class AdministrativeArea:
    """A country, or a state of the United States, named in a location."""

    country: str
    region: str = ""

    def contains(self, city: City) -> bool:
        return city.country == self.country and self.region in {"", city.region}


def normalize_name(text: str) -> str:
    """Remove case, accents and punctuation."""
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text)
        text = unicodedata.normalize(
            "NFC", "".join(character for character in decomposed if not unicodedata.combining(character))
        )
    return " ".join(PUNCTUATION_PATTERN.sub(" ", text.replace(".", "")).casefold().split())


def split_location(location: str) -> list[str]:
    """Split *location* at commas and other separators into normalized names."""
    return [name for name in (normalize_name(part) for part in SEPARATOR_PATTERN.split(location[:MAX_LENGTH])) if name]


def candidate_names(location: str) -> set[str]:
    """Return every name that `resolve_location` may look up for *location*."""
    return {name for part in split_location(location) for name in (part, *_shortened_names(part))}


def resolve_location(location: str, gazetteer: Gazetteer) -> Place | None:
    """Geocode *location*; None when it names no known place or more than one."""
    parts = split_location(location)
    if not parts:
        return None
    country_codes = {gazetteer.countries[part] for part in parts if part in gazetteer.countries}
    if len(country_codes - ({"CN"} if country_codes & CHINA_SUBREGION_CODES else set())) > 1:
        return None
    cities, areas = _match_parts(parts, gazetteer)
    if len(cities) > 1:
        return None
    if cities:
        city = cities[0]
        return Place(city.name, gazetteer.country_names[city.country], city.latitude, city.longitude, "city")
    countries = {area.country for area in areas} - ({"CN"} if country_codes & CHINA_SUBREGION_CODES else set())
    return _country_place(countries.pop(), gazetteer) if len(countries) == 1 else None


def _match_parts(parts: Sequence[str], gazetteer: Gazetteer) -> tuple[list[City], list[AdministrativeArea]]:
    """Return the cities named in *parts*, and the areas. The first part that is no country is the city."""
    countries = [AdministrativeArea(gazetteer.countries[part]) for part in parts if part in gazetteer.countries]
    states = [AdministrativeArea("US", gazetteer.states[part]) for part in parts if part in gazetteer.states]
    rest = [part for part in parts if part not in gazetteer.countries]
    for at, part in enumerate(rest):
        areas = _candidate_areas(part, rest[at + 1 :], countries, gazetteer)
        city = _find_city(part, areas, gazetteer)
        if city is None:
            continue
        others = [] if areas else [_find_city(name, [], gazetteer) for name in rest[at + 1 :]]
        return [city, *(other for other in others if other not in {None, city} if other)], countries
    return (
        _match_without_separators(rest, gazetteer)
        if not countries and len(rest) == 1
        else ([], countries or states[:1])
    )


def _candidate_areas(
    part: str, later: Sequence[str], countries: list[AdministrativeArea], gazetteer: Gazetteer
) -> list[AdministrativeArea]:
    """Return the areas for *part*: a state named after it, else any country, else a country code after it."""
    states = [AdministrativeArea("US", gazetteer.states[name]) for name in later if name in gazetteer.states]
    codes = [AdministrativeArea(name.upper()) for name in later if name.upper() in gazetteer.country_names]
    options = [*states, *countries, *codes]
    return [area for area in options if any(area.contains(city) for city in gazetteer.cities.get(part, ()))][
        :1
    ] or options


def _find_city(name: str, areas: list[AdministrativeArea], gazetteer: Gazetteer) -> City | None:
    """Return the city of that name within *areas*; without areas only a large and dominant one."""
    found = gazetteer.cities.get(name, ())
    if areas:
        inside = [city for city in found if any(area.contains(city) for area in areas)]
        return inside[0] if inside else None
    if not found or found[0].population < MIN_UNAMBIGUOUS_POPULATION:
        return None
    return found[0] if len(found) == 1 or found[0].population >= DOMINANCE_FACTOR * found[1].population else None


def _match_without_separators(rest: Sequence[str], gazetteer: Gazetteer) -> tuple[list[City], list[AdministrativeArea]]:
    """Match text without commas whose last words are a country or a state: `Kathmandu Nepal`, `Seattle WA`."""
    words = rest[0].split()
    for cut in range(1, min(len(words), MAX_WORDS)):
        before, after = " ".join(words[:-cut]), " ".join(words[-cut:])
        areas = [AdministrativeArea(gazetteer.countries[after])] if after in gazetteer.countries else []
        areas += [AdministrativeArea("US", gazetteer.states[after])] if after in gazetteer.states else []
        if areas:
            city = next(
                filter(None, (_find_city(name, areas, gazetteer) for name in (before, *_shortened_names(before)))), None
            )
            return ([city] if city else []), (areas if after in gazetteer.countries else [])
    return [], [AdministrativeArea("US", gazetteer.states[rest[0]])] if rest[0] in gazetteer.states and len(
        rest[0]
    ) > 2 else []


def _shortened_names(part: str) -> Iterator[str]:
    """Yield the first words and the last words of *part*."""
    words = part.split()[:MAX_WORDS]
    for cut in range(1, len(words)):
        yield " ".join(words[:-cut])
        yield " ".join(words[-cut:])


def _country_place(code: str, gazetteer: Gazetteer) -> Place | None:
    capital = gazetteer.capitals.get(code)
    if capital is None:
        return None
    return Place(
        gazetteer.country_names[code], gazetteer.country_names[code], capital.latitude, capital.longitude, "country"
    )


def sort_by_population(cities: Iterable[City]) -> list[City]:
    return sorted(set(cities), key=lambda city: (-city.population, city.name, city.country))
