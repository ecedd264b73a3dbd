"""One repository with everything held of it: our own look before imported ones, and as it was at any moment."""

import pytest
from sqlalchemy import insert

from core.db import schema
from core.db.data_version import publish
from core.queries import globe, movers, repository_detail, star_history
from core.web.api.conditional import records
from tests import holdings


def one(owner: str, name: str, as_of: str | None = None) -> dict:
    found = records(repository_detail.by_name(owner, name, holdings.moment(as_of) if as_of else None))
    assert len(found) <= 1
    return found[0] if found else {}


@pytest.fixture
def cat(database) -> int:
    holdings.account(database, "octo", github_id=1, location="Berlin")
    created = holdings.repository(
        database,
        "octo/cat",
        {"2026-01-01": 10, "2026-02-01": 40, "2026-03-01": 100},
        github_id=7,
        license="MIT",
        extras={"watchers": 3, "open_issues": None, "open_issues_and_change_requests": 5},
    )
    holdings.changed(database, created, "relicensed", "2026-02-10", "GPL-3.0")
    holdings.changed(database, created, "renamed", "2026-02-20", "octo/kitten")
    publish(database)
    return created


def test_issues_that_github_did_not_tell_apart_stay_unknown(cat):
    found = one("OCTO", "Cat")
    assert (found["id"], found["watchers"], found["open_issues"]) == (7, 3, None)
    assert found["open_issues_and_change_requests"] == 5


def test_what_changed_since_is_read_back(cat):
    then = one("octo", "cat", "2026-02-05")
    assert (then["full_name"], then["name"], then["license"], then["stars"]) == ("octo/kitten", "kitten", "GPL-3.0", 40)
    assert (then["stars_7d"], then["stars_30d"], then["watchers"]) == (30, 30, None)
    assert one("octo", "cat", "2026-02-15")["license"] == "MIT"
    assert one("octo", "cat", "2025-12-31") == {}


def test_languages_are_those_of_the_last_reading_by_then(cat, database):
    for day, size in {"2026-01-01": 5, "2026-03-01": 9}.items():
        row = {"repository_id": cat, "captured_at": holdings.moment(day), "language": "C", "bytes": size}
        database.execute(insert(schema.repository_language).values(**row))
    publish(database)
    assert one("octo", "cat", "2026-02-01")["languages"] == '{"C": 5}'
    assert one("octo", "cat", "2025-12-31") == {}


def test_a_repository_known_from_imports_alone_says_so(database):
    holdings.imported(database, "old/one", {"2025-01-01": 5, "2025-02-01": 9}, by="elsewhere")
    publish(database)
    now, then = one("old", "one"), one("old", "one", "2025-01-15")
    assert (now["id"], now["stars"], now["source"]) == (None, 9, "elsewhere")
    assert (then["stars"], then["source"]) == (5, "elsewhere")


def test_a_former_name_leads_to_the_new_one(cat):
    assert repository_detail.now_called("octo", "Kitten") == "octo/cat"
    assert repository_detail.now_called("octo", "cat") is None


def test_stars_of_all_sources_come_in_the_order_of_time(cat, database):
    database.execute(
        insert(schema.repository_snapshot).values(
            repository_id=cat,
            captured_at=holdings.moment("2026-01-15"),
            stars=20,
            source_id=holdings.source(database, "elsewhere"),
        )
    )
    publish(database)
    series = star_history.series(cat, holdings.moment("2026-02-01"))
    assert series["stars"].tolist() == [10, 20, 40]
    assert series["source"].tolist() == ["GitHub", "elsewhere", "GitHub"]


@pytest.mark.parametrize("days", [7, 30, 50])
def test_movers_are_found_for_days_that_are_kept_and_for_any_other(database, days):
    looks = {"2026-01-01": 10, "2026-03-01": 100}
    holdings.repository(database, "octo/cat", looks, github_id=7, growth={7: 90, 30: 90})
    database.execute(schema.repository_current.update().values(growth_as_of=holdings.moment("2026-03-01")))
    publish(database)
    found = movers.movers(None, days)
    assert found[["id", "full_name", "growth"]].values.tolist() == [[7, "octo/cat", 90]]
    assert movers.movers(None, days, language="Rust").empty


def test_the_globe_counts_who_cannot_be_placed(database):
    told = {"a": "Berlin, Germany", "b": "berlin", "c": "Germany", "d": "Springfield", "e": None, "f": " "}
    for n, (login, location) in enumerate(told.items()):
        holdings.account(database, login, github_id=n, location=location)
        holdings.repository(database, f"{login}/x", {"2026-01-01": 5, "2026-03-01": 10}, github_id=n)
    publish(database)
    now, then = globe.globe(None), globe.globe(holdings.moment("2026-02-01"))
    assert (now.located, now.not_found, now.without_location) == (3, 1, 2)
    assert now.places[["place", "exact", "accounts", "stars"]].values.tolist() == [
        ["Berlin", "city", 2, 20],
        ["Germany", "country", 1, 10],
    ]
    assert then.places["stars"].tolist() == [10, 5]
