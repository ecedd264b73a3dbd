"""Tickets are single-use, short-lived and bound to one purpose."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis
from sqlalchemy import Connection, Engine, text

from core.auth import api_keys, people, sessions, sign_in, tickets
from core.auth.tickets import InvalidTicket
from core.errors import BadInput, Conflict, Forbidden, NotFound
from core.queries import people as queries
from tests.core.auth.conftest import ORIGIN, PASSWORD, AddPerson, audit_events, signed_in_identity

NEW_PASSWORD = "Another one 2"


def test_a_ticket_is_single_use(add: AddPerson) -> None:
    ada = add()
    ticket = tickets.issue_sign_in(ada.id, "nonce")
    assert tickets.redeem_sign_in(ticket, "nonce") == ada.id
    with pytest.raises(InvalidTicket):
        tickets.redeem_sign_in(ticket, "nonce")


@pytest.mark.parametrize("nonce", ["other", "", "\0", "\ud800", "x" * 10_000])
def test_a_ticket_is_bound_to_one_browser_and_another_one_uses_it_up(add: AddPerson, nonce: str) -> None:
    ticket = tickets.issue_sign_in(add().id, "nonce")
    for given in (nonce, "nonce"):
        with pytest.raises(InvalidTicket):
            tickets.redeem_sign_in(ticket, given)


@pytest.mark.parametrize("nonce", ["", "nonce"])
def test_a_ticket_without_a_nonce_is_refused(add: AddPerson, nonce: str) -> None:
    ticket = tickets.issue_sign_in(add().id, "")
    with pytest.raises(InvalidTicket):
        tickets.redeem_sign_in(ticket, nonce)


def test_a_ticket_expires_after_half_a_minute(add: AddPerson, now) -> None:
    ada = add()
    ticket = tickets.issue_sign_in(ada.id, "nonce", now)
    with pytest.raises(InvalidTicket):
        tickets.redeem_sign_in(ticket, "nonce", now + timedelta(seconds=30))
    assert tickets.redeem_sign_in(ticket, "nonce", now + timedelta(seconds=29)) == ada.id


@pytest.mark.parametrize("junk", ["", "x", "\0", "\ud800", "🎉", "x" * 10_000, "' OR 1=1 --"])
def test_a_ticket_that_was_never_issued_is_refused(add: AddPerson, junk: str) -> None:
    for use in (
        lambda: tickets.redeem_sign_in(junk, "nonce"),
        lambda: tickets.check_reset(junk),
        lambda: tickets.redeem_reset(junk, NEW_PASSWORD, origin=ORIGIN),
        lambda: tickets.check_invite(junk),
    ):
        with pytest.raises(InvalidTicket):
            use()


def test_a_ticket_is_valid_for_its_kind_only(add: AddPerson) -> None:
    ada = add()
    sign_in_ticket, reset, invite = (
        tickets.issue_sign_in(ada.id, "nonce"),
        tickets.issue_reset("test", ada.id, ORIGIN),
        tickets.issue_invite("test", ORIGIN),
    )
    for given, use in (
        (sign_in_ticket, tickets.check_reset),
        (sign_in_ticket, tickets.check_invite),
        (reset, tickets.check_invite),
        (invite, tickets.check_reset),
        (reset, lambda given: tickets.redeem_sign_in(given, "nonce")),
    ):
        with pytest.raises(InvalidTicket):
            use(given)


def test_stored_values_are_not_valid_tickets(add: AddPerson, database: Connection) -> None:
    ada = add()
    given = [tickets.issue_sign_in(ada.id, "nonce"), tickets.issue_reset("test", ada.id, ORIGIN)]
    _, key = api_keys.create(signed_in_identity(ada), "laptop", None, ORIGIN)
    stored = "".join(
        str(database.execute(text(f"SELECT t::text FROM {table} t")).all())
        for table in ("ticket", "api_key", "session", "audit_event")
    )
    assert not [secret for secret in (*given, key, "nonce") if secret in stored]
    assert all(len(secret) >= 43 for secret in (*given, key))


def test_a_reset_link_sets_the_password_once_and_ends_sessions_and_keys(add: AddPerson, database: Connection) -> None:
    ada = add()
    me = signed_in_identity(ada)
    _, key = api_keys.create(me, "laptop", None, ORIGIN)
    token = tickets.issue_reset("command line", ada.id, ORIGIN)
    assert tickets.redeem_reset(token, NEW_PASSWORD, origin=ORIGIN).id == ada.id
    assert me.session_id is not None
    assert sessions.identity_of(me.session_id) is None
    assert api_keys.identify(key) is None
    assert sign_in.sign_in("ada", NEW_PASSWORD, ORIGIN) == people.get(ada.id)
    with pytest.raises(sign_in.SignInRefused):
        sign_in.sign_in("ada", PASSWORD, ORIGIN)
    with pytest.raises(InvalidTicket):
        tickets.redeem_reset(token, PASSWORD, origin=ORIGIN)
    (link,), (reset,) = audit_events(database, "reset_link_created"), audit_events(database, "password_reset")
    assert (link.actor, link.target) == ("command line", "ada")
    assert (reset.actor, reset.details) == ("ada", {"sessions": 1, "api_keys": 1})


def test_a_reset_can_preserve_api_keys(add: AddPerson) -> None:
    ada = add()
    _, key = api_keys.create(signed_in_identity(ada), "laptop", None, ORIGIN)
    tickets.redeem_reset(
        tickets.issue_reset("test", ada.id, ORIGIN), NEW_PASSWORD, revoke_api_keys=False, origin=ORIGIN
    )
    assert api_keys.identify(key) is not None


def test_a_weak_password_does_not_use_the_reset_link_up(add: AddPerson) -> None:
    ada = add()
    token = tickets.issue_reset("test", ada.id, ORIGIN)
    with pytest.raises(BadInput):
        tickets.redeem_reset(token, "weak", origin=ORIGIN)
    assert tickets.redeem_reset(token, NEW_PASSWORD, origin=ORIGIN) == ada


def test_a_newer_reset_link_invalidates_the_previous_one(add: AddPerson) -> None:
    ada, bob = add("ada"), add("bob")
    others = tickets.issue_reset("test", bob.id, ORIGIN)
    first, second = (tickets.issue_reset("test", ada.id, ORIGIN) for _ in range(2))
    with pytest.raises(InvalidTicket):
        tickets.check_reset(first)
    assert tickets.check_reset(second) == ada
    assert tickets.check_reset(others) == bob


def test_a_reset_link_expires_after_an_hour(add: AddPerson, now) -> None:
    token = tickets.issue_reset("test", add().id, ORIGIN, now)
    tickets.check_reset(token, now + timedelta(minutes=59))
    with pytest.raises(InvalidTicket):
        tickets.redeem_reset(token, NEW_PASSWORD, origin=ORIGIN, now=now + timedelta(hours=1))


def test_simultaneous_uses_of_a_reset_link_set_one_password(committing_database: Engine, redis: Redis) -> None:
    ada = people.create("ada", actor="test", password=PASSWORD)
    token = tickets.issue_reset("test", ada.id, ORIGIN)

    def use(number: int) -> bool:
        try:
            tickets.redeem_reset(token, f"{NEW_PASSWORD}{number}", origin=ORIGIN)
        except InvalidTicket:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(use, range(4))) == [False, False, False, True]


@pytest.mark.parametrize("days", [0, -1, 91, 10**9])
def test_an_invitation_has_a_limited_number_of_days(add: AddPerson, days: int) -> None:
    with pytest.raises(BadInput, match="for 1 to 90 days"):
        tickets.issue_invite("test", ORIGIN, days=days)


def test_an_invitation_expires(add: AddPerson, database: Connection, now) -> None:
    invite = tickets.issue_invite("test", ORIGIN, email="ada@example.org", days=2, now=now)
    assert tickets.check_invite(invite, now + timedelta(days=1)).expires_at == now + timedelta(days=2)
    with pytest.raises(InvalidTicket):
        tickets.check_invite(invite, now + timedelta(days=2))
    assert audit_events(database, "invite_created")[0].target == "ada@example.org"


def test_an_invitation_can_be_withdrawn_until_it_is_used(add: AddPerson, database: Connection) -> None:
    root, ada = signed_in_identity(add("root", role="admin")), signed_in_identity(add("ada"))
    remaining = tickets.issue_invite(root, ORIGIN)
    token = tickets.issue_invite(root, ORIGIN, role="admin", email="eve@example.org", days=1)
    first, second = queries.invitations(datetime.now(UTC)).to_dict("records")
    assert (first["role"], first["email"], first["invited_by"]) == ("admin", "eve@example.org", "root")
    assert (second["role"], second["email"]) == ("analyst", None)
    with pytest.raises(Forbidden):
        tickets.revoke_invite(ada, first["id"], ORIGIN)
    tickets.revoke_invite(root, first["id"], ORIGIN)
    with pytest.raises(InvalidTicket):
        tickets.check_invite(token)
    with pytest.raises(NotFound):
        tickets.revoke_invite(root, first["id"], ORIGIN)
    with pytest.raises(NotFound):
        tickets.revoke_invite(root, token, ORIGIN)
    assert tickets.check_invite(remaining).role == "analyst"
    (event,) = audit_events(database, "invite_withdrawn")
    assert (event.actor, event.target, event.details) == ("root", "eve@example.org", {"role": "admin"})


def test_closed_registration_allows_no_invitations(add: AddPerson, setting: Callable[..., None]) -> None:
    setting(registration="closed")
    with pytest.raises(Conflict, match="REGISTRATION=closed"):
        tickets.issue_invite("test", ORIGIN)
    with pytest.raises(BadInput):
        tickets.issue_invite("test", ORIGIN, role="root")
    with pytest.raises(NotFound):
        tickets.issue_reset("test", 0, ORIGIN)
