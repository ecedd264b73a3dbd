"""Admins track, change and remove accounts and start and watch ingestions over the API; analysts cannot."""

import csv
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, text

from core.db import schema
from core.queue.lookups import LookupResult
from core.tracking import first_lookup
from tests import seed_data

V1 = "/api/v1"


def test_an_account_is_tracked_changed_and_removed(database, admin):
    made = admin.post(
        f"{V1}/tracked", json={"login": "https://github.com/octo", "every": "30m", "priority": 5, "note": "é"}
    )
    assert made.status_code == 201, made.text
    row = made.json()
    assert (row["login"], row["every_seconds"], row["priority"], row["note"]) == ("octo", 1800, 5, "é")
    assert (row["added_by"], row["is_default_every"], row["id"]) == ("ada", False, None)
    assert row["queued_at"]
    assert admin.post(f"{V1}/tracked", json={"login": "OCTO"}).status_code == 409
    changed = admin.patch(f"{V1}/tracked/octo", json={"every": None, "paused": True}).json()
    assert (changed["every_seconds"], changed["is_default_every"], changed["paused"]) == (21600, True, True)
    assert (changed["priority"], changed["note"]) == (5, "é")
    assert [one["login"] for one in admin.get(f"{V1}/tracked").json()["data"]] == ["octo"]
    assert admin.get(f"{V1}/tracked.csv").text.count("\n") == 2
    assert admin.delete(f"{V1}/tracked/Octo").status_code == 204
    assert admin.delete(f"{V1}/tracked/octo").status_code == 404
    assert admin.patch(f"{V1}/tracked/octo", json={"paused": True}).status_code == 404
    audited = database.scalars(text("SELECT action FROM audit_event ORDER BY id")).all()
    assert audited == ["account_tracked", "tracking_changed", "account_untracked"]


def test_a_request_that_met_a_conflict_is_repeated(database, admin, meet_conflict):
    """A deadlock with a refresh or with what moves rows on Citus: each change is stored once."""
    for method, path, body, status, action in (
        ("POST", "tracked", {"login": "octo", "every": "30m"}, 201, "account_tracked"),
        ("PATCH", "tracked/octo", {"every": "6h"}, 200, "tracking_changed"),
        ("POST", "ingestions", {"logins": ["hooli"]}, 202, "ingestion_started"),
        ("DELETE", "tracked/octo", None, 204, "account_untracked"),
        ("GET", "github/stats/cat", None, 202, "account_tracked"),
    ):
        database.execute(text("DELETE FROM audit_event"))
        meet_conflict()
        answer = admin.request(method, f"{V1}/{path}", json=body)
        assert answer.status_code == status, answer.text
        assert database.scalars(text("SELECT action FROM audit_event")).all() == [action]


def test_an_unknown_login_is_not_tracked_and_a_former_one_under_its_present_name(database, admin, monkeypatch):
    known = {"nobody": LookupResult("nobody", is_missing=True), "tentacle": LookupResult("tentacle", "octo", 1)}
    monkeypatch.setattr(first_lookup, "check", known.get)
    refused = admin.post(f"{V1}/tracked", json={"login": "nobody"})
    assert (refused.status_code, refused.json()["error"]) == (404, "not_found")
    assert refused.json()["message"] == "There is no account nobody at GitHub; nothing is tracked."
    for table in ("account", "tracked_account", "audit_event", "ingestion"):
        assert database.scalar(text(f"SELECT count(*) FROM {table}")) == 0
    made = admin.post(f"{V1}/tracked", json={"login": "tentacle"})
    assert (made.status_code, made.json()["login"]) == (201, "octo")
    assert made.headers["location"] == f"{V1}/tracked/octo"
    assert admin.post(f"{V1}/tracked", json={"login": "tentacle"}).json()["message"] == "octo is already tracked."


