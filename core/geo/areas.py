"""Names and codes of countries and their regions, from ISO 3166 (package pycountry)."""

import gettext
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from core.geo.normalize import normalize_name

# Names that the standard does not have, as people write them.
COUNTRY_ALIASES: Mapping[str, Sequence[str]] = {
    "AE": ("UAE", "Emirates"),
    "BA": ("Bosnia", "Bosnia-Herzegovina", "BiH", "Bosna i Hercegovina"),
    "BE": ("Belgie", "Belgique", "Belgien"),
    "BN": ("Brunei",),
    "BO": ("Bolivia",),
    "CD": ("Congo", "DR Congo", "DRC", "Democratic Republic of the Congo", "Congo-Kinshasa"),
    "CG": ("Republic of the Congo", "Congo-Brazzaville"),
    "CH": ("Schweiz", "Suisse", "Svizzera"),
    "CI": ("Ivory Coast",),
    "CN": ("China", "PRC", "PR China", "P R China", "Mainland China", "People's Republic of China", "中国大陆", "中國"),
    "CV": ("Cape Verde",),
    "CZ": ("Czech Republic", "Cesko", "Ceska republika"),
    "FK": ("Falkland Islands",),
    "FM": ("Micronesia",),
    "GB": ("UK", "United Kingdom", "Great Britain", "Britain"),
    "HK": ("HK", "HKSAR", "Hong Kong SAR"),
    "IR": ("Iran", "ایران"),
    "KP": ("North Korea",),
    "KR": ("South Korea", "Korea", "Republic of Korea", "한국", "남한"),
    "LA": ("Laos",),
    "LK": ("Sri Lanka",),
    "MD": ("Moldova",),
    "MK": ("Macedonia",),
    "MM": ("Burma",),
    "MO": ("Macau", "Macau SAR"),
    "NL": ("Netherlands", "The Netherlands", "Holland", "Nederland"),
    "NZ": ("Aotearoa", "NZ"),
    "PS": ("Palestine", "فلسطين"),
    "RU": ("Russia", "Россия", "РФ"),
    "SY": ("Syria",),
    "SZ": ("Swaziland",),
    "TL": ("East Timor",),
    "TR": ("Turkey", "Turkiye", "Türkiye"),
    "TW": ("Taiwan", "台灣", "台湾", "Republic of China", "ROC"),
    "TZ": ("Tanzania",),
    "US": ("US", "USA", "America", "United States", "The United States", "United States of America", "EE UU", "EEUU"),
    "VA": ("Vatican", "Vatican City"),
    "VE": ("Venezuela",),
    "VN": ("Vietnam", "Viet Nam", "Việt Nam"),
    "XK": ("Kosovo", "Kosova"),
}
REGION_ALIASES: Mapping[str, Sequence[str]] = {
    "US-CA": ("Silicon Valley", "Bay Area", "SF Bay Area", "San Francisco Bay Area", "SoCal", "NorCal"),
    "US-DC": ("DC", "D.C.", "Washington DC"),
    "US-MA": ("Mass",),
    "US-NY": ("NY State", "Upstate New York"),
    "CA-NL": ("Newfoundland",),
    "CA-PE": ("PEI",),
    "DE-BY": ("Bavaria",),
    "DE-HE": ("Hesse",),
    "DE-NI": ("Lower Saxony",),
    "DE-NW": ("NRW", "North Rhine-Westphalia"),
    "DE-RP": ("Rhineland-Palatinate",),
    "DE-SN": ("Saxony",),
    "DE-ST": ("Saxony-Anhalt",),
    "DE-TH": ("Thuringia",),
    "ES-CT": ("Catalonia", "Catalunya", "Cataluña"),
    "ES-AN": ("Andalusia",),
    "ES-PV": ("Basque Country", "Euskadi"),
    "IT-25": ("Lombardy",),
    "IT-52": ("Tuscany",),
    "IT-82": ("Sicily",),
    "IT-21": ("Piedmont",),
    "BE-VLG": ("Flanders", "Vlaanderen"),
    "BE-WAL": ("Wallonia", "Wallonie"),
    "IN-GA": ("Goa",),
    "IN-DL": ("New Delhi NCR", "Delhi NCR", "NCR"),
}
# Words of other languages that are words of English too.
NOT_NAMES = frozenset(
    {"island", "central", "western", "eastern", "northern", "southern", "north", "south", "east", "west"}
)
MIN_NAME_LENGTH = 4  # of names in ASCII that are not aliases: shorter ones are words of some language
# Codes of Indian states that the standard has replaced and people still write.
FORMER_CODES: Mapping[str, str] = {"OR": "OD", "CT": "CG", "UT": "UK", "TG": "TS"}
# States beside which their dependent territories are written, though these have a code of their own: Hong Kong, China.
SOVEREIGNS: Mapping[str, str] = {
    **dict.fromkeys(("HK", "MO", "TW"), "CN"),
    **dict.fromkeys(("AS", "GU", "MP", "PR", "VI"), "US"),
    **dict.fromkeys(("GF", "GP", "MQ", "NC", "PF", "RE", "YT"), "FR"),
    **dict.fromkeys(("AW", "CW", "SX"), "NL"),
    **dict.fromkeys(("GG", "GI", "IM", "JE", "BM", "KY"), "GB"),
}
# Which codes of regions people write after a city: those of these countries.
CODED_COUNTRIES = frozenset({"US", "CA", "AU", "BR", "IN", "CH", "IT", "DE", "GB", "MX"})
# Only these stand for a country when the city before them is unknown: `Anytown, ON`.
FAMILIAR_CODES = frozenset({"US", "CA", "AU"})
# GeoNames' code of a region by that of ISO 3166-2; those of the United States and Switzerland are the same.
GEONAMES_REGIONS: Mapping[str, str] = {
    "CA": "AB01 BC02 MB03 NB04 NL05 NS07 ON08 PE09 QC10 SK11 YT12 NT13 NU14",
    "AU": "ACT01 NSW02 NT03 QLD04 SA05 TAS06 VIC07 WA08",
    "BR": "AC01 AL02 AP03 AM04 BA05 CE06 DF07 ES08 MS11 MA13 MT14 MG15 PA16 PB17 PR18 PI20 RJ21 RN22 RS23 RO24 RR25 "
    "SC26 SP27 SE28 GO29 PE30 TO31",
    "IN": "AN01 AP02 AS03 CH05 DL07 GJ09 HR10 HP11 JK12 KL13 MH16 MN17 ML18 KA19 NL20 OD21 PY22 PB23 RJ24 TN25 TR26 "
    "WB28 SK29 AR30 MZ31 GA33 BR34 MP35 UP36 CG37 JH38 UK39 TS40 LA41 DH52",
    "DE": "BW01 BY02 HB03 HH04 HE05 NI06 NW07 RP08 SL09 SH10 BB11 MV12 SN13 ST14 TH15 BE16",
    "CN": "AH01 ZJ02 JX03 JS04 JL05 QH06 FJ07 HL08 HA09 HE10 HN11 HB12 XJ13 XZ14 GS15 GX16 GZ18 LN19 NM20 NX21 BJ22 "
    "SH23 SX24 SD25 SN26 TJ28 YN29 GD30 HI31 SC32 CQ33",
}
# What kind of region it is, at the end of names in Chinese and Korean.
KIND_PATTERN = re.compile(r"(?: Sheng| Shi| Zizhiqu|-do|-si)$")
# Languages in which people name countries; each takes some milliseconds to read.
LANGUAGES = frozenset(
    "ar bg bn ca cs da de el es et eu fi fr gl he hi hr hu id is it ja ka ko lt lv ms nb_NO nl nn pl pt pt_BR ro ru "  # noqa: SIM905
    "sk sl sq sr sv th tr uk vi zh_CN zh_TW".split()
)
# Languages whose names of the regions of their own country differ from those in the Latin alphabet.
REGION_LANGUAGES: Mapping[str, str] = {"zh_CN": "CN", "ja": "JP", "ko": "KR", "ru": "RU", "uk": "UA"}


