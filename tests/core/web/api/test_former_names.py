"""Former names are redirected as GitHub does; as of a time, names and attributes are those of that time."""

import pytest
from sqlalchemy import insert

from core.db import schema
from core.db.data_version import publish_data_version
from tests import seed_data
from tests.seed_data import utc

V1 = "/api/v1"


@pytest.fixture
def renamed(database) -> None:
    """`tentacle/cat` until February, `octo/cat` since; the account was created in 2021 and first captured in 2026."""
    created, captured = utc("2021-05-04"), utc("2026-01-01")
    octo = seed_data.add_account(
        database, "octo", github_id=1, created_at=created, first_captured_at=captured, bio="now", kind="user"
    )
    cat = seed_data.add_repository(
        database, "octo/cat", {"2026-01-01": 10, "2026-03-01": 12}, github_id=7, description="now", created_at=created
    )
    seed_data.add_account_version(database, octo, "2026-02-01", login="tentacle", bio="then")
    seed_data.add_version(database, cat, "2026-02-01", full_name="tentacle/cat", description="then")
    database.execute(insert(schema.account_snapshot).values(account_id=octo, captured_at=captured, stars=10))
    publish_data_version(database)


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("accounts/tentacle", "accounts/octo"),
        ("accounts/Tentacle/repositories?limit=1", "accounts/octo/repositories?limit=1"),
        ("accounts/tentacle/repositories.csv", "accounts/octo/repositories.csv"),
        ("accounts/tentacle?as_of=2026-02-01", "accounts/octo?as_of=2026-02-01"),
        ("github/stats/tentacle", "github/stats/octo"),
        ("github/stats/tentacle/status", "github/stats/octo/status"),
        ("repositories/tentacle/cat", "repositories/octo/cat"),
        ("repositories/tentacle/cat/stars.csv?as_of=2026-03-01", "repositories/octo/cat/stars.csv?as_of=2026-03-01"),
    ],
)
def test_a_former_name_is_redirected_to_the_present_one(renamed, analyst, path, location):
    response = analyst.get(f"{V1}/{path}")
    assert (response.status_code, response.headers["location"]) == (301, f"{V1}/{location}")
    assert response.headers["cache-control"] == "no-store"
    assert response.json()["error"] == "moved"
    assert "is now called octo" in response.json()["message"]
    assert analyst.get(response.headers["location"]).status_code == 200


def test_as_of_then_the_name_of_then_needs_no_redirect(renamed, analyst):
    for login in ("tentacle", "octo"):
        then = analyst.get(f"{V1}/accounts/{login}", params={"as_of": "2026-01-31"})
        assert then.status_code == 200
        assert [then.json()[name] for name in ("login", "current_login", "bio")] == ["tentacle", "octo", "then"]
        cat = analyst.get(f"{V1}/repositories/{login}/cat", params={"as_of": "2026-01-31"})
        assert [cat.json()[name] for name in ("full_name", "owner", "description")] == [
            "tentacle/cat",
            "tentacle",
            "then",
        ]
    now = analyst.get(f"{V1}/accounts/octo").json()
    assert [now[name] for name in ("login", "current_login", "bio")] == ["octo", "octo", "now"]


@pytest.mark.parametrize(
    "path", ["accounts/octo", "accounts/octo/repositories", "github/stats/octo", "repositories/octo/cat"]
)
def test_before_its_creation_nothing_exists(renamed, analyst, path):
    response = analyst.get(f"{V1}/{path}", params={"as_of": "2010-06-01"})
    assert (response.status_code, response.json()["error"]) == (404, "not_created_yet")
    assert "did not exist yet: it was created on 2021-05-04" in response.json()["message"]


def test_before_the_first_capture_the_profile_is_null(renamed, analyst):
    body = analyst.get(f"{V1}/accounts/octo", params={"as_of": "2025-06-01"}).json()
    assert [body[name] for name in ("login", "kind", "bio", "stars")] == ["tentacle", None, None, None]
    assert body["created_at"] == "2021-05-04T00:00:00Z"


@pytest.mark.parametrize("as_of", ["20261031", "2026-W44-6", "2026/10/31", "2099-01-01", "2007-09-30", ""])
def test_another_as_of_is_refused_with_422(renamed, analyst, as_of):
    for path in ("accounts/octo", "movers", "scene/city", "repositories/octo/cat/stars.csv"):
        assert analyst.get(f"{V1}/{path}", params={"as_of": as_of}).status_code == 422


def test_a_former_login_changes_and_stops_tracking(renamed, admin):
    assert admin.post(f"{V1}/tracked", json={"login": "octo"}).status_code == 201
    changed = admin.patch(f"{V1}/tracked/tentacle", json={"paused": True})
    assert (changed.status_code, changed.json()["login"], changed.json()["paused"]) == (200, "octo", True)
    assert admin.delete(f"{V1}/tracked/tentacle").status_code == 204
    assert admin.get(f"{V1}/tracked").json()["data"] == []


def test_an_ingestion_of_a_former_login_is_one_of_the_renamed_account(renamed, admin, database):
    started = admin.post(f"{V1}/ingestions", json={"logins": ["tentacle", "octo"]})
    assert (started.status_code, started.json()["accounts"]) == (202, 1)
