"""The rows of the city: correct, small, cached while they are valid, and refused clearly for invalid parameters."""

from io import BytesIO, StringIO

import pandas as pd
import pytest
from sqlalchemy import Connection
from starlette.testclient import TestClient

from core.as_of import as_of_text
from core.charts.scene import city, deck
from core.db.data_version import publish_data_version
from core.queries import scene as queries
from core.shared_cache import shared_cache
from core.web import scene_layouts
from core.web.scene_urls import SceneQuery
from tests import seed_data
from tests.seed_data import utc

CITY_URL = "/api/v1/scene/city.csv"


@pytest.fixture(scope="module")
def filled_engine(filled):
    with filled(add_rows) as engine:
        yield engine


@pytest.fixture
def web(filled_engine, analyst: TestClient) -> TestClient:
    return analyst


def add_rows(database: Connection) -> None:
    seed_data.add_repository(database, "octo/cat", {"2026-01-01": 50, "2026-03-01": 1000}, primary_language="Python")
    seed_data.add_repository(database, "octo/dog, the 2nd", {"2026-03-01": 10}, primary_language="C++")
    seed_data.add_repository(database, 'hubot/"quoted"', {"2026-03-01": 500})
    publish_data_version(database)


def csv_frame(response) -> pd.DataFrame:
    return pd.read_csv(StringIO(response.text))


def test_towers_equal_the_layout(web):
    response = web.get(CITY_URL)
    expected = deck.tower_rows(city.build_city(queries.city_repositories(queries.CityFilters())))
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/csv")
    assert csv_frame(response)["name"].tolist() == expected["name"].tolist()
    assert csv_frame(response)[["x", "y", "width", "depth", "height"]].to_numpy() == pytest.approx(
        expected[["x", "y", "width", "depth", "height"]].to_numpy()
    )


def test_every_format_has_the_same_rows(web):
    rows = csv_frame(web.get(CITY_URL))
    as_json = pd.DataFrame(web.get("/api/v1/scene/city").json()["data"])
    as_parquet = pd.read_parquet(BytesIO(web.get("/api/v1/scene/city.parquet").content))
    assert as_json["name"].tolist() == as_parquet["name"].tolist() == rows["name"].tolist()
    assert as_json["height"].tolist() == pytest.approx(rows["height"].tolist())


def test_districts_have_their_own_rows(web):
    rows = csv_frame(web.get(CITY_URL, params={"part": "districts"}))
    assert rows.set_index("owner")["repositories"].to_dict() == {"octo": 2, "hubot": 1}


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"language": "C++"}, {"octo/dog, the 2nd"}),
        ({"language": "cpp"}, {"octo/dog, the 2nd"}),
        ({"language": "C  "}, {"octo/dog, the 2nd"}),  # C++ with unescaped plus signs
        ({"language": ["c++", "PYTHON"]}, {"octo/dog, the 2nd", "octo/cat"}),
        ({"language": "Zig"}, set()),
        ({"min_stars": 500}, {"octo/cat", 'hubot/"quoted"'}),
        ({"owners": 1}, {"octo/cat", "octo/dog, the 2nd"}),
        ({"as_of": "2026-02-01"}, {"octo/cat"}),
    ],
)
def test_filters_equal_those_of_the_page(web, params, names):
    assert set(csv_frame(web.get(CITY_URL, params=params))["name"]) == names


