"""People as admins see them."""

from datetime import timedelta
from uuid import uuid4

from sqlalchemy import Connection, insert

from core.db import schema
from core.queries import people
from core.queries.people import PeopleCounts
from tests.seed_data import utc

NOW = utc("2026-03-10 12:00")


def add_person(database: Connection, username: str, **values: object) -> int:
    given = {"role": "analyst", **values}
    added = database.execute(insert(schema.person).values(username=username, **given).returning(schema.person.c.id))
    return int(added.scalar_one())


def add_session(database: Connection, person_id: int, *, seen: str = "2026-03-10 11:00", **values: object) -> None:
    given = {"access_expires_at": NOW, "expires_at": NOW + timedelta(days=1), "last_seen_at": utc(seen), **values}
    database.execute(insert(schema.session).values(id=uuid4(), person_id=person_id, **given))


def add_api_key(database: Connection, person_id: int, name: str, **values: object) -> None:
    database.execute(
        insert(schema.api_key).values(person_id=person_id, name=name, hash=name.encode(), hint="abcd", **values)
    )


def usernames(**asked: object) -> list[str]:
    return list(people.list_people(NOW, **asked)["username"])


def test_people_are_listed_by_name_whatever_its_case(database):
    for name in ("bob", "Ada", "cy"):
        add_person(database, name)
    assert usernames() == ["Ada", "bob", "cy"]


def test_search_finds_a_part_of_username_email_and_display_name(database):
    add_person(database, "ada", email="countess@example.org", display_name="Ada Lovelace")
    add_person(database, "bob")
    for part in ("AD", "COUNT", "lovel", " ada "):
        assert usernames(search=part) == ["ada"]
    assert usernames(search="nobody") == []


def test_wildcards_in_the_search_are_literal(database):
    add_person(database, "per_cent")
    add_person(database, "percent")
    assert usernames(search="r_c") == ["per_cent"]
    assert usernames(search="%") == []
    assert usernames(search="'; DROP TABLE person; --") == []


def test_filters_by_role_and_state_combine(database):
    add_person(database, "ada", role="admin")
    add_person(database, "bob", role="admin", active=False)
    add_person(database, "cy")
    assert usernames(role="admin") == ["ada", "bob"]
    assert usernames(role="admin", active=True) == ["ada"]
    assert usernames(active=False) == ["bob"]


def test_only_open_sessions_and_valid_keys_are_counted(database):
    ada = add_person(database, "ada", role="admin")
    add_session(database, ada)
    add_session(database, ada, revoked_at=NOW)
    add_session(database, ada, expires_at=NOW - timedelta(seconds=1))
    add_api_key(database, ada, "valid")
    add_api_key(database, ada, "later", expires_at=NOW + timedelta(days=1))
    add_api_key(database, ada, "over", expires_at=NOW)
    add_api_key(database, ada, "revoked", revoked_at=NOW)
    row = people.list_people(NOW).iloc[0]
    assert (row["sessions"], row["api_keys"]) == (1, 2)
    assert people.people_counts(NOW) == PeopleCounts(people=1, admins=1, inactive=0, sessions=1, invitations=0)


def test_invitations_are_counted_until_they_expire(database):
    for place, (purpose, days) in enumerate((("invite", 1), ("invite", -1), ("reset", 1))):
        database.execute(
            insert(schema.ticket).values(hash=bytes([place]), purpose=purpose, expires_at=NOW + timedelta(days=days))
        )
    assert people.people_counts(NOW).invitations == 1


def test_open_sessions_are_listed_most_recently_used_first(database):
    ada, bob = add_person(database, "ada"), add_person(database, "bob")
    add_session(database, ada, seen="2026-03-09 08:00", ip_address="192.0.2.7", user_agent="old")
    add_session(database, ada, seen="2026-03-10 08:00", user_agent="new")
    add_session(database, ada, user_agent="ended", revoked_at=NOW)
    add_session(database, bob, user_agent="somebody else's")
    found = people.sessions(ada, NOW)
    assert list(found["device"]) == ["new", "old"]
    assert found["ip_address"].iloc[1] == "192.0.2.7"


def test_keys_are_listed_with_their_state_and_without_the_key(database):
    ada = add_person(database, "ada")
    add_api_key(database, ada, "valid", created_at=NOW - timedelta(days=1))
    add_api_key(database, ada, "over", created_at=NOW - timedelta(days=2), expires_at=NOW)
    add_api_key(database, ada, "revoked", created_at=NOW - timedelta(days=3), revoked_at=NOW)
    found = people.api_keys(ada, NOW)
    assert dict(zip(found["name"], found["state"], strict=True)) == {
        "valid": "valid",
        "over": "expired",
        "revoked": "revoked",
    }
    assert "hash" not in found.columns


def test_passwords_are_in_no_frame(database):
    ada = add_person(database, "ada", password_hash="$2b$12$secret")
    for found in (people.list_people(NOW), people.sessions(ada, NOW), people.api_keys(ada, NOW)):
        assert "secret" not in found.to_csv()
