"""Comparing over the API: rows in three formats, the latest numbers, and what cannot be compared."""

from io import BytesIO, StringIO

import pandas as pd
import pytest

from core.db.data_version import publish_data_version
from tests import seed_data
from tests.seed_data import utc

URL = "/api/v1/compare"


@pytest.fixture
def web(database, analyst):
    for number, (name, first, last) in enumerate((("cat", 100, 200), ("dog", 50, 60))):
        seed_data.add_repository(
            database, f"octo/{name}", {"2026-01-01": first, "2026-01-03": last}, github_id=number,
            created_at=utc("2025-01-01"), captures=["2026-01-02"], primary_language="C",
        )  # fmt: skip
    publish_data_version(database)
    return analyst


def test_rows_are_numbers_over_time_beside_the_latest_ones(web):
    body = web.get(f"{URL}?with=octo/dog&with=OCTO/cat").json()
    assert [(row["name"], row["value"], row["indexed"]) for row in body["data"]] == [
        ("octo/cat", 100, 100.0), ("octo/cat", 200, 200.0), ("octo/dog", 50, 100.0), ("octo/dog", 60, 120.0),
    ]  # fmt: skip
    assert (body["kind"], body["measure"]) == ("repository", "stars")
    assert [(one["name"], one["stars"], one["difference"], one["peers"]) for one in body["compared"]] == [
        ("octo/dog", 60, 0, 1), ("octo/cat", 200, 140, 1),
    ]  # fmt: skip
    # 365 days are less than a year of 365.25.
    assert body["data"][0]["age_years"] == pytest.approx(365 / 365.25)
    assert body["compared"][0]["rank"] is None


def test_every_format_has_the_same_rows_and_pages_lead_to_all(web):
    url = f"{URL}{{}}?with=octo/dog,octo/cat&measure=forks&align=age"
    rows = web.get(url.format("")).json()["data"]
    as_csv = pd.read_csv(StringIO(web.get(url.format(".csv")).text))
    as_parquet = pd.read_parquet(BytesIO(web.get(url.format(".parquet")).content))
    assert list(as_csv) == list(as_parquet) == list(rows[0])
    assert len(as_csv) == len(as_parquet) == len(rows) == 4
    first = web.get(url.format("") + "&limit=3").json()
    rest = web.get(url.format("") + f"&limit=3&cursor={first['next_cursor']}").json()
    assert first["data"] + rest["data"] == rows


@pytest.mark.parametrize(
    ("query", "status", "sentence"),
    [
        ("", 422, "with"),
        ("?with=", 422, "Name at least one"),
        ("?with=octo,octo/cat", 422, "octo/cat is a repository"),
        ("?with=octo/cat,octo", 422, "octo is an account"),
        ("?with=octo/cat,nobody/x", 404, "nobody/x"),
        ("?with=octo/cat,%3Cb%3E", 422, "is not a GitHub login"),
        pytest.param(f"?with={','.join(f'n{number}' for number in range(900))}", 422, "not 900", id="900 names"),
        ("?with=octo/cat&measure=followers", 422, "no followers"),
        ("?with=octo/cat&as_of=2024-06-01", 404, "did not exist yet"),
        ("?with=octo/cat&align=shoe-size", 422, "align"),
    ],
)
def test_what_cannot_be_compared_gets_a_sentence(web, query, status, sentence):
    for extension in ("", ".csv"):
        response = web.get(f"{URL}{extension}{query}")
        assert (response.status_code, sentence in response.json()["message"]) == (status, True), response.json()


def test_as_of_a_day_the_numbers_are_those_of_then(web):
    body = web.get(f"{URL}?with=octo/cat&as_of=2026-01-01").json()
    assert [row["value"] for row in body["data"]] == [100]
    assert body["compared"][0]["stars"] == 100
