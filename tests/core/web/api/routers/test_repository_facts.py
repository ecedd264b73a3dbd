"""Facts of a repository over the API: the same rows as on its page, in three formats, as of a date."""

from datetime import date, timedelta
from io import BytesIO, StringIO

import pandas as pd
import pytest
from sqlalchemy import Connection, Table, insert, select
from starlette.testclient import TestClient

from core.db import schema
from core.db.data_version import publish_data_version
from core.db.partitions import ensure_partitions
from tests import seed_data
from tests.seed_data import utc

URL = "/api/v1/repositories/octo/cat"
FACTS = ("bursts", "contributors", "releases", "commits", "star-days", "ledger", "extras", "languages", "traffic")


@pytest.fixture(scope="module")
def filled_engine(filled):
    with filled(add_rows) as engine:
        yield engine


@pytest.fixture
def web(filled_engine, analyst: TestClient) -> TestClient:
    return analyst


def add_rows(database: Connection) -> None:
    """Add a burst on 5 February, read on the 15th, a release three days before, two contributors and commits."""
    cat = seed_data.add_repository(database, "octo/cat", {"2026-01-01": 50}, github_id=7)

    def add(table: Table, **values: object) -> None:
        database.execute(insert(table).values(repository_id=cat, **values))

    read = utc("2026-02-15")
    for number in range(35):
        day = date(2026, 1, 1) + timedelta(days=number)
        add(schema.star_day, day=day, captured_at=read, stars=2)
        add(schema.commit_day, day=day, captured_at=read, commits=1)
    add(schema.star_day, day=date(2026, 2, 5), captured_at=read, stars=60)
    published = utc("2026-02-02 20:00")
    add(
        schema.release, github_id=1, tag="v1", name=None, is_prerelease=False, downloads=5, created_at=published,
        published_at=published,
    )  # fmt: skip
    add(
        schema.contributor_snapshot, captured_at=read, contributors=2, bots=0, commits=10, absence_factor=1,
        is_complete=True,
    )  # fmt: skip
    for number, commits in enumerate((3, 7)):
        add(schema.repository_contributor, github_id=number, login=f"p{number}", is_bot=False, commits=commits)
    ensure_partitions(database, read.date(), read.date())
    add(schema.repository_extra_snapshot, captured_at=read, watchers=3, open_issues=2, open_change_requests=1)
    for language, count in (("Go", 30), ("C", 70)):
        add(schema.repository_language, captured_at=read, language=language, bytes=count)
    add(schema.traffic_day, day=date(2026, 2, 14), captured_at=read, views=9, unique_views=4, clones=2, unique_clones=1)
    for kind in ("star_history", "releases", "contributors", "commit_activity"):
        add(schema.enrichment, kind=kind, captured_at=read, due_at=utc("2100-01-01"), state="stored")
    publish_data_version(database)


def test_a_burst_has_its_days_its_stars_and_what_was_near(web):
    body = web.get(f"{URL}/bursts").json()
    assert body["data"] == [
        {
            "first_day": "2026-02-05T00:00:00Z", "last_day": "2026-02-05T00:00:00Z", "stars": 60, "peak": 60,
            "usual": 2.0, "nearby": "release v1 3 days before",
        }
    ]  # fmt: skip
    # From 1 January to 13 February: the 14th had not ended in Los Angeles when it was read.
    assert (body["full_name"], body["days"]) == ("octo/cat", 44)


def test_contributors_come_with_the_summary(web):
    body = web.get(f"{URL}/contributors").json()
    assert [(row["login"], row["share"]) for row in body["data"]] == [("p1", 0.7), ("p0", 0.3)]
    assert (body["contributors"], body["commits"], body["absence_factor"], body["is_complete"]) == (2, 10, 1, True)


def test_releases_and_weeks_of_commits(web):
    body = web.get(f"{URL}/releases").json()
    assert [(row["tag"], row["downloads"]) for row in body["data"]] == [("v1", 5)]
    assert body["is_collected"] is True
    weeks = web.get(f"{URL}/commits").json()["data"]
    # Monday 5 January to Sunday 8 February: 7 commits a week, one on each day up to 4 February.
    assert [row["commits"] for row in weeks] == [7, 7, 7, 7, 3]
    assert weeks[0]["week"] == "2026-01-05T00:00:00Z"


def test_while_older_days_are_unread_star_days_ledger_and_bursts_say_that_they_are_not_complete(web, database):
    assert [web.get(f"{URL}/{fact}").json()["is_complete"] for fact in ("star-days", "ledger", "bursts")] == [True] * 3
    cat = database.scalar(select(schema.repository.c.id))
    values = {"first_day": date(2026, 1, 1), "next_page": 2}
    database.execute(insert(schema.star_backfill).values(repository_id=cat, **values))
    publish_data_version(database)
    assert [web.get(f"{URL}/{fact}").json()["is_complete"] for fact in ("star-days", "ledger", "bursts")] == [False] * 3


def test_the_ledger_says_what_was_given_withdrawn_and_survives(web, database):
    cat = database.scalar(select(schema.repository.c.id))
    values = {"day": date(2026, 2, 5), "captured_at": utc("2026-02-16"), "stars": 58}
    database.execute(insert(schema.star_day).values(repository_id=cat, **values))
    publish_data_version(database)
    body = web.get(f"{URL}/ledger?limit=100").json()
    last = body["data"][-1]
    # 35 days with 2 stars each, then 60 of which 2 were withdrawn: 130 − 2 = 128.
    assert (body["given"], body["withdrawn"], body["surviving"]) == (130, 2, 128)
    assert (last["day"][:10], last["given"], last["withdrawn"], last["surviving"]) == ("2026-02-05", 60, 2, 58)


def test_counts_and_languages_over_time(web):
    assert [row["stars"] for row in web.get(f"{URL}/counts").json()["data"]] == [50]
    rows = web.get(f"{URL}/languages").json()["data"]
    assert [(row["language"], row["bytes"]) for row in rows] == [("C", 70), ("Go", 30)]


@pytest.mark.parametrize("fact", FACTS)
def test_every_format_has_the_same_rows(web, fact):
    rows = web.get(f"{URL}/{fact}").json()["data"]
    as_csv = pd.read_csv(StringIO(web.get(f"{URL}/{fact}.csv").text))
    as_parquet = pd.read_parquet(BytesIO(web.get(f"{URL}/{fact}.parquet").content))
    assert list(as_csv) == list(as_parquet) == list(rows[0])
    assert len(as_csv) == len(as_parquet) == len(rows)


@pytest.mark.parametrize("fact", FACTS)
def test_as_of_a_day_before_they_were_collected_there_are_no_rows(web, fact):
    response = web.get(f"{URL}/{fact}?as_of=2026-01-20")
    assert (response.status_code, response.json()["data"]) == (200, [])
    assert web.get(f"{URL}/{fact}.csv?as_of=2026-01-20").status_code == 200
    assert web.get(f"/api/v1/repositories/octo/nothing/{fact}").status_code == 404
