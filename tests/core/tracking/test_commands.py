"""Asking for an account tracks it at once, or waits for an admin where a setting says so."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from core.auth.identity import Identity, Origin
from core.errors import Forbidden, NotFound
from core.settings import settings
from core.tracking import commands as tracking_commands

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ORIGIN = Origin("192.0.2.1", None, "r-1")


@pytest.fixture
def people(database):
    def person(username, role):
        person_id = database.scalar(
            text("INSERT INTO person (username, role) VALUES (:name, :role) RETURNING id"),
            {"name": username, "role": role},
        )
        return Identity(person_id, username, role)

    return person("ada", "analyst"), person("grace", "admin")


@pytest.fixture
def approval(monkeypatch):
    monkeypatch.setenv("TRACK_APPROVAL", "true")
    settings.cache_clear()


def pending_requests(connection):
    return connection.execute(
        text(
            "SELECT w.id, login, username FROM tracking_request w JOIN person p ON p.id = person_id WHERE approved IS NULL"
        )
    ).all()


def tracked_logins(connection):
    return connection.scalars(
        text("SELECT login FROM tracked_account JOIN account ON account.id = account_id ORDER BY 1")
    ).all()


def test_who_may_is_served_at_once_and_it_is_written_down(database, people):
    ada, _ = people
    outcome = tracking_commands.request_tracking(
        database, ada, ["octocat", "hubot"], NOW, ORIGIN, note="for the report"
    )
    assert outcome.tracked == ("octocat", "hubot")
    assert tracked_logins(database) == ["hubot", "octocat"]
    assert database.scalar(text("SELECT accounts FROM ingestion WHERE id = :id"), {"id": outcome.ingestion_id}) == 2
    assert database.scalars(text("SELECT note FROM tracked_account")).all() == ["for the report"] * 2
    trail = database.execute(
        text("SELECT actor, action, target, host(ip_address) AS ip_address FROM audit_event ORDER BY id")
    )
    assert trail.all() == [("ada", "account_tracked", name, "192.0.2.1") for name in ("octocat", "hubot")]


def test_what_is_tracked_already_is_said_and_starts_nothing(database, people):
    ada, _ = people
    tracking_commands.request_tracking(database, ada, ["octocat"], NOW, ORIGIN)
    again = tracking_commands.request_tracking(database, ada, ["OctoCat"], NOW, ORIGIN)
    assert again == tracking_commands.TrackingResult(already_tracked=("OctoCat",))
    assert tracked_logins(database) == ["octocat"]


def test_where_an_admin_decides_a_wish_waits_once(database, people, approval):
    ada, grace = people
    for _ in range(2):
        assert tracking_commands.request_tracking(database, ada, ["octocat"], NOW, ORIGIN).awaiting_approval == (
            "octocat",
        )
    assert tracked_logins(database) == []
    (wish,) = pending_requests(database)
    assert (wish.login, wish.username) == ("octocat", "ada")
    granted = tracking_commands.decide_requests(database, grace, [wish.id], NOW, ORIGIN, approved=True)
    assert granted.tracked == ("octocat",)
    assert tracked_logins(database) == ["octocat"]
    assert pending_requests(database) == []


def test_a_declined_wish_tracks_nothing_and_may_be_asked_again(database, people, approval):
    ada, grace = people
    tracking_commands.request_tracking(database, ada, ["octocat"], NOW, ORIGIN)
    (wish,) = pending_requests(database)
    tracking_commands.decide_requests(database, grace, [wish.id], NOW, ORIGIN, approved=False)
    assert tracked_logins(database) == []
    with pytest.raises(NotFound):
        tracking_commands.decide_requests(database, grace, [wish.id], NOW, ORIGIN, approved=True)
    assert tracking_commands.request_tracking(database, ada, ["octocat"], NOW, ORIGIN).awaiting_approval == ("octocat",)


def test_an_admin_needs_nobody_and_settles_what_waited(database, people, approval):
    ada, grace = people
    tracking_commands.request_tracking(database, ada, ["octocat"], NOW, ORIGIN)
    assert tracking_commands.request_tracking(database, grace, ["octocat"], NOW, ORIGIN).tracked == ("octocat",)
    assert pending_requests(database) == []


def test_only_admins_decide(database, people, approval):
    ada, _ = people
    tracking_commands.request_tracking(database, ada, ["octocat"], NOW, ORIGIN)
    with pytest.raises(Forbidden):
        tracking_commands.decide_requests(database, ada, [pending_requests(database)[0].id], NOW, ORIGIN, approved=True)


def test_wishes_that_are_granted_together_are_one_ingestion(database, people, approval):
    ada, grace = people
    tracking_commands.request_tracking(database, ada, ["octocat", "hubot"], NOW, ORIGIN, note="both")
    granted = tracking_commands.decide_requests(
        database, grace, [wish.id for wish in pending_requests(database)], NOW, ORIGIN, approved=True
    )
    assert set(granted.tracked) == {"octocat", "hubot"}
    assert database.scalars(text("SELECT accounts FROM ingestion")).all() == [2]
    assert database.scalars(text("SELECT note FROM tracked_account")).all() == ["both"] * 2
