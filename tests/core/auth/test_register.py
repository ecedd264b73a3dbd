"""Registration: who may register, with which role, and its limits."""

from collections.abc import Callable

import bcrypt
import pytest
from redis import Redis
from sqlalchemy import Connection, text

from core.auth import people, sign_in, tickets
from core.auth.identity import Origin
from core.auth.people import Person
from core.auth.tickets import InvalidTicket
from core.errors import BadInput, Conflict, Forbidden, RateLimitExceeded
from tests.core.auth.conftest import ORIGIN, PASSWORD, AddPerson, audit_events, signed_in_identity

Setting = Callable[..., None]


def register(username: str = "ada", origin: Origin = ORIGIN, invite: str | None = None, email: str = "") -> Person:
    return sign_in.register(username, PASSWORD, email, None, origin, invite)


def test_a_registered_person_is_an_analyst_and_can_sign_in(database: Connection, redis: Redis) -> None:
    ada = sign_in.register("Ada", PASSWORD, "ada@example.org", "Ada Lovelace", ORIGIN)
    assert (ada.username, ada.email, ada.display_name, ada.role) == (
        "Ada",
        "ada@example.org",
        "Ada Lovelace",
        "analyst",
    )
    assert sign_in.sign_in("ada", PASSWORD, ORIGIN) == ada
    (event,) = audit_events(database, "registered")
    assert (event.actor, event.person_id, event.ip_address) == ("Ada", ada.id, "192.0.2.7")
    assert event.details == {"role": "analyst", "invited": False}


@pytest.mark.parametrize(
    "user_text", ["🎉" * 10, "مريم", "'; DROP TABLE person; --", "<img src=x onerror=alert(1)>", "%s %(x)s :name"]
)
def test_registered_values_are_stored_unchanged(database: Connection, redis: Redis, user_text: str) -> None:
    person = sign_in.register("ada", PASSWORD, None, user_text, ORIGIN)
    assert people.find_by_username("ADA") == person
    assert person.display_name == user_text


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"username": ""}, "A username has 3 to 32"),
        ({"username": "x" * 10_000}, "A username has 3 to 32"),
        ({"username": "\u0430dmin"}, "A username has 3 to 32"),
        ({"password": "x" * 10_000}, "A password has at most 128"),
        ({"password": "weak"}, "A password has at least 8"),
        ({"password": "Pass\0word1"}, "A password contains a character that cannot be used"),
        ({"email": "nonsense"}, "Not an e-mail address"),
        ({"email": "x" * 10_000 + "@example.org"}, "at most 254"),
        ({"display_name": "x" * 10_000}, "A name has at most 100"),
        ({"display_name": "a\0b"}, "A name cannot contain"),
    ],
)
def test_invalid_input_is_refused_with_a_sentence_and_changes_nothing(
    database: Connection, redis: Redis, changed: dict[str, str], sentence: str
) -> None:
    given = {"username": "ada", "password": PASSWORD, "email": "", "display_name": ""} | changed
    with pytest.raises(BadInput, match=sentence):
        sign_in.register(given["username"], given["password"], given["email"], given["display_name"], ORIGIN)
    assert database.scalar(text("SELECT count(*) FROM person")) == 0


def test_a_taken_name_is_refused_after_the_same_work(add: AddPerson, monkeypatch: pytest.MonkeyPatch) -> None:
    add("Zoe")
    hashed: list[bytes] = []
    real = bcrypt.hashpw
    monkeypatch.setattr(bcrypt, "hashpw", lambda *given: hashed.append(given[0]) or real(*given))
    with pytest.raises(Conflict, match="The username ZOE is taken"):
        register("ZOE")
    register("zoo")
    assert len(hashed) == 2


def test_an_email_address_belongs_to_one_person(add: AddPerson) -> None:
    register("ada", email="ada@example.org")
    with pytest.raises(Conflict, match="is already registered"):
        register("bob", email="ADA@example.org")
    register("carol")
    register("dave")


def test_closed_registration_refuses_everybody(database: Connection, redis: Redis, setting: Setting) -> None:
    setting(registration="closed")
    with pytest.raises(Forbidden, match="Registration is closed"):
        register()
    with pytest.raises(Forbidden):
        register(invite="anything")


def test_registration_is_closed_outside_loopback_by_default(
    database: Connection, redis: Redis, setting: Setting
) -> None:
    setting(host="0.0.0.0")
    with pytest.raises(Forbidden):
        register()


def test_an_invitation_registers_one_person(add: AddPerson, database: Connection, setting: Setting) -> None:
    setting(registration="invite")
    root = signed_in_identity(add("root", role="admin"))
    with pytest.raises(Forbidden, match="needs an invitation"):
        register()
    invite = tickets.issue_invite(root, ORIGIN, role="admin", email="ada@example.org")
    assert tickets.check_invite(invite).role == "admin"
    with pytest.raises(Conflict):
        register("ROOT", invite=invite)  # a taken name does not use the invitation up
    ada = register("ada", invite=invite)
    assert (ada.role, ada.email) == ("admin", "ada@example.org")
    with pytest.raises(InvalidTicket, match="already used"):
        register("bob", invite=invite)
    assert people.find_by_username("bob") is None
    assert audit_events(database, "registered")[0].details == {"role": "admin", "invited": True}


def test_an_invitation_for_an_email_address_is_valid_only_for_it(add: AddPerson, database: Connection) -> None:
    invite = tickets.issue_invite(signed_in_identity(add("root", role="admin")), ORIGIN, email="ada@example.org")
    with pytest.raises(BadInput, match="for another e-mail address"):
        register("eve", invite=invite, email="eve@example.org")
    assert people.find_by_username("eve") is None
    assert register("ada", invite=invite, email="Ada@example.org").email == "ada@example.org"


def test_no_registration_creates_an_admin(database: Connection, redis: Redis) -> None:
    with pytest.raises(InvalidTicket):
        register(invite="made up")
    assert register().role == "analyst"


def test_registrations_from_one_address_are_limited(database: Connection, redis: Redis, setting: Setting) -> None:
    setting(limit_sign_in="1/minute")
    for number in range(6):
        register(f"name{number}")
    with pytest.raises(RateLimitExceeded, match="Too many registrations from your IP address; try again in"):
        register("one-more")
    assert register("elsewhere", Origin("203.0.113.9")).username == "elsewhere"
