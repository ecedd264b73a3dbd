"""Locate free-text locations (pure). Text that contradicts itself or could mean two places returns None.

A text lists places (`Berlin / London`); each place is a row of parts (`Paris, Texas, USA`). A part is read as a
country, a region or a city. All parts of a place must lie in one country, and its city in the region named.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import cos, hypot, radians
from typing import Literal
from zoneinfo import available_timezones

from core.geo.areas import FAMILIAR_CODES, SOVEREIGNS, Area, AreaNames
from core.geo.normalize import is_code, normalize_name

MAX_LENGTH = 200
MAX_WORDS = 6
MAX_TOWN_WORDS = 3
MAX_UNSPACED_LENGTH = 12  # of text in scripts without spaces between words
ARROW_PATTERN = re.compile(r"<?[-=]+>|[⇌⇄→↔⟷⇔]|<[-=]+")
MARKUP_PATTERN = re.compile(r"[<>{}=$`\\]|://")
NOT_A_NAME_PATTERN = re.compile(r"\S+@\S+\.\S+|\b(?:utc|gmt)\s*(?:[+\-−–±]\s*)?\d{0,2}(?::\d\d)?\b", re.IGNORECASE)
LIST_PATTERN = re.compile(r"[;/|·•+；\n]|\s+(?:and|or|und|et|y|e)\s+|\s*&\s*")
PART_PATTERN = re.compile(r"[,()\[\]、，،:@]|\s[-–—~]+\s|(?<=\w{3})\.\s")
FLAG_PATTERN = re.compile(r"[\U0001F1E6-\U0001F1FF]{2}|\U0001F3F4[\U000E0061-\U000E007A]+\U000E007F")
UNSPACED_PATTERN = re.compile(r"[぀-ヿ㐀-鿿가-힯]+")
UNSPACED_SUFFIXES = ("市", "省", "县", "縣", "都", "府", "県", "시", "도", "특별시", "광역시")
WORD_PATTERN = re.compile(r"[\s\-–—_]+")
NUMBER_PATTERN = re.compile(r"\S*\d\S*")
# A name means its likeliest city only if that has this many times the weight of the next, and without an area if it has
# this many people.
DOMINANCE_FACTOR, MIN_UNAMBIGUOUS_POPULATION = 8, 100_000
SAME_CITY_KM = 30  # GeoNames has parts of a city under the same name
KM_PER_DEGREE = 111.2
NEIGHBOUR_KM = 60  # `Kreuzberg, Berlin` is one place, `Berlin, Munich` is two
CITY_ALIASES: Mapping[str, str] = {
    "nyc": "new york city",
    "new york": "new york city",
    "sf": "san francisco",
    "san fran": "san francisco",
    "la": "los angeles",
    "philly": "philadelphia",
    "vegas": "las vegas",
    "cdmx": "mexico city",
}
FILLERS = frozenset(
    "the in at near nearby around somewhere based currently living from greater metro metropolitan area region city of "  # noqa: SIM905
    "downtown north south east west northern southern eastern western central remote remotely mostly sunny state "
    "province county".split()
)
STOP_WORDS = frozenset({"not", "no", "never", "anti", "made", "born", "ex", "outside", "left", "lost"})


@dataclass(frozen=True)
class City:
    name: str
    country: str  # ISO 3166 code
    region: str  # GeoNames' code of the region; in the United States the state's
    latitude: float
    longitude: float
    population: int
    # How likely a text means this city by the name it was found under.
    weight: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Place:
    """A located place. Precision `country` means that the coordinates are those of its capital."""

    name: str
    country: str
    latitude: float
    longitude: float
    precision: Literal["city", "country"]


@dataclass(frozen=True)
class Gazetteer:
    """The names needed for one lookup, as `normalize_name` writes them."""

    cities: Mapping[str, Sequence[City]]  # by name, the most likely first
    country_names: Mapping[str, str]  # by ISO code
    capitals: Mapping[str, City]  # by ISO code
    largest: Mapping[tuple[str, str], City]  # by country and GeoNames' code of the region
    areas: AreaNames


@dataclass(frozen=True)
class Part:
    """One part of a place, as written and normalized; *flag* is the country of an emoji."""

    text: str
    name: str
    flag: str = ""


@dataclass(frozen=True)
class Found:
    """A country, and the city in it where the text says which."""

    country: str
    city: City | None = None
    is_whole: bool = False  # the text says no more than the country


class AmbiguousLocationError(Exception):
    """The text names something that could be two places, or contradicts itself."""


def resolve_location(location: str, gazetteer: Gazetteer) -> Place | None:
    """Locate *location*; None when it names no known place, or what could be two places.

    Several cities of one country are that country.
    """
    try:
        found = list(dict.fromkeys(_find_listed(split_location(location, gazetteer.areas), gazetteer)))
    except AmbiguousLocationError:
        return None
    countries = {place.country for place in found}
    if len(countries) != 1:
        return None
    cities = {place.city for place in found if not place.is_whole}
    if len(cities) == 1 and (city := cities.pop()):
        return _city_place(city, gazetteer)
    return _country_place(countries.pop(), gazetteer)


def split_location(location: str, areas: AreaNames) -> list[list[Part]]:
    """Split *location* into the places it lists, each a row of parts."""
    text = ARROW_PATTERN.sub(" / ", location[:MAX_LENGTH])
    if MARKUP_PATTERN.search(text) or text.strip().startswith(("/", "~/", "www.")) or _is_timezone(text):
        return []
    text = NOT_A_NAME_PATTERN.sub(" ", text)
    flags = [_flag_part(flag) for flag in FLAG_PATTERN.findall(text)]
    listed = [_split_parts(text) for text in _split_list(FLAG_PATTERN.sub(" , ", text), areas)]
    listed = [parts for parts in listed if parts]
    if not listed:
        return [[flag] for flag in flags]
    # A flag goes with the place before or after it; it must fit all.
    return [[*parts, *flags] for parts in listed]


def candidate_names(location: str, areas: AreaNames) -> set[str]:
    """Return every name of a city that `resolve_location` may look up for *location*."""
    parts = {part for row in split_location(location, areas) for part in row}
    names = {name for part in parts for name in (part.name, *_slices(part))}
    return names | {CITY_ALIASES[name] for name in names & CITY_ALIASES.keys()}


@lru_cache(maxsize=1)
def _timezone_names() -> frozenset[str]:
    return frozenset(name.casefold() for name in available_timezones() if "/" in name)


def _is_timezone(text: str) -> bool:
    return text.strip().casefold().replace(" ", "_") in _timezone_names()


def _flag_part(flag: str) -> Part:
    if len(flag) > 2:  # England, Scotland and Wales have flags of another kind
        return Part(flag, "", "GB")
    return Part(flag, "", "".join(chr(ord(letter) - ord("🇦") + ord("A")) for letter in flag))


def _split_list(text: str, areas: AreaNames) -> list[str]:
    """Split at separators of lists, but not inside a name such as `Bosnia and Herzegovina`."""
    pieces: list[str] = []
    start = 0
    for match in LIST_PATTERN.finditer(text):
        before = PART_PATTERN.split(text[start : match.start()])[-1]
        after = PART_PATTERN.split(LIST_PATTERN.split(text[match.end() :])[0])[0]
        if normalize_name(f"{before}{match[0]}{after}") not in areas.names:
            pieces.append(text[start : match.start()])
            start = match.end()
    return [*pieces, text[start:]]


def _split_parts(text: str) -> list[Part]:
    # Without numbers: postcodes and the like.
    parts = (_part(NUMBER_PATTERN.sub(" ", part)) for part in PART_PATTERN.split(text))
    return [part for part in parts if part.name]


def _part(text: str) -> Part:
    return Part(text.strip(), normalize_name(text))


def _words(part: Part) -> list[Part]:
    return [word for word in map(_part, WORD_PATTERN.split(part.text)) if word.name]


def _joined(words: Sequence[Part]) -> Part:
    return _part(" ".join(word.text for word in words))


def _slices(part: Part) -> Iterator[str]:
    """Yield every name inside *part*: of consecutive words, or of characters where a script has no spaces."""
    if UNSPACED_PATTERN.fullmatch(part.name):
        units: Sequence[str] = part.name[:MAX_UNSPACED_LENGTH]
        separator = ""
    else:
        units, separator = [word.name for word in _words(part)], " "
        if len(units) > MAX_WORDS:
            return
    yield from (name for word in _words(part) if word.text != part.text for name in _slices(word))
    for start in range(len(units)):
        for end in range(start + 1, len(units) + 1):
            yield separator.join(units[start:end])


def _expand(part: Part, gazetteer: Gazetteer) -> list[Part]:
    """Split a part that is no name itself into names: `Kathmandu Nepal`, `Greater London`, `中国上海`."""
    if part.flag or is_code(part.text) or _is_name(part.name, gazetteer):
        return [part]
    if UNSPACED_PATTERN.fullmatch(part.name):
        return _segments(part.name, gazetteer)
    words = _words(part)
    if len(words) > MAX_WORDS or STOP_WORDS.intersection(word.name for word in words):
        return []
    if len(words) > 1 and any(UNSPACED_PATTERN.fullmatch(word.name) for word in words):
        return [inner for word in words for inner in _expand(word, gazetteer)]
    return _split_words(words, gazetteer) or _without_fillers(words, gazetteer)


def _is_name(name: str, gazetteer: Gazetteer) -> bool:
    return name in gazetteer.areas.names or CITY_ALIASES.get(name, name) in gazetteer.cities


def _split_words(words: Sequence[Part], gazetteer: Gazetteer) -> list[Part]:
    """Split *words* where the last or the first of them are an area and the others a place in it or fillers."""
    for cut in range(1, len(words)):
        rest, area = words[:cut], _joined(words[cut:])
        is_area = area.name in gazetteer.areas.names or (cut == len(words) - 1 and is_code(area.text))
        if is_area and (found := _rest_of(rest, area, gazetteer)):
            return found
    for cut in range(len(words) - 1, 0, -1):
        area, rest = _joined(words[:cut]), words[cut:]
        if area.name in gazetteer.areas.names and (found := _rest_of(rest, area, gazetteer)):
            # A place in its area is the only order in which names without commas are read.
            return found
    return []


def _rest_of(rest: Sequence[Part], area: Part, gazetteer: Gazetteer) -> list[Part]:
    """Return the parts that *rest* and *area* are together; nothing where *rest* does not belong to *area*."""
    known = gazetteer.areas
    areas = known.names.get(area.name, _NONE) or known.codes.get(area.text.upper(), _NONE)
    name = _joined(rest)
    is_city = any(_is_inside(city, option) for city in _cities(name.name, gazetteer) for option in areas)
    countries = {other.country for other in known.names.get(name.name, _NONE)}
    if is_city or any(option.country in countries for option in areas):
        return [name, area]
    if inner := _split_words(rest, gazetteer):
        return [*inner, area]
    if area.name not in known.names:
        return []
    if found := _without_fillers(rest, gazetteer):
        return [*found, area]
    # A town too small to be listed is written like a name.
    fillers = FILLERS.intersection(word.name for word in rest)
    is_named = not fillers and len(rest) <= MAX_TOWN_WORDS and all(word.text[0].isupper() for word in rest)
    return [area] if is_named or len(fillers) == len({word.name for word in rest}) else []


def _without_fillers(words: Sequence[Part], gazetteer: Gazetteer) -> list[Part]:
    """Return the name between the words that surround it: `Greater Boston Area`."""
    start, end = 0, len(words)
    while start < end and words[start].name in FILLERS:
        start += 1
    while end > start and words[end - 1].name in FILLERS:
        end -= 1
    inner = words[start:end]
    if not inner or len(inner) == len(words):
        return []
    name = _joined(inner)
    return [name] if _is_name(name.name, gazetteer) else _split_words(inner, gazetteer)


def _segments(text: str, gazetteer: Gazetteer) -> list[Part]:
    """Split text without spaces into the names at its beginning, the longest first."""
    found: list[Part] = []
    at = 0
    while at < len(text):
        ends = range(min(len(text), at + MAX_UNSPACED_LENGTH), at + 1, -1)
        name, end = next(((n, e) for e in ends if (n := _plain(text[at:e], gazetteer))), ("", 0))
        if not name:
            break
        found.append(Part(name, name))
        at = end
    return found


def _plain(text: str, gazetteer: Gazetteer) -> str:
    """Return *text* as it is listed, perhaps without a word like city or province; empty where it is not."""
    shortened = [text.removesuffix(suffix) for suffix in UNSPACED_SUFFIXES if text.endswith(suffix)]
    if name := next((name for name in (text, *shortened) if name and _is_name(name, gazetteer)), ""):
        return name
    return f"{text}省" if f"{text}省" in gazetteer.areas.names else ""


def _find_listed(listed: Sequence[Sequence[Part]], gazetteer: Gazetteer) -> Iterator[Found]:
    """Yield what each listed place means. `Oxford / Cambridge, UK` says for both where they are."""
    for row in listed:
        try:
            found = _find_place(row, gazetteer)
        except AmbiguousLocationError:
            others = (part for other in listed if other is not row for part in other)
            context = [part for part in others if part.name in gazetteer.areas.names]
            if not context or len(row) > 1:
                raise
            found = _find_place([*row, *context], gazetteer)
        if found:
            yield found


def _find_place(row: Sequence[Part], gazetteer: Gazetteer) -> Found | None:
    """Return the one place that the parts of *row* name together; None when they name none.

    Raises AmbiguousLocationError.
    """
    parts = [part for whole in row for part in _expand(whole, gazetteer)]
    parts_read = [_read(part, index > 0, gazetteer) for index, part in enumerate(parts)]
    parts_read = [reading for reading in parts_read if reading.areas or reading.codes or reading.cities]
    if not parts_read:
        return None
    if len(parts_read) == 1:
        return _find_single(parts_read[0], gazetteer, is_alone=len(row) == 1)
    return _find_together(parts_read, gazetteer)


@dataclass(frozen=True)
class PartMeanings:
    """The possible meanings of one part: *areas* by name, *codes* by code."""

    part: Part
    areas: frozenset[Area]
    codes: frozenset[Area]
    cities: tuple[City, ...]

    @property
    def named(self) -> frozenset[Area]:
        return self.areas | self.codes

    def in_country(self, country: str) -> set[Area]:
        options = {area for area in self.named if area.country == country}
        sovereign = Area(SOVEREIGNS.get(country, ""))
        return options | {Area(country)} if sovereign in self.named else options

    def countries(self) -> set[str]:
        return {area.country for area in self.named} | {city.country for city in self.cities}


_NONE: frozenset[Area] = frozenset()


def _read(part: Part, is_after_name: bool, gazetteer: Gazetteer) -> PartMeanings:
    if part.flag:
        return PartMeanings(part, frozenset({Area(part.flag)}), _NONE, ())
    known = gazetteer.areas
    areas = known.names.get(part.name, _NONE)
    may_be_code = is_code(part.text) and (is_after_name or part.text.isupper())
    codes = known.codes.get(part.text.upper(), _NONE) - areas if may_be_code else _NONE
    return PartMeanings(part, areas, codes, tuple(_cities(part.name, gazetteer)))


def _cities(name: str, gazetteer: Gazetteer) -> list[City]:
    """Return the cities of that name, the most likely first, each once."""
    distinct: list[City] = []
    for city in gazetteer.cities.get(CITY_ALIASES.get(name, name), ()):
        if all(_distance_km(city, other) > SAME_CITY_KM for other in distinct):
            distinct.append(city)
    return distinct


def _find_single(reading: PartMeanings, gazetteer: Gazetteer, *, is_alone: bool) -> Found | None:
    """Return the place that a part names by itself."""
    if not reading.areas and not reading.cities:
        return _find_by_code(reading, is_alone=is_alone)
    if reading.codes and is_alone:
        raise AmbiguousLocationError  # LA
    countries = {area.country for area in reading.areas if not area.code}
    regions = {area for area in reading.areas if area.code}
    if countries:
        # The American state of Georgia has more people than the country.
        if len(countries) > 1 or any(area.country in FAMILIAR_CODES - countries for area in regions):
            raise AmbiguousLocationError
        return Found(countries.pop(), is_whole=True)
    city = _dominant(reading.cities, MIN_UNAMBIGUOUS_POPULATION)
    # States of the United States are written alone more than their namesakes elsewhere.
    if states := {area for area in regions if area.country == "US"}:
        return Found("US", city if city and _stands_for_region(city, states, gazetteer) else None)
    if not city and reading.cities and reading.cities[0].population >= MIN_UNAMBIGUOUS_POPULATION:
        raise AmbiguousLocationError
    options = {area.country for area in regions} | ({city.country} if city else set())
    if len(options) > 1:
        raise AmbiguousLocationError
    if not options:
        return None
    is_city = city is not None and (not regions or _stands_for_region(city, regions, gazetteer))
    return Found(options.pop(), city if is_city else None)


def _stands_for_region(city: City, regions: Iterable[Area], gazetteer: Gazetteer) -> bool:
    """Tell whether a name of both a region and a city means the city: if it is the region's largest."""
    if all(area.is_district for area in regions):
        return True
    if any(area.region and area.region != city.region for area in regions):
        return False
    return gazetteer.largest.get((city.country, city.region)) == city