def test_a_shorter_interval_moves_the_next_refresh_forward(database, admin):
    admin.post(f"{V1}/tracked", json={"login": "octo", "every": "7d"})
    database.execute(text("UPDATE tracked_account SET due_at = now() + interval '7 days'"))
    admin.patch(f"{V1}/tracked/octo", json={"every": "30m"})
    assert database.scalar(text("SELECT due_at < now() + interval '31 minutes' FROM tracked_account"))
    admin.patch(f"{V1}/tracked/octo", json={"every": "7d"})
    assert database.scalar(text("SELECT due_at < now() + interval '31 minutes' FROM tracked_account"))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"login": ""},
        {"login": "\x00"},
        {"login": "a b"},
        {"login": 7},
        {"login": "octo", "every": "often"},
        {"login": "octo", "every": "1m"},
        {"login": "octo", "every": "99999999999d"},
        {"login": "octo", "every": "٣h"},
        {"login": "octo", "priority": 10**30},
        {"login": "octo", "note": "a\x00b"},
        {"login": "octo", "note": "x" * 501},
        {"login": "octo", "colour": "red"},
        [],
        "octo",
        None,
    ],
)
def test_an_invalid_request_tracks_nothing(database, admin, body):
    response = admin.post(f"{V1}/tracked", json=body)
    assert response.status_code == 422, response.text
    assert set(response.json()) == {"error", "message", "request_id"}
    assert "\x00" not in response.json()["message"]
    assert database.scalar(text("SELECT count(*) FROM tracked_account")) == 0


def test_tracked_accounts_have_one_order_in_pages_and_files(database, admin):
    for name in ("beta", "Alpha", "gamma", "Delta"):
        admin.post(f"{V1}/tracked", json={"login": name, "paused": True})
    listed, cursor = [], None
    while cursor or not listed:
        page = admin.get(f"{V1}/tracked", params={"limit": 2, "cursor": cursor} if cursor else {"limit": 2}).json()
        listed += [one["login"] for one in page["data"]]
        cursor = page["next_cursor"]
    assert listed == ["Alpha", "beta", "Delta", "gamma"]
    rows = csv.DictReader(admin.get(f"{V1}/tracked.csv").text.splitlines())
    assert [row["login"] for row in rows] == listed


