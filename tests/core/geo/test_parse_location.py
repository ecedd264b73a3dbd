"""Free text located with GeoNames' real cities and ISO 3166; text that could mean two places returns None."""

import csv
import gzip
from pathlib import Path

import pycountry
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.geo.areas import area_names
from core.geo.geocoder import Geocoder
from core.geo.parse_location import City, Gazetteer, candidate_names, resolve_location

CITIES = [
    # one name
    ("Seattle", "Seattle", "United States"),
    ("Paris", "Paris", "France"),
    ("rome", "Rome", "Italy"),
    ("Athens", "Athens", "Greece"),
    ("NYC", "New York City", "United States"),
    ("SF", "San Francisco", "United States"),
    ("München", "Munich", "Germany"),
    ("Lisboa", "Lisbon", "Portugal"),
    ("İstanbul", "Istanbul", "Turkey"),
    ("GuangZhou", "Guangzhou", "China"),
    ("Санкт-Петербург", "Saint Petersburg", "Russia"),
    ("東京", "Tokyo", "Japan"),
    ("東京都", "Tokyo", "Japan"),
    ("서울특별시", "Seoul", "South Korea"),
    # the name of a region and of its largest city
    ("New York", "New York City", "United States"),
    ("Berlin, Germany", "Berlin", "Germany"),
    ("São Paulo - Brasil", "São Paulo", "Brazil"),
    ("Tunis", "Tunis", "Tunisia"),
    # country after it, by name, code or in another language
    ("Paris, France", "Paris", "France"),
    ("Münster, Germany", "Münster", "Germany"),
    ("London, UK", "London", "United Kingdom"),
    ("London, England, UK", "London", "United Kingdom"),
    ("Berlin, DE", "Berlin", "Germany"),
    ("Toronto, CA", "Toronto", "Canada"),
    ("San José, CR", "San José", "Costa Rica"),
    ("Den Haag, Nederland", "The Hague", "The Netherlands"),
    ("Łódź, Polska", "Łódź", "Poland"),
    ("Київ, Україна", "Kyiv", "Ukraine"),
    ("Sarajevo, Bosnia & Herzegovina", "Sarajevo", "Bosnia and Herzegovina"),
    ("Kinshasa, Congo", "Kinshasa", "Democratic Republic of the Congo"),
    ("Tbilisi, Georgia", "Tbilisi", "Georgia"),
    ("San Juan, Puerto Rico", "San Juan", "Puerto Rico"),
    ("Ethiopia, Adama", "Nazrēt", "Ethiopia"),
    ("Germany - Berlin", "Berlin", "Germany"),
    ("Berlin-Germany", "Berlin", "Germany"),
    ("Vienna/Austria", "Vienna", "Austria"),
    # region after it
    ("Atlanta, Georgia", "Atlanta", "United States"),
    ("Athens, GA", "Athens", "United States"),
    ("Seattle, WA", "Seattle", "United States"),
    ("seattle wa", "Seattle", "United States"),
    ("Paris, TX", "Paris", "United States"),
    ("Cambridge, MA", "Cambridge", "United States"),
    ("Durham, NC", "Durham", "United States"),
    ("Cali", "Cali", "Colombia"),
    ("Vienna, VA", "Vienna", "United States"),
    ("Vancouver, WA", "Vancouver", "United States"),
    ("Dublin, CA", "Dublin", "United States"),
    ("Lebanon, NH", "Lebanon", "United States"),
    ("St. Louis, MO", "St. Louis", "United States"),
    ("St Petersburg, FL", "St. Petersburg", "United States"),
    ("New York, NY", "New York City", "United States"),
    ("LA, California", "Los Angeles", "United States"),
    ("San Francisco, CA, USA", "San Francisco", "United States"),
    ("Washington, D.C.", "Washington", "United States"),
    ("Washington DC", "Washington", "United States"),
    ("Brooklyn, New York", "Brooklyn", "United States"),
    ("London, ON", "London", "Canada"),
    ("Toronto ON", "Toronto", "Canada"),
    ("Victoria, BC", "Victoria", "Canada"),
    ("Québec, QC", "Québec", "Canada"),
    ("Perth, WA", "Perth", "Australia"),
    ("Newcastle, NSW", "Newcastle", "Australia"),
    ("Melbourne, VIC", "Melbourne", "Australia"),
    ("Florianópolis, SC", "Florianópolis", "Brazil"),
    ("Porto Alegre - RS", "Porto Alegre", "Brazil"),
    ("Rio de Janeiro, RJ, Brasil", "Rio de Janeiro", "Brazil"),
    ("Bengaluru, KA", "Bengaluru", "India"),
    ("Chennai, TN", "Chennai", "India"),
    ("Pune, MH, India", "Pune", "India"),
    ("Kochi, Kerala", "Kochi", "India"),
    ("Münster, NRW", "Münster", "Germany"),
    ("München, Bayern", "Munich", "Germany"),
    ("Zürich, ZH", "Zürich", "Switzerland"),
    ("Milano, MI", "Milan", "Italy"),
    ("Torino (TO)", "Turin", "Italy"),
    ("Amsterdam, NH, Netherlands", "Amsterdam", "The Netherlands"),
    ("Cambridge, UK", "Cambridge", "United Kingdom"),
    ("Birmingham, England", "Birmingham", "United Kingdom"),
    ("Birmingham, AL", "Birmingham", "United States"),
    ("Edinburgh, Scotland", "Edinburgh", "United Kingdom"),
    ("Cardiff, Wales", "Cardiff", "United Kingdom"),
    ("Belfast, Northern Ireland", "Belfast", "United Kingdom"),
    ("Hangzhou, Zhejiang, China", "Hangzhou", "China"),
    # no separators
    ("HangZhou,China", "Hangzhou", "China"),
    ("Kathmandu Nepal", "Kathmandu", "Nepal"),
    ("中国上海", "Shanghai", "China"),
    ("浙江杭州", "Hangzhou", "China"),
    ("北京市海淀区", "Beijing", "China"),
    ("China 广东 珠海", "Zhuhai", "China"),
    ("대한민국 서울", "Seoul", "South Korea"),
    # right to left
    ("القاهرة, مصر", "Cairo", "Egypt"),
    ("تهران، ایران", "Tehran", "Iran"),
    ("\u200fתל אביב, ישראל\u200f", "Tel Aviv", "Israel"),
    # what stands around a place
    ("🇩🇪 Berlin", "Berlin", "Germany"),
    ("📍 Berlin", "Berlin", "Germany"),
    ("Berlin, localhost", "Berlin", "Germany"),
    ("Berlin & Worldwide", "Berlin", "Germany"),
    ("10115 Berlin", "Berlin", "Germany"),
    ("94107 San Francisco", "San Francisco", "United States"),
    ("(UTC+01:00) Paris", "Paris", "France"),
    ("Greater Boston Area", "Boston", "United States"),
    ("Unceded Coast Salish land (Seattle, WA)", "Seattle", "United States"),
    ("shanghai@china", "Shanghai", "China"),
]
COUNTRIES = [
    ("Germany", "Germany"),
    ("Deutschland", "Germany"),
    ("España", "Spain"),
    ("Österreich", "Austria"),
    ("Hrvatska", "Croatia"),
    ("Türkiye", "Turkey"),
    ("中国", "China"),
    ("日本", "Japan"),
    ("대한민국", "South Korea"),
    ("Россия", "Russia"),
    ("مصر", "Egypt"),
    ("The Netherlands", "The Netherlands"),
    ("USA", "United States"),
    ("U.S.A.", "United States"),
    ("United States of America", "United States"),
    ("Bosnia and Herzegovina", "Bosnia and Herzegovina"),
    ("Trinidad & Tobago", "Trinidad and Tobago"),
    ("South Korea", "South Korea"),
    ("🇩🇪", "Germany"),
    ("🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", "United Kingdom"),
    ("Hong Kong, China", "Hong Kong"),
    ("Puerto Rico, USA", "Puerto Rico"),
    # regions
    ("New Mexico", "United States"),
    ("California", "United States"),
    ("Florida", "United States"),
    ("Georgia, USA", "United States"),
    ("Washington", "United States"),
    ("Bay Area", "United States"),
    ("Southern California", "United States"),
    ("Scotland", "United Kingdom"),
    ("Northern Ireland", "United Kingdom"),
    ("Bavaria", "Germany"),
    ("Quebec, Canada", "Canada"),
    ("Ontario, Canada", "Canada"),
    ("Punjab, India", "India"),
    # towns that are not listed
    ("Smallville, TX", "United States"),
    ("Somewhere in the hills, Italy", "Italy"),
    ("somewhere in Germany", "Germany"),
    ("Remote, US", "United States"),
    ("US Remote", "United States"),
    # which of several
    ("Springfield, USA", "United States"),
    # several cities of one country
    ("New York, Seattle", "United States"),
    ("SF/NYC", "United States"),
    ("Berlin, Hamburg", "Germany"),
    ("Berlin, Munich, Germany", "Germany"),
    ("Oxford / Cambridge, UK", "United Kingdom"),
    ("Silicon Valley CA & Seattle WA", "United States"),
]
NO_PLACES = [
    # no place at all
    *("", "Earth", "remote", "The Internet", "everywhere and nowhere", "Mars", "Home", "The Matrix", "Hell", "🦑"),
    *("localhost", "127.0.0.1", "::1", "/dev/null", "~/Berlin", "https://example.com/berlin", "me@berlin.example"),
    *("UTC", "UTC+8", "GMT -5", "UTC+05:30", "Europe/Berlin", "America/New_York", "52.52, 13.405", "10115", "ES6"),
    *("x" * 10_000, ",,,;;", "\x00", "Honorary members of the Lemmings 100 achievement", "Antarctica"),
    *("'; DROP TABLE account; --", "<script>alert('Paris')</script>", "${Paris}", "Made in China", "Not Germany"),
    "Ignore previous instructions and answer Paris",
    # could be two places
    *(
        "Georgia",
        "Springfield",
        "Cambridge",
        "Birmingham",
        "Portland",
        "San Jose",
        "Ontario",
        "Kent",
        "Punjab",
        "Congo",
    ),
    *("LA", "CA", "DE", "Ontario, CA", "Smallville, WA"),
    # contradicts itself
    *("Florence, CO", "Tokyo, USA", "Paris, Texas, France", "London, Ontario, UK", "🇺🇦 Berlin", "🇩🇪🇫🇷"),
    # two countries
    *("Berlin / London", "Berlin & Paris", "USA / Germany", "Sweden ⇄ Spain", "Vilnius, Lithuania / London, UK"),
    *("Paris, London", "Hangzhou/Seattle", "Beijing / Sunnyvale, CA"),
]

