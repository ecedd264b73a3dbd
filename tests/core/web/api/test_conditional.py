"""Stored data is returned as JSON, CSV and Parquet, paginated, as of any time, and with 304 when unchanged."""

from io import BytesIO, StringIO

import pandas as pd
import pytest

from core.db.data_version import publish_data_version
from core.settings import settings
from core.web.api import conditional
from tests import seed_data

V1 = "/api/v1"


@pytest.fixture(scope="module")
def filled_engine(filled):
    with filled(add_rows) as engine:
        yield engine


@pytest.fixture
def stored_rows(filled_engine, database):
    return database


def add_rows(database):
    seed_data.add_account(database, "octo", github_id=1, kind="organization", location="Berlin, Germany")
    for n, name in enumerate(["cat", "Dog", "site.csv", "ant"]):
        seed_data.add_repository(
            database,
            f"octo/{name}",
            {"2026-01-01": 10 * n, "2026-03-01": 100 * n},
            github_id=500 + n,
            primary_language="Python",
            license="MIT",
            topics=["a", "b"],
        )
    publish_data_version(database)


ROW_PATHS = [
    "accounts/octo/repositories",
    "repositories/octo/cat/stars",
    "languages",
    "movers",
    "changes",
    "scene/city",
    "scene/globe",
]


@pytest.mark.parametrize("path", ROW_PATHS)
def test_every_list_has_the_same_rows_in_three_formats(stored_rows, analyst, path):
    as_json = analyst.get(f"{V1}/{path}")
    as_csv = analyst.get(f"{V1}/{path}.csv")
    as_parquet = analyst.get(f"{V1}/{path}.parquet")
    assert (as_json.status_code, as_csv.status_code, as_parquet.status_code) == (200, 200, 200), as_json.text
    rows = as_json.json()["data"]
    csv = pd.read_csv(StringIO(as_csv.text))
    parquet = pd.read_parquet(BytesIO(as_parquet.content))
    assert len(rows) == len(csv) == len(parquet)
    if rows:
        assert list(rows[0]) == list(csv.columns) == list(parquet.columns)


def row_names(response) -> list[str]:
    return [row["name"] for row in response.json()["data"]]


def paged_names(web, path: str, **params) -> list[str]:
    """Return all names, page by page."""
    found, cursor = [], None
    while True:
        response = web.get(path, params={**params, **({"cursor": cursor} if cursor else {})})
        assert response.status_code == 200, response.text
        found += row_names(response)
        cursor = response.json()["next_cursor"]
        if cursor is None:
            return found


@pytest.mark.parametrize("path", ROW_PATHS)
@pytest.mark.parametrize("form", ["", ".csv", ".parquet"])
def test_every_list_can_be_read_as_of_a_day(stored_rows, analyst, path, form):
    response = analyst.get(f"{V1}/{path}{form}", params={"as_of": "2026-02-01"})
    assert response.status_code == 200, response.text


def test_repositories_have_the_values_of_that_time(stored_rows, analyst):
    now = analyst.get(f"{V1}/accounts/octo/repositories", params={"sort": "stars"}).json()["data"]
    then = analyst.get(f"{V1}/accounts/octo/repositories", params={"as_of": "2026-02-01", "sort": "stars"}).json()
    assert [(row["name"], row["stars"]) for row in now] == [("ant", 300), ("site.csv", 200), ("Dog", 100), ("cat", 0)]
    assert [(row["name"], row["stars"]) for row in then["data"]] == [
        *[("ant", 30), ("site.csv", 20), ("Dog", 10), ("cat", 0)]
    ]
    assert then["as_of"] == "2026-02-01T23:59:59.999999Z"
    assert now[0]["topics"] == ["a", "b"]
    assert now[0]["id"] == 503
    assert now[0]["languages"] == {}  # no push was ever recorded
    assert then["data"][0]["languages"] is None


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 1000])
@pytest.mark.parametrize("sort", ["full_name", "stars"])
def test_all_pages_together_equal_the_whole_list(stored_rows, analyst, limit, sort):
    whole = row_names(analyst.get(f"{V1}/accounts/octo/repositories", params={"sort": sort}))
    assert paged_names(analyst, f"{V1}/accounts/octo/repositories", sort=sort, limit=limit) == whole
    assert len(whole) == 4