@dataclass(frozen=True)
class Area:
    """A country, or a region of one: *region* is GeoNames' code, *code* that of ISO 3166-2.

    Without GeoNames' code a region says no more than its country.
    """

    country: str
    code: str = ""
    region: str = ""
    is_district: bool = False  # a part of a region


@dataclass(frozen=True)
class AreaNames:
    """Areas by name as `normalize_name` writes it, and by upper-case code."""

    names: Mapping[str, frozenset[Area]]
    codes: Mapping[str, frozenset[Area]]
    all_codes: frozenset[str]  # ISO 3166-2, those that `codes` leaves out included


@lru_cache(maxsize=1)
def area_names() -> AreaNames:
    """Read the names of all countries and regions once."""
    import pycountry  # noqa: PLC0415 - only locating needs it

    names: defaultdict[str, set[Area]] = defaultdict(set)
    codes: defaultdict[str, set[Area]] = defaultdict(set)
    countries = {country.alpha_2: _country_names(country) for country in pycountry.countries}
    for country in pycountry.countries:
        codes[country.alpha_2].add(Area(country.alpha_2))
        codes[country.alpha_3].add(Area(country.alpha_2))
        for text in countries[country.alpha_2]:
            names[normalize_name(text)].add(Area(country.alpha_2))
    for text, area in _regions():
        names[normalize_name(text)].add(area)
        suffix = area.code.partition("-")[2]
        if area.country in CODED_COUNTRIES and suffix.isalpha():
            codes[suffix].add(area)
    for former, now in FORMER_CODES.items():
        codes[former].add(Area("IN", f"IN-{now}", geonames_region(f"IN-{now}")))
    for name, code in _translations(countries).items():
        # Where a language gives a country the name of a city or of another country, it stays theirs.
        if name not in names:
            names[name].add(Area(code))
    found = {name: areas for name, areas in names.items() if not _is_word(name)}
    for code, aliases in [*COUNTRY_ALIASES.items(), *REGION_ALIASES.items()]:
        state, _, suffix = code.partition("-")
        for alias in aliases:
            area = Area(state, code if suffix else "", geonames_region(code))
            found.setdefault(normalize_name(alias), set()).add(area)
    return AreaNames(
        {name: frozenset(areas) for name, areas in found.items()},
        {code: frozenset(areas) for code, areas in codes.items()},
        frozenset(subdivision.code for subdivision in pycountry.subdivisions),
    )


