"""Sessions: they are begun, carried on and ended for every tab, and the person's row decides what they may."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from redis import Redis
from sqlalchemy import Connection, text

from core.auth import people, sessions, signing_key, tokens
from core.auth.identity import Origin
from core.auth.tokens import InvalidToken
from core.errors import NotSignedIn
from tests.core.auth.conftest import ORIGIN, AddPerson, audit_events

NOW = datetime.now(UTC)


def from_now(**much: float) -> datetime:
    return NOW + timedelta(**much)


def session_column(database: Connection, session_id: UUID, name: str) -> object:
    row = database.execute(text("SELECT * FROM session WHERE id = :id"), {"id": session_id}).mappings().one()
    return row[name]


def test_who_signs_in_is_known_by_their_session(add: AddPerson) -> None:
    ada = add()
    given = sessions.start(ada.id, ORIGIN, NOW)
    claims = tokens.decode_access_token(signing_key.secret_key(), given.access, NOW)
    assert (claims.sub, claims.sid, claims.role) == (ada.id, given.session_id, "analyst")
    assert (given.expires_in, given.refresh_expires_in) == (30 * 60, 7 * 86_400)
    who = sessions.identity_of(given.session_id)
    assert who is not None
    assert (who.person_id, who.username, who.role, who.session_id) == (ada.id, "ada", "analyst", given.session_id)


def test_every_session_is_a_new_one(add: AddPerson) -> None:
    """Nothing that a browser brought can become the name of its session."""
    ada = add()
    assert sessions.start(ada.id, ORIGIN).session_id != sessions.start(ada.id, ORIGIN).session_id


def test_an_unknown_session_is_nobodys(add: AddPerson) -> None:
    assert sessions.identity_of(uuid4()) is None
    with pytest.raises(InvalidToken):
        sessions.refresh(tokens.refresh_token(signing_key.secret_key(), uuid4(), 0), ORIGIN)


def test_nobody_deactivated_gets_a_session(add: AddPerson) -> None:
    ada = add()
    people.set_active("test", ada.id, False, ORIGIN)
    with pytest.raises(NotSignedIn):
        sessions.start(ada.id, ORIGIN)


def test_a_session_that_nobody_refreshed_is_over_for_the_page_but_can_go_on(add: AddPerson) -> None:
    given = sessions.start(add().id, ORIGIN, NOW)
    assert sessions.identity_of(given.session_id, from_now(minutes=29)) is not None
    assert sessions.identity_of(given.session_id, from_now(minutes=31)) is None
    kept = sessions.get_live(given.session_id, from_now(minutes=31))
    assert kept is not None
    assert kept.access_expires_at == from_now(minutes=30)
    sessions.refresh(given.refresh, ORIGIN, from_now(minutes=31))
    assert sessions.identity_of(given.session_id, from_now(minutes=32)) is not None


def test_a_session_ends_a_week_after_it_was_last_used(add: AddPerson) -> None:
    given = sessions.start(add().id, ORIGIN, NOW)
    given = sessions.refresh(given.refresh, ORIGIN, from_now(days=6))
    given = sessions.refresh(given.refresh, ORIGIN, from_now(days=12))
    assert sessions.get_live(given.session_id, from_now(days=18, hours=23)) is not None
    assert sessions.get_live(given.session_id, from_now(days=19, seconds=1)) is None
    with pytest.raises(InvalidToken):
        sessions.refresh(given.refresh, ORIGIN, from_now(days=19, seconds=1))


def test_no_session_lives_for_ever(add: AddPerson) -> None:
    given = sessions.start(add().id, ORIGIN, NOW)
    for day in range(6, 90, 6):
        given = sessions.refresh(given.refresh, ORIGIN, from_now(days=day))
    assert given.refresh_expires_in == 6 * 86_400
    with pytest.raises(InvalidToken):
        sessions.refresh(given.refresh, ORIGIN, from_now(days=90))


def test_shortened_settings_shorten_it(add: AddPerson, setting: Callable[..., None]) -> None:
    setting(access_token_minutes=0.05, refresh_token_days=0.5)
    given = sessions.start(add().id, ORIGIN, NOW)
    assert (given.expires_in, given.refresh_expires_in) == (3, 43_200)
    assert sessions.identity_of(given.session_id, from_now(seconds=4)) is None


def test_signing_out_ends_this_session_alone_and_is_noted(add: AddPerson, database: Connection) -> None:
    ada = add()
    one, other = sessions.start(ada.id, ORIGIN), sessions.start(ada.id, ORIGIN)
    assert sessions.identity_of(one.session_id) is not None  # it is in Redis now
    assert sessions.revoke(one.session_id, "sign_out", origin=ORIGIN)
    assert not sessions.revoke(one.session_id, "sign_out", origin=ORIGIN)
    assert sessions.identity_of(one.session_id) is None
    assert sessions.identity_of(other.session_id) is not None
    with pytest.raises(InvalidToken):
        sessions.refresh(one.refresh, ORIGIN)
    (event,) = audit_events(database, "sign_out")
    assert (event.actor, event.person_id, event.ip_address, event.request_id) == (
        "ada",
        ada.id,
        "192.0.2.7",
        "request-1",
    )


def test_nobody_ends_a_session_of_somebody_else(add: AddPerson) -> None:
    ada, bob = add("ada"), add("bob")
    given = sessions.start(ada.id, ORIGIN)
    assert not sessions.revoke(given.session_id, "ended by owner", person_id=bob.id)
    assert sessions.identity_of(given.session_id) is not None
    assert sessions.revoke(given.session_id, "ended by owner", person_id=ada.id)


def test_all_sessions_end_at_once_but_the_one_that_is_kept(add: AddPerson, database: Connection) -> None:
    ada = add()
    given = [sessions.start(ada.id, ORIGIN).session_id for _ in range(3)]
    others = sessions.start(add("bob").id, ORIGIN).session_id
    assert all(sessions.identity_of(one) for one in given)
    assert sessions.revoke_all(ada.id, "everywhere", keep=given[0]) == 2
    assert [sessions.identity_of(one) is not None for one in [*given, others]] == [True, False, False, True]
    (event,) = audit_events(database, "session_ended")
    assert event.details == {"reason": "everywhere", "sessions": 2}


def test_a_new_role_ends_sessions_and_the_next_one_has_it(add: AddPerson) -> None:
    ada = add(role="admin")
    add("bob", role="admin")
    given = sessions.start(ada.id, ORIGIN)
    assert sessions.identity_of(given.session_id).is_admin  # type: ignore[union-attr]
    people.change_role("test", ada.id, "analyst", ORIGIN)
    assert sessions.identity_of(given.session_id) is None
    again = sessions.start(ada.id, ORIGIN)
    assert not sessions.identity_of(again.session_id).is_admin  # type: ignore[union-attr]


def test_the_role_is_the_rows_whatever_the_token_says(add: AddPerson, database: Connection, redis: Redis) -> None:
    given = sessions.start(add().id, ORIGIN)
    database.execute(text("UPDATE person SET role = 'admin'"))
    assert tokens.decode_access_token(signing_key.secret_key(), given.access, NOW).role == "analyst"
    assert sessions.identity_of(given.session_id).role == "admin"  # type: ignore[union-attr]


def test_who_is_deactivated_is_out_at_once(add: AddPerson) -> None:
    ada = add()
    given = sessions.start(ada.id, ORIGIN)
    assert sessions.identity_of(given.session_id) is not None
    people.set_active("test", ada.id, False, ORIGIN)
    assert sessions.identity_of(given.session_id) is None
    with pytest.raises(InvalidToken):
        sessions.refresh(given.refresh, ORIGIN)


def test_a_new_preference_shows_at_the_next_rerun(add: AddPerson) -> None:
    ada = add()
    given = sessions.start(ada.id, ORIGIN)
    assert sessions.identity_of(given.session_id).preferences == {}  # type: ignore[union-attr]
    people.set_preferences(ada.id, theme="dark")
    assert sessions.identity_of(given.session_id).preferences == {"theme": "dark"}  # type: ignore[union-attr]


def test_people_see_where_their_sessions_are(add: AddPerson) -> None:
    ada = add()
    sessions.start(ada.id, Origin("2001:db8::1", "Firefox\0" + "x" * 1_000), NOW)
    sessions.start(ada.id, Origin("no address", None), from_now(minutes=1))
    ended = sessions.start(ada.id, ORIGIN, from_now(minutes=2))
    sessions.revoke(ended.session_id, "sign_out")
    newest, oldest = sessions.list_active(ada.id)
    assert (newest.ip_address, newest.user_agent, newest.created_at) == (None, None, from_now(minutes=1))
    assert oldest.ip_address == "2001:db8::1"
    assert oldest.user_agent is not None
    assert oldest.user_agent.startswith("Firefox\N{REPLACEMENT CHARACTER}xxx")
    assert len(oldest.user_agent) == 512


def test_who_has_just_signed_in_was_seen(add: AddPerson) -> None:
    ada = add()
    sessions.start(ada.id, ORIGIN, NOW)
    assert people.get(ada.id).last_seen_at == NOW


def test_last_seen_is_written_at_most_once_a_minute(add: AddPerson, database: Connection, redis: Redis) -> None:
    given = sessions.start(add().id, ORIGIN, NOW)
    for seconds, seen in [(30, 0), (70, 70), (100, 70), (131, 131)]:
        redis.flushdb()
        sessions.identity_of(given.session_id, from_now(seconds=seconds))
        assert session_column(database, given.session_id, "last_seen_at") == from_now(seconds=seen)
    assert people.get(add("bob").id).last_seen_at is None
    found = people.find_by_username("ada")
    assert found is not None
    assert found.last_seen_at == from_now(seconds=131)