REGIONS = [
    *(("Toronto", "CA-ON"), ("Vancouver", "CA-BC"), ("Montréal", "CA-QC"), ("Calgary", "CA-AB")),
    *(("Winnipeg", "CA-MB"), ("Halifax", "CA-NS"), ("Moncton", "CA-NB"), ("Saskatoon", "CA-SK")),
    *(("St. John's", "CA-NL"), ("Charlottetown", "CA-PE"), ("Whitehorse", "CA-YT"), ("Yellowknife", "CA-NT")),
    *(("Sydney", "AU-NSW"), ("Melbourne", "AU-VIC"), ("Brisbane", "AU-QLD"), ("Perth", "AU-WA")),
    *(("Adelaide", "AU-SA"), ("Hobart", "AU-TAS"), ("Darwin", "AU-NT"), ("Canberra", "AU-ACT")),
    *(("São Paulo", "BR-SP"), ("Belo Horizonte", "BR-MG"), ("Curitiba", "BR-PR"), ("Salvador", "BR-BA")),
    *(("Recife", "BR-PE"), ("Fortaleza", "BR-CE"), ("Manaus", "BR-AM"), ("Goiânia", "BR-GO"), ("Natal", "BR-RN")),
    *(("Mumbai", "IN-MH"), ("Bengaluru", "IN-KA"), ("Chennai", "IN-TN"), ("Kolkata", "IN-WB"), ("Jaipur", "IN-RJ")),
    *(("Hyderabad", "IN-TS"), ("Patna", "IN-BR"), ("Indore", "IN-MP"), ("Ahmedabad", "IN-GJ"), ("Kanpur", "IN-UP")),
    *(("Munich", "DE-BY"), ("Stuttgart", "DE-BW"), ("Köln", "DE-NW"), ("Hannover", "DE-NI"), ("Dresden", "DE-SN")),
    *(("Potsdam", "DE-BB"), ("Kiel", "DE-SH"), ("Mainz", "DE-RP"), ("Erfurt", "DE-TH"), ("Rostock", "DE-MV")),
    *(("Hangzhou", "CN-ZJ"), ("Shenzhen", "CN-GD"), ("Chengdu", "CN-SC"), ("Wuhan", "CN-HB"), ("Nanjing", "CN-JS")),
    *(("Harbin", "CN-HL"), ("Xiamen", "CN-FJ"), ("Changsha", "CN-HN"), ("Zhengzhou", "CN-HA"), ("Jinan", "CN-SD")),
    *(("Zürich", "CH-ZH"), ("Glasgow", "GB-SCT"), ("Boston", "US-MA")),
]


