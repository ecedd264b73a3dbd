"""Search over the API: all kinds in one list, links that keep the date, roles, bad input."""

from io import StringIO

import pandas as pd
import pytest

from tests import seed_data

URL = "/api/v1/search"


@pytest.fixture
def stored(database):
    seed_data.add_repository(
        database, "tracker/movers", {"2026-01-01": 5}, github_id=7, primary_language="Rust", description="<b>=1+1"
    )


def rows(client, **params):
    response = client.get(URL, params=params)
    assert response.status_code == 200, response.text
    return [(row["kind"], row["name"], row["url"]) for row in response.json()["data"]]


def test_accounts_repositories_and_pages_are_in_one_list(analyst, stored):
    assert rows(analyst, q="MOVERS") == [
        ("repository", "tracker/movers", "/repository?name=tracker%2Fmovers"),
        ("page", "Movers", "/movers"),
    ]
    assert rows(analyst, q="track") == [
        ("account", "tracker", "/account?login=tracker"),
        ("repository", "tracker/movers", "/repository?name=tracker%2Fmovers"),
    ]
    assert rows(analyst, q="rust") == [("language", "Rust", "/languages?language=Rust")]


def test_links_keep_the_date(analyst, stored):
    assert rows(analyst, q="tracker", as_of="2026-02-01")[0][2] == "/account?login=tracker&as_of=2026-02-01"


def test_pages_for_admins_are_found_by_admins_only(analyst, admin):
    assert rows(analyst, q="tracking") == []
    assert rows(admin, q="tracking") == [("page", "Tracking", "/tracking")]


def test_an_admins_response_is_not_current_for_others(analyst, admin):
    """Also the same person's, who was an admin before."""
    tag = admin.get(URL, params={"q": "tracking"}).headers["etag"]
    assert analyst.get(URL, params={"q": "tracking"}, headers={"if-none-match": tag}).status_code == 200
    assert admin.get(URL, params={"q": "tracking"}, headers={"if-none-match": tag}).status_code == 304


def test_rows_come_as_csv_too_and_cannot_be_a_formula(analyst, stored):
    table = pd.read_csv(StringIO(analyst.get(f"{URL}.csv", params={"q": "movers"}).text))
    assert table["description"].iloc[0] == "<b>=1+1"


@pytest.mark.parametrize("query", [{}, {"q": " "}, {"q": "a\x00b"}, {"q": "a" * 201}, {"q": "a", "per_kind": 101}])
def test_bad_input_gets_a_sentence(analyst, query):
    response = analyst.get(URL, params=query)
    assert response.status_code in {400, 422}
    assert response.json()["message"]


@pytest.mark.parametrize(("path", "name"), [("search", "q"), ("movers", "language"), ("scene/city", "language.0")])
def test_a_character_that_postgres_refuses_is_named(analyst, path, name):
    response = analyst.get(f"/api/v1/{path}", params={name.partition(".")[0]: "a\x00b"})
    assert response.json()["message"] == f"{name}: must not contain a NUL character."