def _find_by_code(reading: PartMeanings, *, is_alone: bool) -> Found | None:
    """Read `Anytown, TX`: an unknown town, and the code of a state that no other country has."""
    countries = {area.country for area in reading.codes}
    if is_alone or not reading.part.text.isupper() or not any(area.code for area in reading.codes):
        return None
    if len(countries) > 1:
        raise AmbiguousLocationError
    return Found(countries.pop()) if countries <= FAMILIAR_CODES else None


@dataclass(frozen=True)
class _Meaning:
    """One consistent meaning of a row: in one country, perhaps in one region, perhaps in one city of it."""

    country: str
    city: City | None
    explained: frozenset[int]  # the parts that say so
    countries: int  # how many of them name the country itself

    @property
    def weight(self) -> tuple[int, int]:
        return len(self.explained), self.countries


def _find_together(parts_read: Sequence[PartMeanings], gazetteer: Gazetteer) -> Found | None:
    countries = {country for reading in parts_read for country in reading.countries()}
    meanings = [meaning for country in countries for meaning in _meanings(country, parts_read, gazetteer)]
    most = max(meaning.weight for meaning in meanings)
    best = [meaning for meaning in meanings if meaning.weight == most]
    if len(best[0].explained) == 1:
        return _find_apart(parts_read, gazetteer)
    if len({meaning.country for meaning in best}) > 1:
        raise AmbiguousLocationError
    country = best[0].country
    _check_agreement(parts_read, country, gazetteer)
    cities = {meaning.city for meaning in best}
    is_whole = all(Area(country) in reading.named for reading in parts_read)
    return Found(country, cities.pop() if len(cities) == 1 else None, is_whole)