def test_changes_between_two_pages_neither_duplicate_nor_hide_rows(stored_rows, analyst):
    path = f"{V1}/accounts/octo/repositories"
    first = analyst.get(path, params={"limit": 2})
    seed_data.add_repository(stored_rows, "octo/aaa", {"2026-04-01": 1}, github_id=900)
    stored_rows.exec_driver_sql("UPDATE repository_summary SET stars = 100000 - stars")
    publish_data_version(stored_rows)
    rest = paged_names(analyst, path, limit=1, cursor=first.json()["next_cursor"])
    assert [*row_names(first), *rest] == ["Dog", "ant", "cat", "site.csv"]


@pytest.mark.parametrize("cursor", ["", "x", "é", "\x00", "a" * 10_000, "gAAAAABn", "%00", "🦑"])
def test_an_invalid_cursor_is_refused(stored_rows, analyst, cursor):
    for path in ("accounts/octo/repositories", "changes"):
        response = analyst.get(f"{V1}/{path}", params={"cursor": cursor})
        assert response.status_code == 422, response.text
        assert "cursor" in response.json()["message"]


def test_a_cursor_of_another_query_is_refused(stored_rows, analyst):
    cursor = analyst.get(f"{V1}/accounts/octo/repositories", params={"limit": 1}).json()["next_cursor"]
    for params in ({"sort": "stars"}, {"as_of": "2026-03-01"}, {"include_gone": True}):
        response = analyst.get(f"{V1}/accounts/octo/repositories", params={"cursor": cursor, **params})
        assert response.status_code == 422
        assert "another query" in response.json()["message"]


