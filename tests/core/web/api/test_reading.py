"""What is held comes right: as JSON, CSV and Parquet, page by page, as of any moment, and not twice."""

from io import BytesIO, StringIO

import holdings
import pandas as pd
import pytest

from core.database import publish

V1 = "/api/v1"


@pytest.fixture
def held(database):
    holdings.account(database, "octo", github_id=1, kind="organization", location="Berlin, Germany")
    for n, name in enumerate(["cat", "Dog", "site.csv", "ant"]):
        holdings.repository(
            database,
            f"octo/{name}",
            {"2026-01-01": 10 * n, "2026-03-01": 100 * n},
            github_id=500 + n,
            primary_language="Python",
            license="MIT",
            topics=["a", "b"],
        )
    publish(database)
    return database


ROWS = [
    "accounts/octo/repositories",
    "repositories/octo/cat/stars",
    "languages",
    "movers",
    "changes",
    "scene/city",
    "scene/globe",
]


@pytest.mark.parametrize("path", ROWS)
def test_every_list_comes_in_three_forms_with_the_same_rows(held, analyst, path):
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