def _find_apart(parts_read: Sequence[PartMeanings], gazetteer: Gazetteer) -> Found | None:
    """Return the area in which parts lie that do not explain each other: `Berlin, Hamburg` is Germany."""
    found = [place for place in (_find_single(one, gazetteer, is_alone=False) for one in parts_read) if place]
    countries = {place.country for place in found}
    if len(countries) > 1:
        raise AmbiguousLocationError
    if not countries:
        return None
    country = countries.pop()
    _check_agreement(parts_read, country, gazetteer)
    return Found(country, _one_city([place.city for place in found if place.city]))


def _check_agreement(parts_read: Iterable[PartMeanings], country: str, gazetteer: Gazetteer) -> None:
    """Raise AmbiguousLocationError where a part names another country, a region or a large city of one."""
    for reading in parts_read:
        if country in reading.countries() or reading.in_country(country):
            continue
        is_local_code = f"{country}-{reading.part.text.upper()}" in gazetteer.areas.all_codes
        is_large = bool(reading.cities) and _dominant(reading.cities, MIN_UNAMBIGUOUS_POPULATION) is not None
        if reading.areas or is_large or (reading.codes and not is_local_code):
            raise AmbiguousLocationError


def _meanings(country: str, parts_read: Sequence[PartMeanings], gazetteer: Gazetteer) -> Iterator[_Meaning]:
    """Yield what *parts_read* mean in *country*: once without a region, once for each region they may name."""
    options = [reading.in_country(country) for reading in parts_read]
    regions = {area for areas in options for area in areas if area.code}
    for region in [None, *regions]:
        as_country = {index for index, areas in enumerate(options) if Area(country) in areas}
        as_region = {index for index, areas in enumerate(options) if region in areas} if region else set()
        # A code says nothing about a city where it is not stored which region the city is in.
        says_city = region is None or bool(region.region) or any(region in parts_read[at].areas for at in as_region)
        cities: list[City] = []
        explained = as_country | as_region
        for index, reading in enumerate(parts_read):
            inside = [city for city in reading.cities if _is_inside(city, region or Area(country))]
            if not inside or not says_city:
                continue
            city = inside[0] if region and region.region else _dominant(inside)
            if index in explained:
                is_named_twice = (index in as_region and len(as_region) > 1) or (
                    index in as_country
                    and any(Area(country) in parts_read[other].named for other in as_country - {index})
                )
                stands = index in as_region and city and _stands_for_region(city, [region] if region else [], gazetteer)
                if not is_named_twice and not stands:
                    continue
            elif not cities and not explained - as_country - as_region:
                explained = explained | {index}
            if city:
                cities.append(city)
        named = sum(Area(country) in reading.areas for reading in parts_read)
        yield _Meaning(country, _one_city(cities), frozenset(explained), named)