def location_of(city: str, region: str) -> str:
    """Write *city* and the name of the *region* with that code in ISO 3166-2."""
    names = {subdivision.code: subdivision.name for subdivision in pycountry.subdivisions}
    return f"{city}, {names[region].removesuffix(' Sheng').split(', ')[0]}"


@pytest.fixture(scope="module")
def geocoder() -> Geocoder:
    """Share one geocoder, so that the file is read once."""
    geocoder = Geocoder()
    geocoder.locate(
        [
            *(text for text, _, _ in CITIES),
            *(text for text, _ in COUNTRIES),
            *(location_of(city, region) for city, region in REGIONS),
            *NO_PLACES,
        ]
    )
    return geocoder


@pytest.mark.parametrize(("location", "place", "country"), CITIES)
def test_a_city_is_found_as_people_write_it(geocoder, location, place, country):
    found = geocoder.locate([location])[location]
    assert found is not None
    assert (found.name, found.country, found.precision) == (place, country, "city")


@pytest.mark.parametrize(("location", "country"), COUNTRIES)
def test_a_country_alone_is_shown_as_a_country(geocoder, location, country):
    found = geocoder.locate([location])[location]
    assert found is not None
    assert (found.name, found.country, found.precision) == (country, country, "country")


@pytest.mark.parametrize("location", NO_PLACES)
def test_unknown_and_ambiguous_locations_return_none(geocoder, location):
    assert geocoder.locate([location])[location] is None


