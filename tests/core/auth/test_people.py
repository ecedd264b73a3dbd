"""People are added, promoted, kept out: by admins alone, and never so that no admin is left."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Connection, Engine, text

from core.auth import api_keys, people, tickets
from core.auth.identity import Identity
from core.errors import BadInput, Conflict, Forbidden, NotHere

from .conftest import HERE, PASSWORD, Add, as_identity, told


def test_an_admin_adds_somebody_who_sets_their_own_password(add: Add, database: Connection) -> None:
    root = as_identity(add("root", role="admin"))
    ada = people.create("ada", actor=root, email="ada@example.org", origin=HERE)
    assert people.find("ADA") == people.get(ada.id) == ada
    token = tickets.issue_reset(root, ada.id, HERE)
    assert tickets.check_reset(token) == ada
    event = told(database, "person_created")[-1]
    assert (event.actor, event.person_id, event.target) == ("root", root.person_id, "ada")
    assert event.details == {"role": "analyst"}


def acts(actor: Identity, victim: int) -> list[Any]:
    return [
        lambda: people.create("eve", actor=actor, role="admin"),
        lambda: people.change_role(actor, victim, "admin", HERE),
        lambda: people.set_active(actor, victim, False, HERE),
        lambda: tickets.issue_reset(actor, victim, HERE),
        lambda: tickets.issue_invite(actor, HERE, "admin"),
    ]


def test_an_analyst_may_none_of_it(add: Add, database: Connection) -> None:
    ada, root = add("ada"), add("root", role="admin")
    analyst = as_identity(ada)
    before = database.execute(text("SELECT * FROM person ORDER BY id")).all()
    for act in acts(analyst, root.id):
        with pytest.raises(Forbidden):
            act()
    # Nor with an identity that claims more than the row, or that was an admin's a moment ago.
    for act in acts(Identity(ada.id, "ada", "admin"), root.id):
        with pytest.raises(Forbidden):
            act()
    assert database.execute(text("SELECT * FROM person ORDER BY id")).all() == before
    assert database.scalar(text("SELECT count(*) FROM ticket")) == 0


def test_a_change_of_role_is_noted(add: Add, database: Connection) -> None:
    root, ada = as_identity(add("root", role="admin")), add("ada")
    assert people.change_role(root, ada.id, "admin", HERE).role == "admin"
    people.change_role(root, ada.id, "admin", HERE)  # nothing changes, nothing is noted
    (event,) = told(database, "role_changed")
    assert (event.actor, event.target, event.details) == ("root", "ada", {"before": "analyst", "after": "admin"})


def test_the_last_admin_stays(add: Add) -> None:
    root = as_identity(add("root", role="admin"))
    with pytest.raises(Conflict, match="This is the last admin"):
        people.change_role(root, root.person_id, "analyst", HERE)
    with pytest.raises(Conflict, match="This is the last admin"):
        people.set_active(root, root.person_id, False, HERE)
    other = add("other", role="admin")
    people.set_active(root, other.id, False, HERE)  # who rests does not count
    with pytest.raises(Conflict):
        people.change_role(root, root.person_id, "analyst", HERE)


def test_of_two_admins_who_demote_each_other_one_stays(committing_database: Engine, redis: Redis) -> None:
    for _ in range(5):
        with committing_database.begin() as connection:
            connection.execute(text("TRUNCATE person CASCADE"))
        one, two = (people.create(name, actor="test", role="admin") for name in ("one", "two"))
        together = Barrier(2)

        def demote(victim: int, together: Barrier = together) -> bool:
            together.wait(10)
            try:
                people.change_role("test", victim, "analyst", HERE)
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            done = list(pool.map(demote, (one.id, two.id)))
        assert sorted(done) == [False, True]


def test_who_is_deactivated_keeps_nothing_that_opens(add: Add, database: Connection) -> None:
    root, ada = as_identity(add("root", role="admin")), add("ada")
    _, key = api_keys.create(as_identity(ada), "laptop", None, HERE)
    link, ticket = tickets.issue_reset(root, ada.id, HERE), tickets.issue_sign_in(ada.id, "nonce")
    people.set_active(root, ada.id, False, HERE)
    assert api_keys.identify(key) is None
    for use in (lambda: tickets.check_reset(link), lambda: tickets.redeem_sign_in(ticket, "nonce")):
        with pytest.raises(tickets.InvalidTicket):
            use()
    with pytest.raises(Conflict, match="ada is deactivated"):
        tickets.issue_reset(root, ada.id, HERE)
    assert people.set_active(root, ada.id, True, HERE).active
    assert api_keys.identify(key) is not None
    assert [event.target for event in told(database, "deactivated") + told(database, "activated")] == ["ada", "ada"]


@pytest.mark.parametrize("end", ["role", "active"])
def test_links_do_not_outlive_the_admin_who_made_them(add: Add, database: Connection, end: str) -> None:
    root, other = add("root", role="admin"), as_identity(add("eve", role="admin"))
    kept = tickets.issue_invite(as_identity(root), HERE)
    invite = tickets.issue_invite(other, HERE, role="admin")
    reset = tickets.issue_reset(other, root.id, HERE)
    if end == "role":
        people.change_role("test", other.person_id, "analyst", HERE)
    else:
        people.set_active("test", other.person_id, False, HERE)
    with pytest.raises(tickets.InvalidTicket):
        tickets.check_invite(invite)
    with pytest.raises(tickets.InvalidTicket):
        tickets.check_reset(reset)
    assert tickets.check_invite(kept).role == "analyst"


@pytest.mark.parametrize("values", [{"x": "a\0"}, {"x": "\ud800"}, {"x": "y" * 5_000}])
def test_preferences_that_cannot_be_kept_are_refused(add: Add, values: dict[str, str]) -> None:
    ada = add()
    with pytest.raises(BadInput):
        people.set_preferences(ada.id, **values)
    assert people.get(ada.id).preferences == {}


def test_preferences_are_merged_and_taken_away(add: Add) -> None:
    ada = add()
    people.set_preferences(ada.id, theme="dark", rows=50, name="🎉")
    assert people.set_preferences(ada.id, theme=None) == {"rows": 50, "name": "🎉"}
    assert people.get(ada.id).preferences == {"rows": 50, "name": "🎉"}


def test_preferences_do_not_pile_up(add: Add) -> None:
    ada = add()
    people.set_preferences(ada.id, **{"a" * 3_000: 1})
    with pytest.raises(BadInput, match="more than can be kept"):
        people.set_preferences(ada.id, **{"b" * 3_000: 1})


def test_who_is_not_there_is_not_here(add: Add) -> None:
    for act in (
        lambda: people.get(10**12),
        lambda: people.set_preferences(10**12, a=1),
        lambda: people.change_role("test", 10**12, "admin", HERE),
        lambda: people.set_active("test", 10**12, False, HERE),
        lambda: tickets.issue_reset("test", 10**12, HERE),
    ):
        with pytest.raises(NotHere):
            act()
    for name in ("", "nobody", "a\0", "x" * 10_000, "\ud800"):
        assert people.find(name) is None


def test_there_are_two_roles(add: Add) -> None:
    ada = add()
    with pytest.raises(BadInput, match="no role 'root'"):
        people.create("eve", actor="test", role="root")
    with pytest.raises(BadInput):
        people.change_role("test", ada.id, "root", HERE)  # type: ignore[arg-type]
    with pytest.raises(BadInput):
        people.create("eve", actor="test", password="weak")
    with pytest.raises(Conflict):
        people.create("ADA", actor="test", password=PASSWORD)
