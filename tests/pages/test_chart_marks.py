"""Marks of releases and changes on the time charts of account and compare, and the choice of them."""

import json

import pytest
from sqlalchemy import insert

from core.db import schema
from core.db.data_version import publish_data_version
from tests import seed_data
from tests.seed_data import utc


@pytest.fixture
def stored(database):
    cat = seed_data.add_repository(
        database, "octo/cat", {"2026-01-01": 5, "2026-01-09": 9}, github_id=1, created_at=utc("2020-01-01"),
        captures=[f"2026-01-{day:02}" for day in range(1, 10)],
    )  # fmt: skip
    account = seed_data.add_account(database, "octo", github_id=7)
    for at, stars in (("2026-01-01", 5), ("2026-01-09", 9)):
        values = {"captured_at": utc(at), "stars": stars, "forks": 1, "repositories": 1, "followers": 2}
        database.execute(insert(schema.account_snapshot).values(account_id=account, **values))
    database.execute(
        insert(schema.release).values(
            repository_id=cat, github_id=3, tag="v1 <b>", is_prerelease=False, created_at=utc("2026-01-04"),
            published_at=utc("2026-01-04"), downloads=0,
        )
    )  # fmt: skip
    seed_data.add_change(database, cat, "archived", "2026-01-06")
    publish_data_version(database)


def marks(shown, chart):
    assert not shown.exception
    spec = next(one.proto.spec for one in shown.get("plotly_chart") if f"chart-{chart}" in one.proto.id)
    return [text for trace in json.loads(spec)["data"] if trace.get("yaxis") == "y2" for text in trace["customdata"]]


def test_the_account_marks_what_happened_to_its_repositories(open_page, stored):
    shown = open_page("account", login="octo")
    assert marks(shown, "account-stars") == ["octo/cat archived", "octo/cat: release v1 &lt;b&gt;"]
    assert "Triangles: releases" in " ".join(caption.value for caption in shown.caption)


@pytest.mark.parametrize(("choice", "expected"), [("Changes", ["octo/cat archived"]), ("No marks", [])])
def test_marks_can_be_chosen(open_page, stored, choice, expected):
    for page, subject, chart in (
        ("account", {"login": "octo"}, "account-stars"),
        ("compare", {"with": "octo/cat"}, "compare-stars"),
    ):
        assert marks(open_page(page, **subject, marks=choice), chart) == expected


def test_compare_marks_dates_and_no_ages(open_page, stored):
    assert len(marks(open_page("compare", **{"with": "octo/cat"}), "compare-stars")) == 2
    assert marks(open_page("compare", **{"with": "octo/cat"}, align="By age"), "compare-stars") == []
