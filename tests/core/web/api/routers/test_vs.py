"""`vs` in every read of stored data: each number with its value then, the difference and the percent."""

from datetime import UTC, date, datetime
from io import BytesIO

import pandas as pd
import pytest
from sqlalchemy import insert

from core.db import schema
from core.db.partitions import ensure_partitions
from tests import seed_data
from tests.seed_data import utc

TIMES = {"as_of": "2025-06-30", "vs": "2025-03-31"}
READS_WITHOUT_TIMES = {"get_me", "list_ingestions", "get_ingestion", "list_tracked", "get_github_stats_status"}


@pytest.fixture(scope="module")
def filled_engine(filled):
    with filled(add_rows) as engine:
        yield engine


@pytest.fixture
def stored(filled_engine, database):
    return database


def add_rows(database):
    """Store that octo/cat went from 120 to 150 stars, octo/dog from 70 to 60; octo/new came later."""
    captures = [f"2025-{month:02}-{day:02}" for month in range(1, 7) for day in range(1, 29)]
    ensure_partitions(database, date(2025, 1, 1), date(2025, 12, 1))
    cat = seed_data.add_repository(
        database, "octo/cat", {"2025-01-01": 100, "2025-03-30": 120, "2025-06-28": 150}, captures=captures, github_id=1,
        primary_language="C",
    )  # fmt: skip
    counts = {"2025-01-01": 70, "2025-06-20": 60}
    seed_data.add_repository(database, "octo/dog", counts, captures=captures, github_id=2, primary_language="Go")
    seed_data.add_repository(
        database, "octo/new", {"2025-05-01": 5}, captures=captures, github_id=3, created_at=utc("2025-05-01")
    )
    octo = seed_data.add_account(database, "octo")
    for at, stars in (("2025-03-30", 190), ("2025-06-28", 215)):
        values = {"account_id": octo, "captured_at": utc(at), "followers": 5, "stars": stars, "forks": 3}
        database.execute(insert(schema.account_snapshot).values(**values, repositories=2))
    for day, stars in (("2025-03-28", 120), ("2025-06-28", 150)):
        values = {"day": date.fromisoformat(day), "language": "C", "repositories": 1, "stars": stars, "source_id": 1}
        database.execute(insert(schema.language_day).values(**values))
    seed_data.add_change(database, cat, "relicensed", "2025-02-01", before="MIT", after="GPL-3.0")
    seed_data.add_change(database, cat, "archived", "2025-05-01")


def reads(analyst):
    paths = analyst.get("/api/openapi.json").json()["paths"]
    return {path: operations["get"] for path, operations in paths.items() if "get" in operations}


def read(analyst, path, **params):
    response = analyst.get(f"/api/v1/{path}", params=TIMES | params)
    assert response.status_code == 200, response.text
    return response.json()


def compared(row, column):
    return tuple(row[f"{column}{suffix}"] for suffix in ("", "_vs", "_difference", "_percent"))


def test_every_read_of_stored_data_takes_both_times(analyst):
    missing = {}
    for path, operation in reads(analyst).items():
        names = {one["name"] for one in operation.get("parameters", [])}
        bare = operation["operationId"].removesuffix("_csv").removesuffix("_parquet")
        if not {"as_of", "vs"} <= names and bare not in READS_WITHOUT_TIMES:
            missing[path] = bare
    assert missing == {}


def test_added_fields_are_documented(analyst):
    schemas = analyst.get("/api/openapi.json").json()["components"]["schemas"]
    fields = schemas["MoverVs"]["properties"]
    assert [name for name in fields if name.startswith("growth")] == [
        "growth", "growth_vs", "growth_difference", "growth_percent",
    ]  # fmt: skip
    assert fields["growth_percent"]["description"]


@pytest.mark.parametrize(
    ("vs", "reason"),
    [
        ("2030-01-01", "vs is in the future"),
        ("2025-07-01", "vs is not before"),
        ("2025-06-30", "vs is not before"),
        ("2007-09-30", "vs is before october 2007"),
        ("2025-02-30", "vs is not an existing date"),
        ("=1+1", "vs is not a date"),
        ("", "vs is not a date"),
    ],
)
def test_a_time_that_cannot_be_compared_with_is_refused(analyst, vs, reason):
    for path in ("movers", "languages.csv", "changes.atom", "scene/city.csv"):
        response = analyst.get(f"/api/v1/{path}", params={"as_of": "2025-06-30", "vs": vs})
        assert (response.status_code, response.json()["error"]) == (422, "bad_input")
        assert response.json()["message"].lower().startswith(reason)


