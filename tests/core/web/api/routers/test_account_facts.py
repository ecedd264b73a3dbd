"""An account's calendar, portfolio and peers over the API: in three formats, as of a day, by a former name."""

from datetime import date
from io import BytesIO, StringIO

import pandas as pd
import pytest
from sqlalchemy import insert

from core.db import schema
from core.db.data_version import publish_data_version
from tests import seed_data
from tests.seed_data import utc

URL = "/api/v1/accounts/octo"
FACTS = ("calendar", "portfolio", "peers")


@pytest.fixture
def web(database, analyst):
    account = seed_data.add_account(database, "octo", github_id=1, kind="user", created_at=utc("2015-01-01"))
    for number, (name, stars, language) in enumerate((("a", 1, "C"), ("b", 1, "C"), ("c", 2, "Go"), ("d", 4, "Go"))):
        seed_data.add_repository(
            database, f"octo/{name}", {"2026-01-01": stars}, github_id=number, primary_language=language
        )
    seed_data.add_account(database, "peer", github_id=2, created_at=utc("2014-01-01"))
    seed_data.add_repository(database, "peer/x", {"2026-01-01": 9}, primary_language="Go", github_id=77)
    row = {"day": date(2026, 1, 2), "captured_at": utc("2026-01-05"), "contributions": 3}
    database.execute(insert(schema.contribution_day).values(account_id=account, **row))
    publish_data_version(database)
    return analyst


def test_the_calendar_has_complete_days(web):
    body = web.get(f"{URL}/calendar").json()
    assert [(row["day"][:10], row["contributions"]) for row in body["data"]] == [
        ("2026-01-02", 3), ("2026-01-03", 0), ("2026-01-04", 0),
    ]  # fmt: skip


def test_the_portfolio_has_its_figures_beside_the_repositories(web):
    body = web.get(f"{URL}/portfolio?by=stars").json()
    assert [(row["full_name"], row["star_share"]) for row in body["data"]] == [
        ("octo/a", 0.125), ("octo/b", 0.25), ("octo/c", 0.5), ("octo/d", 1.0),
    ]  # fmt: skip
    assert (body["repositories"], body["stars"], body["h_index"], body["gini"]) == (4, 8, 2, 0.3125)
    assert [(one["language"], one["share"]) for one in body["languages"]] == [("Go", 0.75), ("C", 0.25)]
    assert body["effective_languages"] == pytest.approx(1.7548, abs=1e-4)  # 4 / 3 ** 0.75
    assert (body["known_contributors"], body["on_one_person"]) == (0, 0)
    assert web.get(f"{URL}/portfolio").json()["languages"] == []  # bytes were not collected


def test_peers_are_counted_and_without_twenty_there_is_no_rank(web):
    body = web.get(f"{URL}/peers").json()
    assert [(row["login"], row["stars"], row["is_self"]) for row in body["data"]] == [
        ("peer", 9, False), ("octo", 8, True),
    ]  # fmt: skip
    assert (body["language"], body["age_class"], body["peers"], body["rank"]) == ("Go", "10 years and older", 1, None)


@pytest.mark.parametrize("fact", FACTS)
def test_every_format_has_the_same_rows(web, fact):
    rows = web.get(f"{URL}/{fact}").json()["data"]
    as_csv = pd.read_csv(StringIO(web.get(f"{URL}/{fact}.csv").text))
    as_parquet = pd.read_parquet(BytesIO(web.get(f"{URL}/{fact}.parquet").content))
    assert list(as_csv) == list(as_parquet) == list(rows[0])
    assert len(as_csv) == len(as_parquet) == len(rows)


@pytest.mark.parametrize("fact", FACTS)
def test_before_the_first_capture_there_are_no_rows(web, fact):
    for extension in ("", ".csv"):
        assert web.get(f"{URL}/{fact}{extension}?as_of=2025-06-01").status_code == 200
    assert web.get(f"{URL}/{fact}?as_of=2025-06-01").json()["data"] == []
    assert web.get(f"/api/v1/accounts/nobody/{fact}").status_code == 404


def test_bad_choices_are_refused(web):
    assert web.get(f"{URL}/portfolio?by=weight").status_code == 422
    assert web.get(f"{URL}/portfolio?forks=perhaps").status_code == 422
