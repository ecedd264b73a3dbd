"""Who uses a language, what occurs together, what rises: hand arithmetic."""

from datetime import date, timedelta

import pytest
from sqlalchemy import insert

from core.db import schema
from core.queries import language_use
from tests import seed_data
from tests.seed_data import utc


def add_bytes(database, repository, *names, at="2026-01-01"):
    rows = [{"repository_id": repository, "captured_at": utc(at), "language": name, "bytes": 1} for name in names]
    database.execute(insert(schema.repository_language), rows)


def test_a_language_that_gains_a_share_of_all_stars_rises(database):
    """C has 60 of 100 stars, then 90 of 200: 60 % and 45 %. Go has 40 and 50 %; Zig is new: left out."""
    for day, stars in ((date(2025, 1, 1), {"C": 60, "Go": 40}), (date(2026, 1, 1), {"C": 90, "Go": 100, "Zig": 10})):
        rows = [{"day": day, "language": name, "repositories": 1, "stars": count} for name, count in stars.items()]
        database.execute(insert(schema.language_day), rows)
    found = language_use.rising_and_falling("GitHub", utc("2026-01-02"), timedelta(days=365))
    assert found["language"].tolist() == ["Go", "C"]
    assert [round(points, 6) for points in found["points"]] == [10, -15]
    assert found["then"].tolist() == [utc("2025-01-01")] * 2


@pytest.fixture
def stored(database):
    for name, stars, extra in (
        ("octo/a", 10, {}),
        ("octo/b", 20, {}),
        ("cat/c", 25, {}),
        ("cat/fork", 900, {"is_fork": True}),
        ("cat/gone", 900, {"gone_at": utc("2026-01-02")}),
    ):
        seed_data.add_repository(database, name, {"2026-01-01": stars}, primary_language="C", **extra)
    seed_data.add_repository(database, "zed/d", {"2026-01-01": 99}, primary_language="Go")


def test_accounts_and_repositories_of_a_language_leave_out_forks_and_deleted_ones(stored):
    assert language_use.users("C", None).to_numpy().tolist() == [["octo", 2, 30], ["cat", 1, 25]]
    assert language_use.repositories("C", None)["full_name"].tolist() == ["cat/c", "octo/b", "octo/a"]
    assert language_use.users("Perl", None).empty


def test_the_leading_account_of_each_language_has_its_share(stored):
    found = language_use.leading_users(None)
    assert found[["language", "owner", "stars"]].to_numpy().tolist() == [["Go", "zed", 99], ["C", "octo", 30]]
    assert found["share"].tolist() == [1.0, 30 / 55]


def test_pairs_are_counted_by_the_newest_languages_of_each_repository(database):
    """Four repositories: three with C, two with Make and C; lift 2 × 4 ÷ (3 × 2) = 1.33."""
    ids = [seed_data.add_repository(database, f"octo/{name}", {"2026-01-01": 1}) for name in "abcd"]
    add_bytes(database, ids[0], "C", "Makefile")
    add_bytes(database, ids[1], "C", "Makefile", "Perl")
    add_bytes(database, ids[2], "C")
    add_bytes(database, ids[3], "C", "Makefile", at="2025-01-01")
    add_bytes(database, ids[3], "Go")
    found = language_use.together(None)
    assert found[["language", "other", "repositories"]].to_numpy().tolist() == [["C", "Makefile", 2]]
    assert found["share"].iloc[0] == pytest.approx(2 / 3)
    assert found["lift"].iloc[0] == pytest.approx(8 / 6)
    of_make = language_use.together(None, "Makefile")
    assert of_make[["language", "other", "share"]].to_numpy().tolist() == [["Makefile", "C", 1.0]]