def _is_inside(city: City, area: Area) -> bool:
    return city.country == area.country and area.region in {"", city.region}


def _one_city(cities: Sequence[City]) -> City | None:
    """Return the first of *cities* if the others are around it; None where they are two places."""
    if not cities or any(_distance_km(cities[0], other) > NEIGHBOUR_KM for other in cities[1:]):
        return None
    return cities[0]


def _dominant(cities: Sequence[City], min_population: int = 0) -> City | None:
    """Return the first of *cities*, the most likely first, where it is much more likely than the second."""
    if not cities or cities[0].population < min_population:
        return None
    is_clear = len(cities) == 1 or cities[0].weight >= DOMINANCE_FACTOR * cities[1].weight
    return cities[0] if is_clear else None


def _distance_km(one: City, other: City) -> float:
    north = one.latitude - other.latitude
    east = (one.longitude - other.longitude) * cos(radians((one.latitude + other.latitude) / 2))
    return KM_PER_DEGREE * hypot(north, east)


def _city_place(city: City, gazetteer: Gazetteer) -> Place:
    return Place(city.name, gazetteer.country_names[city.country], city.latitude, city.longitude, "city")


def _country_place(code: str, gazetteer: Gazetteer) -> Place | None:
    capital = gazetteer.capitals.get(code)
    if capital is None:
        return None
    name = gazetteer.country_names[code]
    return Place(name, name, capital.latitude, capital.longitude, "country")


def sort_by_weight(cities: Iterable[City]) -> list[City]:
    return sorted(set(cities), key=lambda city: (-city.weight, city.name, city.country))
