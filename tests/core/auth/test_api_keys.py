"""API keys are shown once, expire or are revoked, and never grant more than their owner's role."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection, text

from core.auth import api_keys, people
from core.auth.identity import Identity
from core.errors import BadInput, Conflict, Forbidden, NotFound
from tests.core.auth.conftest import ORIGIN, AddPerson, audit_events, fail_updates, signed_in_identity


def test_a_key_authenticates_its_owner(add: AddPerson, database: Connection, now) -> None:
    ada = add(role="admin")
    row, key = api_keys.create(signed_in_identity(ada), "laptop 💻", 30, ORIGIN, now)
    who = api_keys.identify(key)
    assert who == Identity(ada.id, "ada", "admin", api_key_id=row.id)
    assert key.startswith("alm_")
    assert row.hint == key[-4:]
    assert (row.name, row.expires_at) == ("laptop 💻", now + timedelta(days=30))
    assert database.scalar(text("SELECT hash FROM api_key")) != key.encode()
    (event,) = audit_events(database, "api_key_created")
    assert (event.actor, event.target, event.details) == ("ada", "laptop 💻", {"days": 30})


def test_a_key_has_the_current_role_of_its_owner(add: AddPerson) -> None:
    ada = add(role="admin")
    add("root", role="admin")
    _, key = api_keys.create(signed_in_identity(ada), "laptop", None, ORIGIN)
    people.change_role("test", ada.id, "analyst", ORIGIN)
    who = api_keys.identify(key)
    assert who is not None
    assert who.role == "analyst"


@pytest.mark.parametrize(
    "junk", ["", "alm_", "alm_" + "x" * 43, "alm_" + "x" * 10_000, "alm_" + "é" * 43, "\0", "\ud800"]
)
def test_an_invalid_key_authenticates_nobody(add: AddPerson, junk: str) -> None:
    assert api_keys.identify(junk) is None


def test_a_key_expires(add: AddPerson, now) -> None:
    _, key = api_keys.create(signed_in_identity(add()), "laptop", 1, ORIGIN, now)
    assert api_keys.identify(key, now + timedelta(hours=23)) is not None
    assert api_keys.identify(key, now + timedelta(days=1)) is None


def test_a_revoked_key_is_refused_and_only_its_owner_can_revoke_it(add: AddPerson, database: Connection) -> None:
    ada, bob = signed_in_identity(add("ada")), signed_in_identity(add("bob"))
    row, key = api_keys.create(ada, "laptop", None, ORIGIN)
    with pytest.raises(NotFound):
        api_keys.revoke(bob, row.id, ORIGIN)
    assert api_keys.identify(key) is not None
    api_keys.revoke(ada, row.id, ORIGIN)
    assert api_keys.identify(key) is None
    assert api_keys.list_active(ada.person_id) == []
    with pytest.raises(NotFound):
        api_keys.revoke(ada, row.id, ORIGIN)
    assert [event.target for event in audit_events(database, "api_key_revoked")] == ["laptop"]


def test_people_see_their_keys_with_the_time_of_last_use(add: AddPerson, now) -> None:
    ada = signed_in_identity(add())
    first, key = api_keys.create(ada, "first", None, ORIGIN, now - timedelta(minutes=5))
    second, _ = api_keys.create(ada, "second", None, ORIGIN, now)
    for seconds in (0, 30, 61):
        api_keys.identify(key, now + timedelta(seconds=seconds))
        used = now + timedelta(seconds=61 if seconds > 60 else 0)
        assert [(row.id, row.last_used_at) for row in api_keys.list_active(ada.person_id)] == [
            (second.id, None),
            (first.id, used),
        ]


def test_a_full_disk_does_not_refuse_a_key(add: AddPerson, database: Connection, now) -> None:
    ada = signed_in_identity(add())
    _, key = api_keys.create(ada, "script", None, ORIGIN, now)
    fail_updates(database, "api_key", "53100")
    identity = api_keys.identify(key, now)
    assert identity is not None
    assert identity.person_id == ada.person_id
    assert [row.last_used_at for row in api_keys.list_active(ada.person_id)] == [None]


@pytest.mark.parametrize(("name", "days"), [("", 1), (" ", 1), ("a\0", 1), ("x" * 200, 1), ("ok", 0), ("ok", 10**9)])
def test_invalid_input_creates_no_key(add: AddPerson, name: str, days: int) -> None:
    with pytest.raises(BadInput):
        api_keys.create(signed_in_identity(add()), name, days, ORIGIN)


def test_a_key_cannot_create_keys(add: AddPerson) -> None:
    _, key = api_keys.create(signed_in_identity(add()), "laptop", None, ORIGIN)
    who = api_keys.identify(key)
    assert who is not None
    with pytest.raises(Forbidden):
        api_keys.create(who, "another", None, ORIGIN)


def test_the_number_of_keys_of_a_person_is_limited(add: AddPerson) -> None:
    ada = signed_in_identity(add())
    rows = [api_keys.create(ada, f"key {number}", None, ORIGIN)[0] for number in range(api_keys.MAX_KEYS)]
    with pytest.raises(Conflict, match="revoke one first"):
        api_keys.create(ada, "one more", None, ORIGIN)
    api_keys.revoke(ada, rows[0].id, ORIGIN)
    api_keys.create(ada, "one more", None, ORIGIN)
