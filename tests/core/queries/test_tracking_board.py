"""What is wanted, as admins see it."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection, insert, text

from core.db import schema
from core.queries import ingestions, tracking
from tests.holdings import account, moment

NOW = moment("2026-11-23 12:00")
SOON = NOW + timedelta(hours=1)


def tracked(database: Connection, login: str, **values: object) -> int:
    seen = values.pop("checked_at", NOW)
    one = account(database, login, checked_at=seen)
    database.execute(insert(schema.tracked_account).values(**{"account_id": one, "due_at": SOON, **values}))
    return one


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ({}, "waiting"),
        ({"due_at": NOW}, "due"),
        ({"checked_at": None}, "new"),
        ({"failures": 2}, "failing"),
        ({"failures": 2, "queued_at": NOW}, "queued"),
        ({"paused": True, "due_at": NOW, "failures": 2}, "paused"),
    ],
)
def test_an_account_is_in_one_state(database, values, state):
    tracked(database, "octo", **values)
    assert tracking.board(NOW)["state"].tolist() == [state]
    assert tracking.states(NOW) == {"all": 1, state: 1}
    assert len(tracking.board(NOW, state=state)) == 1


def test_most_wanted_come_first_then_by_name(database):
    for login, priority in (("b", 0), ("A", 0), ("z", 3)):
        tracked(database, login, priority=priority)
    assert list(tracking.board(NOW)["login"]) == ["z", "A", "b"]
    assert list(tracking.board(NOW, most=1)["login"]) == ["z"]


def test_search_finds_login_name_and_note_and_takes_wildcards_for_characters(database):
    tracked(database, "octo", note="for Ada")
    tracked(database, "c_t")
    assert list(tracking.board(NOW, "ADA")["login"]) == ["octo"]
    assert list(tracking.board(NOW, "_")["login"]) == ["c_t"]
    assert tracking.board(NOW, "%").empty


def test_where_a_login_stands(database):
    assert tracking.standing("octo") == {"account_id": None, "is_tracked": False, "asked_at": None}
    database.execute(insert(schema.tracking_wish).values(login="Octo", asked_at=NOW))
    assert tracking.standing("octo")["asked_at"] == NOW
    one = tracked(database, "octo")
    assert tracking.standing("OCTO")["account_id"] == one
    assert tracking.standing("OCTO")["is_tracked"]


def test_the_next_one_due_is_neither_paused_nor_queued(database):
    assert tracking.next_due() is None
    tracked(database, "off", paused=True, due_at=NOW)
    tracked(database, "queued", queued_at=NOW, due_at=NOW)
    tracked(database, "octo")
    assert tracking.next_due() == SOON


def test_background_work_is_told_by_kind(database):
    for task, args, status in (
        ("facts", '{"kind": "releases"}', "todo"),
        ("facts", '{"kind": "releases"}', "doing"),
        ("look_up", "{}", "todo"),
        ("refresh", "{}", "todo"),
        ("facts", '{"kind": "extras"}', "succeeded"),
    ):
        database.execute(
            text(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, args, status)"
                " VALUES ('ingest', :task, CAST(:args AS jsonb), CAST(:status AS procrastinate_job_status))"
            ),
            {"task": task, "args": args, "status": status},
        )
    found = ingestions.background(NOW).set_index("kind")
    assert found["working"].to_dict() == {"look_up": 0, "releases": 1}
    assert found["waiting"].to_dict() == {"look_up": 1, "releases": 1}