def test_rows_have_value_difference_and_percent_and_the_most_changed_come_first(analyst, stored):
    """30 of 120 are 25 percent, -10 of 70 are -14.3; of octo/new nothing is known then."""
    body = read(analyst, "accounts/octo/repositories")
    assert (body["as_of"], body["vs"]) == ("2025-06-30T23:59:59.999999Z", "2025-03-31T23:59:59.999999Z")
    rows = {row["name"]: row for row in body["data"]}
    assert list(rows) == ["cat", "dog", "new"]
    assert compared(rows["cat"], "stars") == (150, 120, 30, 25.0)
    assert compared(rows["dog"], "stars") == (60, 70, -10, pytest.approx(-100 / 7))
    assert compared(rows["new"], "stars") == (5, None, None, None)


def test_pages_of_compared_rows_have_each_row_once(analyst, stored):
    first = read(analyst, "accounts/octo/repositories", limit=2)
    second = read(analyst, "accounts/octo/repositories", limit=2, cursor=first["next_cursor"])
    assert [row["name"] for row in first["data"] + second["data"]] == ["cat", "dog", "new"]


def test_files_have_the_same_columns_beside_each_other(analyst, stored):
    csv = pd.read_csv(BytesIO(analyst.get("/api/v1/accounts/octo/repositories.csv", params=TIMES).content))
    parquet = pd.read_parquet(BytesIO(analyst.get("/api/v1/accounts/octo/repositories.parquet", params=TIMES).content))
    for rows in (csv, parquet):
        columns = list(rows.columns)
        at = columns.index("stars")
        assert columns[at : at + 4] == ["stars", "stars_vs", "stars_difference", "stars_percent"]
        assert rows["name"].tolist() == ["cat", "dog", "new"]
        assert rows["stars_difference"].tolist()[:2] == [30, -10]
    assert "stars_vs" not in analyst.get("/api/v1/accounts/octo/repositories.csv").text


def test_single_objects_are_compared(analyst, stored):
    assert compared(read(analyst, "repositories/octo/cat"), "stars") == (150, 120, 30, 25.0)
    assert compared(read(analyst, "accounts/octo"), "stars") == (215, 190, 25, pytest.approx(2500 / 190))
    stats = read(analyst, "github/stats/octo")
    assert compared(stats, "total_stars") == (215, 190, 25, pytest.approx(2500 / 190))
    assert compared(stats["repos"][0], "stars") == (150, 120, 30, 25.0)
    assert "stars_vs" not in analyst.get("/api/v1/repositories/octo/cat").json()


def test_numbers_over_time_are_compared_with_the_last_one_by_then(analyst, stored):
    """100, 120 and 150 against 120; they keep their order."""
    rows = read(analyst, "repositories/octo/cat/stars")["data"]
    assert [compared(row, "stars")[:3] for row in rows] == [(100, 120, -20), (120, 120, 0), (150, 120, 30)]
    series = read(analyst, "compare", **{"with": "octo/cat,octo/dog"})
    assert [row["value_difference"] for row in series["data"] if row["name"] == "octo/cat"] == [-20, 0, 30]
    assert [compared(one, "stars")[:3] for one in series["compared"]] == [(150, 120, 30), (60, 70, -10)]


def test_rankings_are_compared(analyst, stored):
    """In the 30 days to June 28, 30 stars were gained; in those to March 30, 20: 10 or 50 percent more."""
    rows = {row["full_name"]: row for row in read(analyst, "movers", days=30)["data"]}
    assert compared(rows["octo/cat"], "growth") == (30, 20, 10, 50.0)
    language = read(analyst, "languages")["data"][0]
    assert compared(language, "stars") == (150, 120, 30, 25.0)
    tower = read(analyst, "scene/city")["data"][0]
    assert compared(tower, "stars") == (150, 120, 30, 25.0)
    assert tower["growth_text"] == "+30 (+25.0\N{NO-BREAK SPACE}%) against 120 then"


def test_lists_of_changes_hold_those_detected_since_then(analyst, stored):
    assert [row["kind"] for row in read(analyst, "changes")["data"]] == ["archived"]
    feed = analyst.get("/api/v1/changes.atom", params=TIMES).text
    assert ("archived" in feed, "licence" in feed) == (True, False)


def test_hits_lead_to_pages_at_both_times(analyst, stored):
    urls = [hit["url"] for hit in read(analyst, "search", q="octo")["data"]]
    assert urls[0] == "/account?login=octo&as_of=2025-06-30&vs=2025-03-31"


def test_without_as_of_vs_is_compared_with_now(analyst, stored):
    today = datetime.now(UTC).date().isoformat()
    assert analyst.get("/api/v1/movers", params={"vs": "2025-03-31"}).status_code == 200
    response = analyst.get("/api/v1/movers", params={"vs": today})
    assert response.status_code == 422


def test_totals_and_milestones_can_be_read(analyst, stored):
    last = read(analyst, "totals")["data"][-1]
    assert compared(last, "stars")[:3] == (150, 120, 30)
    [near] = read(analyst, "milestones")["data"]
    assert (near["full_name"], near["milestone"], *compared(near, "stars")) == ("octo/cat", 200, 150, 120, 30, 25.0)