def test_an_unchanged_scene_is_answered_with_304(web):
    first = web.get(CITY_URL)
    again = web.get(CITY_URL, headers={"if-none-match": first.headers["etag"]})
    weak = web.get(CITY_URL, headers={"if-none-match": f'"other", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert weak.status_code == 304


def test_the_etag_changes_with_the_data_version_and_the_query(web, database):
    tags = {
        web.get(CITY_URL).headers["etag"],
        web.get(CITY_URL, params={"owners": 1}).headers["etag"],
        web.get(CITY_URL, params={"part": "districts"}).headers["etag"],
        web.get("/api/v1/scene/city").headers["etag"],
    }
    before = web.get(CITY_URL).headers["etag"]
    publish_data_version(database)
    after = web.get(CITY_URL, headers={"if-none-match": before})
    assert after.status_code == 200
    assert len(tags | {after.headers["etag"]}) == 5


def page_layout(**filters):
    """Lay the city out as the page does; returns the version that it puts into its URLs."""
    chosen = queries.CityFilters(**filters)
    return scene_layouts.lay_out(queries.city_repositories(chosen), chosen, "stars")[0]


def test_the_rows_are_those_of_the_page_though_other_data_are_published_before_the_browser_asks(web, database):
    before, version = csv_frame(web.get(CITY_URL)), page_layout()
    seed_data.add_repository(database, "new/largest", {"2026-03-01": 9_000})
    publish_data_version(database)
    response = web.get(CITY_URL, params={"v": version})
    pd.testing.assert_frame_equal(csv_frame(response), before)
    assert "immutable" in response.headers["cache-control"]
    assert "new/largest" in csv_frame(web.get(CITY_URL))["name"].tolist()


def test_the_city_of_a_past_moment_is_laid_out_the_same_though_its_layout_was_dropped(web, database):
    """As in another process, or after other pages needed the memory: of the counts of then, not of what is newest."""
    then = utc("2026-02-01")
    version, params = page_layout(as_of=then), {"as_of": as_of_text(then)}
    before = csv_frame(web.get(CITY_URL, params=params | {"v": version}))
    assert before[["name", "stars"]].to_numpy().tolist() == [["octo/cat", 50]]
    seed_data.add_repository(database, "new/largest", {"2026-03-01": 9_000})
    publish_data_version(database)
    shared_cache.discard(lambda _: True)
    response = web.get(CITY_URL, params=params | {"v": version})
    pd.testing.assert_frame_equal(csv_frame(response), before)
    assert "immutable" in response.headers["cache-control"]


def test_the_same_city_has_the_same_url_in_the_next_data_version(web, database):
    version = page_layout()
    publish_data_version(database)
    assert page_layout() == version


def test_only_a_url_with_the_version_of_its_rows_is_immutable(web):
    version = page_layout()
    shared_cache.discard(lambda _: True)  # as in another process, which computes the same
    assert "immutable" in web.get(CITY_URL, params={"v": version}).headers["cache-control"]
    of_fewer = {"v": version, "owners": 1}
    for params in ({}, {"v": page_layout(owners=1)}, of_fewer, {"v": "anything"}):
        assert web.get(CITY_URL, params=params).headers["cache-control"] == "private, no-cache"
    assert len(csv_frame(web.get(CITY_URL, params=of_fewer))) == 2


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("owners=0", "owners"),
        ("owners=many", "owners"),
        ("owners=100000", "owners"),
        ("min_stars=-1", "min_stars"),
        ("min_stars=99999999999999999999", "min_stars"),
        ("height=weight", "height"),
        ("part=roofs", "part"),
        ("as_of=yesterday", "as_of"),
        ("language=", "language"),
        ("colour=red", "colour"),
        ("language=%00", "language"),
        ("language='; DROP TABLE repository", "language"),
        ("language=Pyhton", "did you mean Python"),
    ],
)
def test_an_invalid_parameter_is_refused_by_name_in_the_error_format(web, query, named):
    response = web.get(f"{CITY_URL}?{query}")
    assert response.status_code == 422
    body = response.json()
    assert set(body) == {"error", "message", "request_id"}
    assert body["error"] == "bad_input"
    assert named in body["message"]


@pytest.mark.parametrize(
    "path", ["/api/v1/scene/city.xml", "/api/v1/scene/moon.csv", "/api/v1/scene/", "/api/v1/scene/city.csv/"]
)
def test_an_unknown_scene_or_format_is_not_found(web, path):
    response = web.get(path)
    assert response.status_code == 404
    assert response.json()["error"] == "not_found"


def test_rows_are_read_only(web):
    assert web.post(CITY_URL).status_code in {404, 405}
    assert web.post(CITY_URL).json()["error"]
    assert web.head(CITY_URL).status_code == 200


def test_an_empty_database_returns_no_rows(analyst):
    response = analyst.get(CITY_URL)
    assert response.status_code == 200
    assert csv_frame(response).empty
    assert "name" in csv_frame(response).columns


def test_the_url_of_a_query_returns_its_rows(web):
    wanted = SceneQuery(owners=1, language=("C++", "Jupyter Notebook"), min_stars=5, height="growth", v="7.1")
    response = web.get(wanted.address())
    assert response.status_code == 200
    assert csv_frame(response)["name"].tolist() == ["octo/dog, the 2nd"]
    assert "%2B%2B" in wanted.address()


def test_all_pages_of_the_globe_have_places_within_one_degree_of_each_other(database, analyst):
    """They have the same name, country and stars: Dayton in Kentucky, and in Ohio."""
    for number, state in enumerate(("Ohio", "Kentucky")):
        seed_data.add_account(database, f"octo{number}", github_id=70 + number, location=f"Dayton, {state}")
        seed_data.add_repository(database, f"octo{number}/cat", {"2026-03-01": 5}, github_id=80 + number)
    publish_data_version(database)
    found, cursor = [], {}
    while cursor is not None:
        page = analyst.get("/api/v1/scene/globe", params={"limit": 1, **cursor}).json()
        found += [(row["place"], round(row["latitude"], 1)) for row in page["data"]]
        cursor = {"cursor": page["next_cursor"]} if page["next_cursor"] else None
    assert found == [("Dayton", 39.1), ("Dayton", 39.8)]
