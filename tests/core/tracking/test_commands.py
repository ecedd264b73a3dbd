from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, text

from core.auth.identity import Identity, Origin
from core.db import schema
from core.errors import Forbidden, NotFound
from core.settings import settings
from core.tracking import accounts
from core.tracking import commands as tracking_commands
from tests import seed_data

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
            "SELECT w.id, login, username FROM tracking_request w JOIN person p ON p.id = person_id"
            " WHERE approved IS NULL"
        )
    ).all()


def tracked_logins(connection):
    return connection.scalars(
        text("SELECT login FROM tracked_account JOIN account ON account.id = account_id ORDER BY 1")
    ).all()


def test_a_request_without_approval_tracks_at_once_and_is_audited(database, people):
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


def test_an_account_that_is_already_tracked_starts_nothing(database, people):
    ada, _ = people
    tracking_commands.request_tracking(database, ada, ["octocat"], NOW, ORIGIN)
    again = tracking_commands.request_tracking(database, ada, ["OctoCat"], NOW, ORIGIN)
    assert again == tracking_commands.TrackingResult(already_tracked=("OctoCat",))
    assert tracked_logins(database) == ["octocat"]


def test_with_approval_a_request_is_stored_once(database, people, approval):
    ada, grace = people
    for _ in range(2):
        assert tracking_commands.request_tracking(database, ada, ["octocat"], NOW, ORIGIN).awaiting_approval == (
            "octocat",
        )
    assert tracked_logins(database) == []
    (request,) = pending_requests(database)
    assert (request.login, request.username) == ("octocat", "ada")
    result = tracking_commands.decide_requests(database, grace, [request.id], NOW, ORIGIN, approved=True)
    assert result.tracked == ("octocat",)
    assert tracked_logins(database) == ["octocat"]
    assert pending_requests(database) == []


def test_a_declined_request_tracks_nothing_and_can_be_repeated(database, people, approval):
    ada, grace = people
    tracking_commands.request_tracking(database, ada, ["octocat"], NOW, ORIGIN)
    (request,) = pending_requests(database)
    tracking_commands.decide_requests(database, grace, [request.id], NOW, ORIGIN, approved=False)
    assert tracked_logins(database) == []
    with pytest.raises(NotFound):
        tracking_commands.decide_requests(database, grace, [request.id], NOW, ORIGIN, approved=True)
    assert tracking_commands.request_tracking(database, ada, ["octocat"], NOW, ORIGIN).awaiting_approval == ("octocat",)


def test_an_admin_needs_no_approval_and_closes_pending_requests(database, people, approval):
    ada, grace = people
    tracking_commands.request_tracking(database, ada, ["octocat"], NOW, ORIGIN)
    assert tracking_commands.request_tracking(database, grace, ["octocat"], NOW, ORIGIN).tracked == ("octocat",)
    assert pending_requests(database) == []


def test_only_admins_decide(database, people, approval):
    ada, _ = people
    tracking_commands.request_tracking(database, ada, ["octocat"], NOW, ORIGIN)
    with pytest.raises(Forbidden):
        tracking_commands.decide_requests(database, ada, [pending_requests(database)[0].id], NOW, ORIGIN, approved=True)


def test_requests_approved_together_are_one_ingestion(database, people, approval):
    ada, grace = people
    tracking_commands.request_tracking(database, ada, ["octocat", "hubot"], NOW, ORIGIN, note="both")
    result = tracking_commands.decide_requests(
        database, grace, [request.id for request in pending_requests(database)], NOW, ORIGIN, approved=True
    )
    assert set(result.tracked) == {"octocat", "hubot"}
    assert database.scalars(text("SELECT accounts FROM ingestion")).all() == [2]
    assert database.scalars(text("SELECT note FROM tracked_account")).all() == ["both"] * 2


def test_a_former_login_changes_and_stops_the_tracking_of_the_renamed_account(database, people):
    _, admin = people
    octo = seed_data.add_account(database, "octo", github_id=1)
    seed_data.add_account_version(database, octo, "2026-02-01", login="tentacle")
    accounts.track(database, "octo", None)
    changes = {"Tentacle": {"paused": True}}
    assert tracking_commands.update_tracking(database, admin, changes, NOW, ORIGIN) == 1
    assert database.scalar(text("SELECT paused FROM tracked_account WHERE account_id = :id"), {"id": octo})
    assert tracking_commands.stop_tracking(database, admin, ["tentacle"], ORIGIN) == 1
    assert database.scalar(text("SELECT count(*) FROM tracked_account")) == 0
    targets = database.scalars(text("SELECT target FROM audit_event")).all()
    assert targets == ["octo", "octo"]