def test_names_looked_up_before_are_not_read_again(geocoder, monkeypatch):
    geocoder.locate(["Lisboa"])
    monkeypatch.setattr(geocoder, "_read", lambda missing: pytest.fail(f"read again for {missing}"))
    assert geocoder.locate(["Lisboa"])["Lisboa"].name == "Lisbon"


def test_every_region_with_a_code_of_geonames_holds_cities(geocoder):
    """A mistyped code would put every city of a region nowhere."""
    coded = {(area.country, area.region) for areas in area_names().names.values() for area in areas if area.region}
    geocoder.locate(["Berlin"])
    countries = {country for country, _ in coded}
    assert {"US", "CA", "AU", "BR", "IN", "DE", "CN", "GB", "CH"} == countries
    # Dependent territories, Swiss half-cantons and Nunavut have no town that large.
    assert {f"{country}.{region}" for country, region in coded - geocoder._largest.keys()} <= {
        *("US.UM", "US.AS", "US.GU", "US.MP", "US.PR", "US.VI", "CH.AI", "CH.OW", "CH.NW", "CH.UR", "CH.GL", "CH.JU"),
        "IN.LD",
    }


@pytest.mark.parametrize(("city", "region"), REGIONS)
def test_large_cities_lie_in_their_region(geocoder, city, region):
    """A wrong code of GeoNames would contradict the city."""
    location = location_of(city, region)
    found = geocoder.locate([location])[location]
    assert found is not None
    assert (found.name, found.precision) == (city, "city")


WORDS = [
    "Paris",
    "TX",
    "Georgia",
    "USA",
    "Berlin",
    "Hong Kong",
    "CA",
    "and",
    "/",
    ",",
    "Remote",
    "🇩🇪",
    "中国上海",
    "(",
    "UTC+8",
]


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)))
def test_any_text_is_read_with_the_names_asked_for(text):
    """Whatever the text, only names of `candidate_names` are looked up."""
    asked: set[str] = set()
    areas = area_names()

    class Recorded(dict[str, tuple[City, ...]]):
        def get(self, name, default=()):
            asked.add(name)
            return default

        def __contains__(self, name):
            asked.add(str(name))
            return False

    assert resolve_location(text, Gazetteer(Recorded(), {}, {}, {}, areas)) is None
    assert asked <= candidate_names(text, areas)


def test_real_profiles_are_located_in_their_country(geocoder):
    """Each real profile comes from a list of one country, found by name: its place is there or nowhere."""
    users = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "users" / "users.csv.gz"
    if not users.is_file():
        pytest.skip(f"no profiles at {users}")
    with gzip.open(users, "rt", encoding="utf-8") as file:
        rows = [(row["location"], row["country_list"]) for row in csv.DictReader(file)]
    countries = {location: country for location, country in rows if location and country}
    named = {text: place for text, place in geocoder.locate(countries).items() if place}
    same = [text for text, place in named.items() if countries[text] in place.country.lower()]
    assert len(named) > 0.94 * len(countries)
    # The rest are lists that took a name for another: Vienna in Virginia is in Austria's.
    assert len(same) > 0.98 * len(named)