def _regions() -> Iterator[tuple[str, Area]]:
    """Yield each name of a region, also in the language of its country."""
    import pycountry  # noqa: PLC0415 - as above

    translations = {
        country: gettext.translation("iso3166-2", pycountry.LOCALES_DIR, languages=[language])
        for language, country in REGION_LANGUAGES.items()
    }
    for subdivision in pycountry.subdivisions:
        country = str(subdivision.country_code)
        if SOVEREIGNS.get(subdivision.code.partition("-")[2]) == country:
            continue  # Hong Kong and others are countries here
        region = geonames_region(subdivision.parent_code or subdivision.code)
        area = Area(country, subdivision.code, region, subdivision.parent_code is not None)
        for name in _region_names(subdivision.name):
            yield name, area
        if country in translations:
            yield translations[country].gettext(subdivision.name), area


def _is_word(name: str) -> bool:
    return name in NOT_NAMES or (name.isascii() and len(name) < MIN_NAME_LENGTH)


def geonames_region(code: str) -> str:
    """Return GeoNames' code for the region with ISO 3166-2's *code*; empty where it is not stored."""
    country, _, suffix = code.partition("-")
    if country in {"US", "CH"}:
        return suffix
    if country == "GB":
        return suffix if suffix in {"ENG", "SCT", "WLS", "NIR"} else ""
    pairs = (pair for pair in GEONAMES_REGIONS.get(country, "").split() if pair[:-2] == suffix)
    return next((pair[-2:] for pair in pairs), "")


def _country_names(country: object) -> list[str]:
    found = [getattr(country, key, None) for key in ("name", "common_name", "official_name")]
    names = [str(name) for name in found if name]
    # The standard writes "Korea, Republic of".
    return [*names, *(" ".join(reversed(name.split(", ", 1))) for name in names if ", " in name)]


def _region_names(name: str) -> list[str]:
    plain = name.partition("[")[0].strip()
    variants = [plain, *plain.split("/")]
    if ", " in plain:
        variants.append(" ".join(reversed(plain.split(", ", 1))))
    return [*variants, *(KIND_PATTERN.sub("", variant) for variant in variants)]


def _translations(countries: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return country codes by normalized name in LANGUAGES; names that mean two countries are left out."""
    import pycountry  # noqa: PLC0415 - as above

    found: defaultdict[str, set[str]] = defaultdict(set)
    for language in LANGUAGES:
        translate = gettext.translation("iso3166-1", pycountry.LOCALES_DIR, languages=[language]).gettext
        for code, names in countries.items():
            for name in names:
                if (text := translate(name)) != name:
                    found[normalize_name(text)].add(code)
    return {name: next(iter(codes)) for name, codes in found.items() if len(codes) == 1}
