"""One repository with all stored columns: own snapshots before imported ones, now and as of a time."""

import pandas as pd
import pytest
from sqlalchemy import insert

from core.db import schema
from core.db.data_version import publish_data_version
from core.queries import globe, movers, repository_detail, star_history
from core.web.api.conditional import records
from tests import seed_data


def repository_record(owner: str, name: str, as_of: str | None = None) -> dict:
    found = records(repository_detail.by_name(owner, name, seed_data.utc(as_of) if as_of else None))
    assert len(found) <= 1
    return found[0] if found else {}


@pytest.fixture
def cat(database) -> int:
    seed_data.add_account(database, "octo", github_id=1, location="Berlin")
    created = seed_data.add_repository(
        database,
        "octo/cat",
        {"2026-01-01": 10, "2026-02-01": 40, "2026-03-01": 100},
        github_id=7,
        license="MIT",
        extras={"watchers": 3, "open_issues": None, "open_issues_and_change_requests": 5},
    )
    seed_data.add_version(database, created, "2026-02-10", license="GPL-3.0", full_name="octo/kitten")
    seed_data.add_version(database, created, "2026-02-20", full_name="octo/kitten")
    publish_data_version(database)
    return created


def test_issues_not_counted_apart_from_change_requests_are_null(cat):
    found = repository_record("OCTO", "Cat")
    assert (found["id"], found["watchers"], found["open_issues"]) == (7, 3, None)
    assert found["open_issues_and_change_requests"] == 5


def test_past_attributes_are_those_of_the_version_then(cat):
    then = repository_record("octo", "cat", "2026-02-05")
    assert (then["full_name"], then["name"], then["license"], then["stars"]) == ("octo/kitten", "kitten", "GPL-3.0", 40)
    assert (then["stars_7d"], then["stars_30d"], then["watchers"]) == (None, 30, None)
    assert repository_record("octo", "cat", "2026-02-15")["license"] == "MIT"
    assert repository_record("octo", "cat", "2025-12-31") == {}


def test_languages_are_the_last_ones_collected_by_then(cat, database):
    for day, size in {"2026-01-01": 5, "2026-03-01": 9}.items():
        row = {"repository_id": cat, "captured_at": seed_data.utc(day), "language": "C", "bytes": size}
        database.execute(insert(schema.repository_language).values(**row))
    publish_data_version(database)
    assert repository_record("octo", "cat", "2026-02-01")["languages"] == '{"C": 5}'
    assert repository_record("octo", "cat", "2025-12-31") == {}


def test_an_imported_repository_has_its_source(database):
    seed_data.add_imported_repository(database, "old/one", {"2025-01-01": 5, "2025-02-01": 9}, by="elsewhere")
    publish_data_version(database)
    now, then = repository_record("old", "one"), repository_record("old", "one", "2025-01-15")
    assert (now["id"], now["stars"], now["source"]) == (None, 9, "elsewhere")
    assert (then["stars"], then["source"]) == (5, "elsewhere")


def test_a_former_name_leads_to_the_new_one(cat):
    found = repository_detail.find("octo", "Kitten", None)
    assert (found.repository_id, found.current_full_name, found.is_former) == (cat, "octo/cat", True)
    assert not repository_detail.find("octo", "cat", None).is_former
    assert not repository_detail.find("octo", "kitten", seed_data.utc("2026-02-19")).is_former


def test_a_former_owner_leads_to_its_repositories_under_the_present_name(cat, database):
    octo = seed_data.add_account(database, "octo")
    seed_data.add_account_version(database, octo, "2026-01-15", login="tentacle")
    found = repository_detail.find("Tentacle", "cat", None)
    assert (found.repository_id, found.current_full_name, found.is_former) == (cat, "octo/cat", True)
    assert repository_detail.find("tentacle", "dog", None) is None


def test_stars_of_all_sources_are_ordered_by_time(cat, database):
    database.execute(
        insert(schema.repository_snapshot_open).values(
            repository_id=cat,
            captured_at=seed_data.utc("2026-01-15"),
            stars=20,
            source_id=seed_data.add_source(database, "elsewhere"),
        )
    )
    publish_data_version(database)
    series = star_history.star_series(cat, seed_data.utc("2026-02-01"))
    assert series["stars"].tolist() == [10, 20, 40]
    assert series["source"].tolist() == ["GitHub", "elsewhere", "GitHub"]


