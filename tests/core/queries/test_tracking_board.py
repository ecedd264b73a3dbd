"""Tracked accounts as admins see them."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection, insert, text

from core.db import schema
from core.queries import ingestions, tracking
from core.queries.tracking import TrackingStatus
from tests.seed_data import add_account, utc

NOW = utc("2026-11-23 12:00")
DUE_AT = NOW + timedelta(hours=1)


def add_tracked_account(database: Connection, login: str, **values: object) -> int:
    one = add_account(database, login, checked_at=values.pop("checked_at", NOW), gone_at=values.pop("gone_at", None))
    database.execute(insert(schema.tracked_account).values(**{"account_id": one, "due_at": DUE_AT, **values}))
    return one


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ({}, "waiting"),
        ({"due_at": NOW}, "due"),
        ({"checked_at": None}, "new"),
        ({"failures": 2}, "failing"),
        ({"failures": 2, "queued_at": NOW}, "queued"),
        ({"failures": 2, "gone_at": NOW}, "deleted"),
        ({"paused": True, "due_at": NOW, "failures": 2}, "paused"),
    ],
)
def test_an_account_is_in_one_state(database, values, state):
    add_tracked_account(database, "octo", **values)
    assert tracking.tracked_table(NOW)["state"].tolist() == [state]
    assert tracking.state_counts(NOW) == {"all": 1, state: 1}
    assert len(tracking.tracked_table(NOW, state=state)) == 1


def test_accounts_are_ordered_by_priority_then_name(database):
    for login, priority in (("b", 0), ("A", 0), ("z", 3)):
        add_tracked_account(database, login, priority=priority)
    assert list(tracking.tracked_table(NOW)["login"]) == ["z", "A", "b"]
    assert list(tracking.tracked_table(NOW, limit=1)["login"]) == ["z"]


def test_search_finds_login_name_and_note_and_wildcards_are_literal(database):
    add_tracked_account(database, "octo", note="for Ada")
    add_tracked_account(database, "c_t")
    assert list(tracking.tracked_table(NOW, "ADA")["login"]) == ["octo"]
    assert list(tracking.tracked_table(NOW, "_")["login"]) == ["c_t"]
    assert tracking.tracked_table(NOW, "%").empty


def test_tracking_status_of_a_login(database):
    assert tracking.tracking_status("octo") == TrackingStatus(account_id=None, is_tracked=False, requested_at=None)
    database.execute(insert(schema.tracking_request).values(login="Octo", requested_at=NOW))
    later = NOW + timedelta(days=1)
    database.execute(insert(schema.tracking_request).values(login="octo", repository="cat", requested_at=later))
    assert tracking.tracking_status("octo").requested_at == NOW
    assert tracking.has_pending_request("OCTO")
    one = add_tracked_account(database, "octo")
    assert tracking.tracking_status("OCTO").account_id == one
    assert tracking.tracking_status("OCTO").is_tracked
    assert not tracking.has_pending_request("octo")


def test_a_request_for_a_repository_is_one_for_that_alone(database):
    database.execute(insert(schema.tracking_request).values(login="octo", repository="Cat", requested_at=NOW))
    asked = {name: tracking.tracking_status("octo", name).requested_at for name in ("cat", "dog", "")}
    assert asked == {"cat": NOW, "dog": None, "": None}


def test_the_next_one_due_is_neither_paused_nor_queued(database):
    assert tracking.next_due_at() is None
    add_tracked_account(database, "off", paused=True, due_at=NOW)
    add_tracked_account(database, "queued", queued_at=NOW, due_at=NOW)
    add_tracked_account(database, "octo")
    assert tracking.next_due_at() == DUE_AT


def test_background_jobs_are_counted_by_kind(database):
    for task, args, status in (
        ("enrichment", '{"kind": "releases"}', "todo"),
        ("enrichment", '{"kind": "releases"}', "doing"),
        ("lookup", "{}", "todo"),
        ("refresh", "{}", "todo"),
        ("enrichment", '{"kind": "extras"}', "succeeded"),
    ):
        database.execute(
            text(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, args, status)"
                " VALUES ('ingest', :task, CAST(:args AS jsonb), CAST(:status AS procrastinate_job_status))"
            ),
            {"task": task, "args": args, "status": status},
        )
    found = ingestions.background_jobs(NOW).set_index("kind")
    assert found["working"].to_dict() == {"lookup": 0, "releases": 1}
    assert found["waiting"].to_dict() == {"lookup": 1, "releases": 1}