def test_tracked_accounts_are_paginated(database, admin):
    for name in ("c", "A", "b"):
        admin.post(f"{V1}/tracked", json={"login": name, "paused": True})
    first = admin.get(f"{V1}/tracked", params={"limit": 2}).json()
    admin.delete(f"{V1}/tracked/{first['data'][0]['login']}")
    rest = admin.get(f"{V1}/tracked", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert len(first["data"]) == 2
    assert sorted(one["login"] for one in [*first["data"], *rest["data"]]) == ["A", "b", "c"]
    assert rest["next_cursor"] is None


def test_an_ingestion_is_started_observed_and_listed(database, admin):
    begun = admin.post(f"{V1}/ingestions", json={"logins": ["octo", "@hubot", "octo"]})
    assert begun.status_code == 202, begun.text
    body = begun.json()
    assert (body["accounts"], begun.headers["location"]) == (2, body["status_url"])
    waiting = admin.get(body["status_url"]).json()
    assert (waiting["id"], waiting["state"], waiting["requested_by"], waiting["items"]) == (
        body["id"],
        "queued",
        "ada",
        [],
    )
    add_ingest_run(database, body["id"], "done", octo="stored", hubot="failed")
    database.execute(text("UPDATE procrastinate_jobs SET status = 'succeeded'"))
    finished = admin.get(body["status_url"]).json()
    assert (finished["state"], finished["stored"], finished["failed"]) == ("partial", 1, 1)
    assert {item["login"]: item["error"] for item in finished["items"]} == {"octo": None, "hubot": "late"}
    assert finished["finished_at"]
    assert [one["id"] for one in admin.get(f"{V1}/ingestions").json()["data"]] == [body["id"]]
    assert admin.get(f"{V1}/ingestions.csv").text.splitlines()[0].startswith("id,state,trigger")
    assert admin.get(f"{V1}/ingestions.parquet").status_code == 200
    assert database.scalar(text("SELECT count(*) FROM tracked_account")) == 0  # refreshed once, not tracked
    assert database.scalar(text("SELECT action FROM audit_event")) == "ingestion_started"


def add_ingest_run(database, ingestion: int, state: str, **items: str) -> None:
    created = seed_data.insert_row(
        database,
        schema.ingest_run,
        ingestion_id=ingestion,
        trigger="person",
        state=state,
        finished_at=seed_data.utc("2026-03-01"),
    )
    for login, outcome in items.items():
        error = "late" if outcome == "failed" else None
        database.execute(
            insert(schema.ingest_item).values(run_id=created, login=login, state=outcome, error=error, error_code=error)
        )


def test_a_retried_account_counts_once(database, admin):
    begun = admin.post(f"{V1}/ingestions", json={"logins": ["octo"]}).json()
    add_ingest_run(database, begun["id"], "failed", octo="failed")
    add_ingest_run(database, begun["id"], "done", octo="stored")
    database.execute(text("UPDATE procrastinate_jobs SET status = 'succeeded'"))
    later = "UPDATE ingest_item SET finished_at = CAST(:later AS timestamptz) WHERE state = 'stored'"
    database.execute(text(later), {"later": datetime.now(UTC) + timedelta(hours=1)})
    finished = admin.get(f"{V1}/ingestions/{begun['id']}").json()
    assert (finished["state"], finished["stored"], finished["failed"], len(finished["items"])) == ("done", 1, 0, 1)


def test_all_due_accounts_are_started_together(database, admin):
    assert admin.post(f"{V1}/ingestions", json={"all_due": True}).status_code == 409
    for name in ("due", "later", "paused"):
        admin.post(f"{V1}/tracked", json={"login": name, "paused": True})
    database.execute(text("UPDATE tracked_account SET paused = false WHERE note IS NULL"))
    database.execute(text("UPDATE tracked_account SET due_at = now() - interval '1 minute'"))
    later = "UPDATE tracked_account SET due_at = now() + interval '1 h' FROM account"
    database.execute(text(f"{later} WHERE id = account_id AND login = 'later'"))
    begun = admin.post(f"{V1}/ingestions", json={"all_due": True})
    assert (begun.status_code, begun.json()["accounts"]) == (202, 2)
    assert admin.post(f"{V1}/ingestions", json={"all_due": True}).status_code == 409


def test_ingestions_are_paginated_newest_first(database, admin):
    ids = [admin.post(f"{V1}/ingestions", json={"logins": [f"a{n}"]}).json()["id"] for n in range(3)]
    first = admin.get(f"{V1}/ingestions", params={"limit": 2}).json()
    admin.post(f"{V1}/ingestions", json={"logins": ["newer"]})
    rest = admin.get(f"{V1}/ingestions", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [one["id"] for one in [*first["data"], *rest["data"]]] == ids[::-1]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"logins": []},
        {"logins": None},
        {"logins": ["a b"]},
        {"logins": ["a"], "all_due": True},
        {"logins": ["a"] * 501},
    ],
)
def test_an_ingestion_without_accounts_is_refused(database, admin, body):
    assert admin.post(f"{V1}/ingestions", json=body).status_code == 422
    assert database.scalar(text("SELECT count(*) FROM ingestion")) == 0


@pytest.mark.parametrize("id", ["0", "-1", "x", "9" * 30, "1.5", "%00"])
def test_an_invalid_ingestion_id_is_refused(admin, id):
    assert admin.get(f"{V1}/ingestions/{id}").status_code == 422


def test_an_ingestion_that_was_never_started_is_not_found(admin):
    assert admin.get(f"{V1}/ingestions/12345").status_code == 404