def test_tracking_a_former_login_asks_github_who_has_it_now(database, people):
    _, admin = people
    octo = seed_data.add_account(database, "octo", github_id=1)
    seed_data.add_account_version(database, octo, "2026-02-01", login="tentacle")
    accounts.track(database, "octo", None)
    tracked = tracking_commands.request_tracking(database, admin, ["tentacle"], NOW, ORIGIN)
    assert tracked.tracked == ("tentacle",)
    assert accounts.find_account_id(database, "tentacle") != octo


def test_a_changed_cadence_is_what_the_last_capture_expects_of_the_next(database, people):
    """Earlier captures keep that of their time. Nothing is stored up to a day: no gap begins before two days."""
    _, admin = people
    octo = seed_data.add_account(database, "octo", github_id=1, checked_at=NOW)
    accounts.track(database, "octo", None)
    for at in (NOW - timedelta(days=1), NOW):
        database.execute(insert(schema.capture_open).values(account_id=octo, captured_at=at))

    def cadences() -> list[timedelta | None]:
        return list(database.scalars(select(schema.capture_open.c.cadence).order_by(schema.capture_open.c.captured_at)))

    week, hour = timedelta(days=7), timedelta(hours=1)
    tracking_commands.update_tracking(database, admin, {"octo": {"every": week}}, NOW, ORIGIN)
    assert cadences() == [None, week]
    tracking_commands.update_tracking(database, admin, {"octo": {"paused": True}}, NOW, ORIGIN)
    assert cadences() == [None, week]
    tracking_commands.update_tracking(database, admin, {"octo": {"every": hour}}, NOW, ORIGIN)
    assert cadences() == [None, None]


def only(connection):
    return connection.execute(
        text("SELECT login, only_repositories FROM tracked_account JOIN account ON account.id = account_id ORDER BY 1")
    ).all()


def test_a_repository_can_be_tracked_alone_and_its_account_later(database, people):
    ada, _ = people
    for repository, expected in (("Cat", ["cat"]), ("dog", ["cat", "dog"]), ("cat", ["cat", "dog"]), ("", None)):
        tracking_commands.request_tracking(database, ada, ["octo"], NOW, ORIGIN, repository=repository)
        assert only(database) == [("octo", expected)]
    outcome = tracking_commands.request_tracking(database, ada, ["octo"], NOW, ORIGIN, repository="cat")
    assert (outcome.already_tracked, only(database)) == (("octo",), [("octo", None)])


def test_a_request_for_one_repository_is_approved_for_that_alone(database, people, approval):
    ada, admin = people
    tracking_commands.request_tracking(database, ada, ["octo"], NOW, ORIGIN, repository="cat")
    tracking_commands.request_tracking(database, ada, ["octo"], NOW, ORIGIN, repository="dog")
    ids = database.scalars(text("SELECT id FROM tracking_request WHERE repository = 'cat'")).all()
    tracking_commands.decide_requests(database, admin, ids, NOW, ORIGIN, approved=True)
    assert only(database) == [("octo", ["cat"])]


def test_each_repository_has_a_request_of_its_own_until_the_account_is_asked_for(database, people, approval):
    ada, _ = people
    for repository in ("cat", "dog", "Cat", "", "cow", ""):
        tracking_commands.request_tracking(database, ada, ["octo"], NOW, ORIGIN, repository=repository)
    asked_for = database.scalars(text("SELECT repository FROM tracking_request ORDER BY id")).all()
    assert asked_for == ["cat", "dog", None]


def test_requests_for_repositories_of_one_account_are_approved_together(database, people, approval):
    ada, admin = people
    for repository in ("cat", "dog"):
        tracking_commands.request_tracking(database, ada, ["octo"], NOW, ORIGIN, repository=repository)
    ids = [one.id for one in pending_requests(database)]
    result = tracking_commands.decide_requests(database, admin, ids, NOW, ORIGIN, approved=True)
    assert (result.tracked, only(database)) == (("octo",), [("octo", ["cat", "dog"])])


def test_tracking_one_repository_leaves_requests_for_more_to_be_decided(database, people, approval):
    ada, admin = people
    for repository in ("cat", "dog", ""):
        tracking_commands.request_tracking(database, ada, ["octo"], NOW, ORIGIN, repository=repository)
    tracking_commands.request_tracking(database, admin, ["octo"], NOW, ORIGIN, repository="Cat")
    pending = text("SELECT repository FROM tracking_request WHERE decided_at IS NULL ORDER BY id")
    assert database.scalars(pending).all() == ["dog", None]
    tracking_commands.request_tracking(database, admin, ["octo"], NOW, ORIGIN)
    assert pending_requests(database) == []