@pytest.mark.parametrize("days", [7, 30, 50])
def test_movers_are_found_for_stored_and_for_other_periods(database, days):
    changes, between = {"2026-01-01": 10, "2026-03-01": 100}, ["2026-01-10", "2026-01-29", "2026-02-21"]
    seed_data.add_repository(database, "octo/cat", changes, github_id=7, growth={7: 90, 30: 90}, captures=between)
    publish_data_version(database)
    found = movers.movers(None, days).rows
    assert found[["id", "full_name", "growth"]].values.tolist() == [[7, "octo/cat", 90]]
    assert movers.movers(None, days, language="Rust").rows.empty


def test_the_globe_counts_accounts_that_cannot_be_located(database):
    locations = {"a": "Berlin, Germany", "b": "berlin", "c": "Germany", "d": "Springfield", "e": None, "f": " "}
    for n, (login, location) in enumerate(locations.items()):
        seed_data.add_account(database, login, github_id=n, location=location)
        seed_data.add_repository(database, f"{login}/x", {"2026-01-01": 5, "2026-03-01": 10}, github_id=n)
    publish_data_version(database)
    now, then = globe.locate_accounts(None), globe.locate_accounts(seed_data.utc("2026-02-01"))
    assert (now.located, now.not_found, now.without_location) == (3, 1, 2)
    assert now.places[["place", "exact", "accounts", "stars"]].values.tolist() == [
        ["Berlin", "city", 2, 20],
        ["Germany", "country", 1, 10],
    ]
    assert then.places["stars"].tolist() == [10, 5]


def test_the_globe_knows_no_followers_of_accounts_that_were_never_captured(database):
    """Two places: Berlin has one captured account of two (7 followers), Paris has only imported history."""
    for n, (login, location) in enumerate({"a": "Berlin", "b": "Berlin", "c": "Paris"}.items()):
        seed_data.add_account(database, login, github_id=n, location=location)
        seed_data.add_imported_repository(database, f"{login}/x", {"2026-03-01": 10})
    database.execute(
        insert(schema.account_snapshot).values(
            account_id=seed_data.add_account(database, "a"), captured_at=seed_data.utc("2026-03-01"), followers=7
        )
    )
    publish_data_version(database)
    places = globe.locate_accounts(None).places.set_index("place")
    assert places.loc["Berlin", "followers"] == 7
    assert pd.isna(places.loc["Paris", "followers"])
    assert places["accounts"].to_dict() == {"Berlin": 2, "Paris": 1}
    before = globe.locate_accounts(seed_data.utc("2026-02-28"))
    assert before.places.empty


def test_a_repository_has_a_gap_while_it_was_unavailable(database):
    """Its account was captured every day."""
    days = [f"2026-01-{day:02}" for day in range(2, 31)]
    lost = seed_data.add_repository(database, "octo/lost", {"2026-01-01": 10, "2026-01-20": 12}, captures=days)
    seed_data.add_change(database, lost, "gone", "2026-01-10")
    seed_data.add_change(database, lost, "back", "2026-01-20")
    seed_data.add_version(database, lost, "2026-01-10")
    seed_data.add_version(database, lost, "2026-01-20", is_gone=True)
    gaps = star_history.coverage_gaps(lost, seed_data.utc("2026-01-31"))
    assert gaps[["from_at", "to_at"]].to_numpy().tolist() == [
        [seed_data.utc("2026-01-09"), seed_data.utc("2026-01-20")]
    ]


def test_captures_of_a_former_owner_count_though_its_login_is_someone_else_s(database):
    """octo gave cat away on the 10th and was renamed; another account took the name octo and is refreshed daily."""
    octo = seed_data.add_account(database, "octo-corp", github_id=1)
    taker = seed_data.add_account(database, "octo", github_id=2)
    days = {f"2026-01-{day:02}" for day in range(1, 31)}
    cat = seed_data.add_repository(database, "hooli/cat", {"2026-01-01": 10, "2026-01-20": 12}, captures=["2026-01-21"])
    seed_data.add_change(database, cat, "transferred", "2026-01-10", "octo/cat")
    seed_data.add_version(database, cat, "2026-01-10", account_id=octo, full_name="octo/cat")
    captured = [(octo, day) for day in sorted(days) if day <= "2026-01-09"] + [(taker, day) for day in sorted(days)]
    database.execute(
        insert(schema.capture_open), [{"account_id": who, "captured_at": seed_data.utc(day)} for who, day in captured]
    )
    gaps = star_history.coverage_gaps(cat, seed_data.utc("2026-01-22"))
    assert gaps[["from_at", "to_at"]].to_numpy().tolist() == [
        [seed_data.utc("2026-01-09"), seed_data.utc("2026-01-20")]
    ]
