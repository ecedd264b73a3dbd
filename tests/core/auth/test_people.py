"""Admins alone add, promote and deactivate people, and one active admin always remains."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Connection, Engine, text

from core.auth import api_keys, people, tickets
from core.auth.identity import Identity
from core.errors import BadInput, Conflict, Forbidden, NotFound
from tests.core.auth.conftest import ORIGIN, PASSWORD, AddPerson, audit_events, signed_in_identity


def test_a_person_added_by_an_admin_sets_their_own_password(add: AddPerson, database: Connection) -> None:
    root = signed_in_identity(add("root", role="admin"))
    ada = people.create("ada", actor=root, email="ada@example.org", origin=ORIGIN)
    assert people.find_by_username("ADA") == people.get(ada.id) == ada
    token = tickets.issue_reset(root, ada.id, ORIGIN)
    assert tickets.check_reset(token) == ada
    event = audit_events(database, "person_created")[-1]
    assert (event.actor, event.person_id, event.target) == ("root", root.person_id, "ada")
    assert event.details == {"role": "analyst"}


def admin_actions(actor: Identity, victim: int) -> list[Any]:
    return [
        lambda: people.create("eve", actor=actor, role="admin"),
        lambda: people.change_role(actor, victim, "admin", ORIGIN),
        lambda: people.set_active(actor, victim, False, ORIGIN),
        lambda: tickets.issue_reset(actor, victim, ORIGIN),
        lambda: tickets.issue_invite(actor, ORIGIN, "admin"),
    ]


def test_an_analyst_may_do_no_admin_action(add: AddPerson, database: Connection) -> None:
    ada, root = add("ada"), add("root", role="admin")
    analyst = signed_in_identity(ada)
    before = database.execute(text("SELECT * FROM person ORDER BY id")).all()
    for act in admin_actions(analyst, root.id):
        with pytest.raises(Forbidden):
            act()
    # Nor with an identity that claims a higher role than its row, or that was an admin's before.
    for act in admin_actions(Identity(ada.id, "ada", "admin"), root.id):
        with pytest.raises(Forbidden):
            act()
    assert database.execute(text("SELECT * FROM person ORDER BY id")).all() == before
    assert database.scalar(text("SELECT count(*) FROM ticket")) == 0


def test_a_change_of_role_is_audited(add: AddPerson, database: Connection) -> None:
    root, ada = signed_in_identity(add("root", role="admin")), add("ada")
    assert people.change_role(root, ada.id, "admin", ORIGIN).role == "admin"
    people.change_role(root, ada.id, "admin", ORIGIN)  # an unchanged role writes no audit event
    (event,) = audit_events(database, "role_changed")
    assert (event.actor, event.target, event.details) == ("root", "ada", {"before": "analyst", "after": "admin"})


def test_the_last_admin_cannot_be_removed(add: AddPerson) -> None:
    root = signed_in_identity(add("root", role="admin"))
    with pytest.raises(Conflict, match="This is the last admin"):
        people.change_role(root, root.person_id, "analyst", ORIGIN)
    with pytest.raises(Conflict, match="This is the last admin"):
        people.set_active(root, root.person_id, False, ORIGIN)
    other = add("other", role="admin")
    people.set_active(root, other.id, False, ORIGIN)  # a deactivated admin does not count
    with pytest.raises(Conflict):
        people.change_role(root, root.person_id, "analyst", ORIGIN)


def test_of_two_admins_who_demote_each_other_one_remains(committing_database: Engine, redis: Redis) -> None:
    for _ in range(5):
        with committing_database.begin() as connection:
            connection.execute(text("TRUNCATE person CASCADE"))
        one, two = (people.create(name, actor="test", role="admin") for name in ("one", "two"))
        together = Barrier(2)

        def demote(victim: int, together: Barrier = together) -> bool:
            together.wait(60)
            try:
                people.change_role("test", victim, "analyst", ORIGIN)
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            done = list(pool.map(demote, (one.id, two.id)))
        assert sorted(done) == [False, True]


def test_deactivation_revokes_every_credential(add: AddPerson, database: Connection) -> None:
    root, ada = signed_in_identity(add("root", role="admin")), add("ada")
    _, key = api_keys.create(signed_in_identity(ada), "laptop", None, ORIGIN)
    link, ticket = tickets.issue_reset(root, ada.id, ORIGIN), tickets.issue_sign_in(ada.id, "nonce")
    people.set_active(root, ada.id, False, ORIGIN)
    assert api_keys.identify(key) is None
    for use in (lambda: tickets.check_reset(link), lambda: tickets.redeem_sign_in(ticket, "nonce")):
        with pytest.raises(tickets.InvalidTicket):
            use()
    with pytest.raises(Conflict, match="ada is deactivated"):
        tickets.issue_reset(root, ada.id, ORIGIN)
    assert people.set_active(root, ada.id, True, ORIGIN).active
    assert api_keys.identify(key) is not None
    assert [
        event.target
        for event in audit_events(database, "person_deactivated") + audit_events(database, "person_activated")
    ] == [
        "ada",
        "ada",
    ]


@pytest.mark.parametrize("end", ["role", "active"])
def test_links_are_invalid_once_their_issuer_is_no_active_admin(add: AddPerson, database: Connection, end: str) -> None:
    root, other = add("root", role="admin"), signed_in_identity(add("eve", role="admin"))
    remaining = tickets.issue_invite(signed_in_identity(root), ORIGIN)
    invite = tickets.issue_invite(other, ORIGIN, role="admin")
    reset = tickets.issue_reset(other, root.id, ORIGIN)
    if end == "role":
        people.change_role("test", other.person_id, "analyst", ORIGIN)
    else:
        people.set_active("test", other.person_id, False, ORIGIN)
    with pytest.raises(tickets.InvalidTicket):
        tickets.check_invite(invite)
    with pytest.raises(tickets.InvalidTicket):
        tickets.check_reset(reset)
    assert tickets.check_invite(remaining).role == "analyst"


@pytest.mark.parametrize("values", [{"x": "a\0"}, {"x": "\ud800"}, {"x": "y" * 5_000}])
def test_invalid_preferences_are_refused(add: AddPerson, values: dict[str, str]) -> None:
    ada = add()
    with pytest.raises(BadInput):
        people.set_preferences(ada.id, **values)
    assert people.get(ada.id).preferences == {}


def test_preferences_are_merged_and_removed(add: AddPerson) -> None:
    ada = add()
    people.set_preferences(ada.id, theme="dark", rows=50, name="🎉")
    assert people.set_preferences(ada.id, theme=None) == {"rows": 50, "name": "🎉"}
    assert people.get(ada.id).preferences == {"rows": 50, "name": "🎉"}


def test_the_size_of_preferences_is_limited(add: AddPerson) -> None:
    ada = add()
    people.set_preferences(ada.id, **{"a" * 3_000: 1})
    with pytest.raises(BadInput, match="together are limited to"):
        people.set_preferences(ada.id, **{"b" * 3_000: 1})


def test_an_unknown_person_is_not_found(add: AddPerson) -> None:
    for act in (
        lambda: people.get(10**12),
        lambda: people.set_preferences(10**12, a=1),
        lambda: people.change_role("test", 10**12, "admin", ORIGIN),
        lambda: people.set_active("test", 10**12, False, ORIGIN),
        lambda: tickets.issue_reset("test", 10**12, ORIGIN),
    ):
        with pytest.raises(NotFound):
            act()
    for name in ("", "nobody", "a\0", "x" * 10_000, "\ud800"):
        assert people.find_by_username(name) is None


def test_there_are_two_roles(add: AddPerson) -> None:
    ada = add()
    with pytest.raises(BadInput, match="Unknown role 'root'"):
        people.create("eve", actor="test", role="root")
    with pytest.raises(BadInput):
        people.change_role("test", ada.id, "root", ORIGIN)  # type: ignore[arg-type]
    with pytest.raises(BadInput):
        people.create("eve", actor="test", password="weak")
    with pytest.raises(Conflict):
        people.create("ADA", actor="test", password=PASSWORD)