def test_the_ledger_continues_after_entries_of_the_same_second(stored_rows, analyst):
    repository = seed_data.add_repository(stored_rows, "octo/moved", {"2026-03-01": 1}, github_id=901)
    for n in range(5):
        seed_data.add_change(stored_rows, repository, "renamed", "2026-03-02", f"octo/old{n}")
    seen, cursor = [], None
    while True:
        response = analyst.get(f"{V1}/changes", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [row["before"] for row in response["data"]]
        seed_data.add_change(
            stored_rows, repository, "archived", "2026-03-03"
        )  # newer: before the position of the cursor
        publish_data_version(stored_rows)
        cursor = response["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"octo/old{n}" for n in (4, 3, 2, 1, 0)]
    assert "entry" not in analyst.get(f"{V1}/changes").json()["data"][0]


def test_the_ledger_is_filtered_by_kind_account_and_time(stored_rows, analyst):
    mine = seed_data.add_repository(stored_rows, "octo/moved", {"2026-03-01": 1}, github_id=901)
    other = seed_data.add_repository(stored_rows, "hubot/x", {"2026-03-01": 1}, github_id=902)
    seed_data.add_change(stored_rows, mine, "renamed", "2026-03-02", "a")
    seed_data.add_change(stored_rows, mine, "archived", "2026-03-04")
    seed_data.add_change(stored_rows, other, "renamed", "2026-03-06", "b")

    def found(**params):
        return [
            (row["repository_id"], row["kind"]) for row in analyst.get(f"{V1}/changes", params=params).json()["data"]
        ]

    assert found() == [(902, "renamed"), (901, "archived"), (901, "renamed")]
    assert found(kind="renamed") == [(902, "renamed"), (901, "renamed")]
    assert found(kind=["renamed", "archived"], account="OCTO") == [(901, "archived"), (901, "renamed")]
    assert found(since="2026-03-04") == [(902, "renamed"), (901, "archived")]
    assert found(as_of="2026-03-04") == [(901, "archived"), (901, "renamed")]
    assert analyst.get(f"{V1}/changes", params={"kind": "repainted"}).status_code == 422


@pytest.mark.parametrize(
    "path", [*ROW_PATHS, "accounts/octo", "repositories/octo/cat", "scene/city.csv", "movers.parquet"]
)
def test_unchanged_data_is_answered_with_304_until_new_data_is_collected(stored_rows, analyst, path):
    first = analyst.get(f"{V1}/{path}")
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    assert not tag.startswith("W/")
    again = analyst.get(f"{V1}/{path}", headers={"if-none-match": f'"other", W/{tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    publish_data_version(stored_rows)
    assert analyst.get(f"{V1}/{path}", headers={"if-none-match": tag}).status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [("accounts/octo", 304), ("languages.csv", 304), ("accounts/nobody/repositories", 404), ("movers?days=0", 422)],
)
def test_any_response_is_current_if_there_is_one(stored_rows, analyst, path, status):
    assert analyst.get(f"{V1}/{path}", headers={"if-none-match": "*"}).status_code == status


def test_tracking_an_account_changes_the_etag(stored_rows, analyst):
    from core.tracking import accounts

    before = analyst.get(f"{V1}/accounts/octo")
    accounts.track(stored_rows, "octo", "ada")
    after = analyst.get(f"{V1}/accounts/octo", headers={"if-none-match": before.headers["etag"]})
    assert (before.json()["is_tracked"], after.json()["is_tracked"]) == (False, True)


@pytest.mark.parametrize("path", [*ROW_PATHS, "accounts/octo", "changes.atom", "movers.csv"])
def test_current_data_are_read_again_after_midnight_and_past_data_are_not(stored_rows, analyst, monkeypatch, path):
    """What lasts until now grows with each day: a gap, an age, complete weeks."""

    def response(at, tag="", **params):
        monkeypatch.setattr(conditional, "now_utc", lambda: seed_data.utc(at))
        return analyst.get(f"{V1}/{path}", params=params, headers={"if-none-match": tag})

    current = response("2026-11-30 00:01").headers["etag"]
    past = response("2026-11-30 00:01", as_of="2026-04-01").headers["etag"]
    assert response("2026-11-30 23:59", current).status_code == 304
    assert response("2026-12-01 00:01", current).status_code == 200
    assert response("2026-12-01 00:01", past, as_of="2026-04-01").status_code == 304


@pytest.mark.parametrize(
    ("name", "value"),
    [("REFRESH_EVERY", "7d"), ("PUBLIC_URL", "https://almanac.example.org"), ("SECRET_KEY", "n" * 40)],
)
def test_settings_that_change_responses_change_the_etag(stored_rows, analyst, monkeypatch, name, value):
    """They are in responses: gaps follow from the interval, links have the URL, cursors are encrypted with the key."""
    tag = analyst.get(f"{V1}/changes.atom").headers["etag"]
    monkeypatch.setenv(name, value)
    settings.cache_clear()
    assert analyst.get(f"{V1}/changes.atom", headers={"if-none-match": tag}).status_code == 200


def test_a_name_ending_in_csv_is_not_read_as_a_format(stored_rows, analyst):
    one = analyst.get(f"{V1}/repositories/octo/site.csv")
    stars = analyst.get(f"{V1}/repositories/octo/site.csv/stars")
    file = analyst.get(f"{V1}/repositories/octo/site.csv/stars.csv")
    assert one.json()["full_name"] == "octo/site.csv"
    assert stars.json()["data"][-1]["stars"] == 200
    assert file.text.splitlines() == [
        "captured_at,stars,source",
        '"2026-01-01T00:00:00Z",20,"GitHub"',
        '"2026-03-01T00:00:00Z",200,"GitHub"',
    ]
    assert analyst.get(f"{V1}/repositories/octo/cat.csv").status_code == 404


def test_stars_include_the_gaps_between_refreshes(stored_rows, analyst):
    gaps = analyst.get(f"{V1}/repositories/octo/ant/stars").json()["gaps"]
    assert gaps == [
        {"source": "GitHub", "from_at": "2026-01-01T00:00:00Z", "to_at": "2026-03-01T00:00:00Z"},
        {"source": "GitHub", "from_at": "2026-03-01T00:00:00Z", "to_at": None},
    ]


def test_head_has_the_headers_of_get(stored_rows, analyst):
    head, get = analyst.head(f"{V1}/accounts/octo"), analyst.get(f"{V1}/accounts/octo")
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", get.headers["etag"])
    assert analyst.head(f"{V1}/auth/login").status_code == 405


def test_internal_ids_are_never_returned(stored_rows, analyst):
    """Our ids count from one; GitHub's ids in this test do not."""
    for path in ("accounts/octo", "repositories/octo/cat", *ROW_PATHS):
        text = analyst.get(f"{V1}/{path}").text
        assert "account_id" not in text.replace('"account_id":1', "")
        assert "entry" not in text
