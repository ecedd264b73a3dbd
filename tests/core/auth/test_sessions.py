"""Sessions start, refresh and end for all tabs of a browser; permissions come from the person's row."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from redis import Redis
from sqlalchemy import Connection, text

from core.auth import people, sessions, signing_key, tokens
from core.auth.identity import Origin
from core.auth.tokens import InvalidToken
from core.errors import NotSignedIn
from tests.core.auth.conftest import ORIGIN, AddPerson, audit_events, fail_updates


@pytest.fixture
def from_now(now) -> Callable[..., datetime]:
    """Return a function that adds an interval to `now`."""
    return lambda **much: now + timedelta(**much)


def session_column(database: Connection, session_id: UUID, name: str) -> object:
    row = database.execute(text("SELECT * FROM session WHERE id = :id"), {"id": session_id}).mappings().one()
    return row[name]


def test_a_session_identifies_the_person_who_signed_in(add: AddPerson, now) -> None:
    ada = add()
    started = sessions.start(ada.id, ORIGIN, now)
    claims = tokens.decode_access_token(signing_key.secret_key(), started.access, now)
    assert (claims.sub, claims.sid, claims.role) == (ada.id, started.session_id, "analyst")
    assert (started.expires_in, started.refresh_expires_in) == (30 * 60, 7 * 86_400)
    identity = sessions.identity_of(started.session_id)
    assert identity is not None
    assert (identity.person_id, identity.username, identity.role, identity.session_id) == (
        ada.id,
        "ada",
        "analyst",
        started.session_id,
    )


def test_every_sign_in_starts_a_new_session(add: AddPerson) -> None:
    """A value sent by the browser never becomes a session id."""
    ada = add()
    assert sessions.start(ada.id, ORIGIN).session_id != sessions.start(ada.id, ORIGIN).session_id


def test_an_unknown_session_id_identifies_nobody(add: AddPerson) -> None:
    assert sessions.identity_of(uuid4()) is None
    with pytest.raises(InvalidToken):
        sessions.refresh(tokens.refresh_token(signing_key.secret_key(), uuid4(), 0), ORIGIN)


def test_a_deactivated_person_gets_no_session(add: AddPerson) -> None:
    ada = add()
    people.set_active("test", ada.id, False, ORIGIN)
    with pytest.raises(NotSignedIn):
        sessions.start(ada.id, ORIGIN)


def test_an_expired_access_ends_at_the_page_but_the_session_can_be_refreshed(add: AddPerson, now, from_now) -> None:
    started = sessions.start(add().id, ORIGIN, now)
    assert sessions.identity_of(started.session_id, from_now(minutes=29)) is not None
    assert sessions.identity_of(started.session_id, from_now(minutes=31)) is None
    live = sessions.get_live(started.session_id, from_now(minutes=31))
    assert live is not None
    assert live.access_expires_at == from_now(minutes=30)
    sessions.refresh(started.refresh, ORIGIN, from_now(minutes=31))
    assert sessions.identity_of(started.session_id, from_now(minutes=32)) is not None


def test_a_session_expires_a_week_after_its_last_use(add: AddPerson, now, from_now) -> None:
    started = sessions.start(add().id, ORIGIN, now)
    started = sessions.refresh(started.refresh, ORIGIN, from_now(days=6))
    started = sessions.refresh(started.refresh, ORIGIN, from_now(days=12))
    assert sessions.get_live(started.session_id, from_now(days=18, hours=23)) is not None
    assert sessions.get_live(started.session_id, from_now(days=19, seconds=1)) is None
    with pytest.raises(InvalidToken):
        sessions.refresh(started.refresh, ORIGIN, from_now(days=19, seconds=1))


def test_a_session_has_a_maximum_lifetime(add: AddPerson, now, from_now) -> None:
    started = sessions.start(add().id, ORIGIN, now)
    for day in range(6, 90, 6):
        started = sessions.refresh(started.refresh, ORIGIN, from_now(days=day))
    assert started.refresh_expires_in == 6 * 86_400
    with pytest.raises(InvalidToken):
        sessions.refresh(started.refresh, ORIGIN, from_now(days=90))


def test_shorter_settings_shorten_existing_sessions(
    add: AddPerson, setting: Callable[..., None], now, from_now
) -> None:
    setting(access_token_minutes=0.05, refresh_token_days=0.5)
    started = sessions.start(add().id, ORIGIN, now)
    assert (started.expires_in, started.refresh_expires_in) == (3, 43_200)
    assert sessions.identity_of(started.session_id, from_now(seconds=4)) is None


def test_sign_out_ends_this_session_only_and_is_audited(add: AddPerson, database: Connection) -> None:
    ada = add()
    one, other = sessions.start(ada.id, ORIGIN), sessions.start(ada.id, ORIGIN)
    assert sessions.identity_of(one.session_id) is not None  # Redis caches the session
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


def test_a_session_of_another_person_cannot_be_ended(add: AddPerson) -> None:
    ada, bob = add("ada"), add("bob")
    started = sessions.start(ada.id, ORIGIN)
    assert not sessions.revoke(started.session_id, "ended by owner", person_id=bob.id)
    assert sessions.identity_of(started.session_id) is not None
    assert sessions.revoke(started.session_id, "ended by owner", person_id=ada.id)


def test_all_sessions_except_the_excluded_one_end_at_once(add: AddPerson, database: Connection) -> None:
    ada = add()
    started = [sessions.start(ada.id, ORIGIN).session_id for _ in range(3)]
    others = sessions.start(add("bob").id, ORIGIN).session_id
    assert all(sessions.identity_of(one) for one in started)
    assert sessions.revoke_all(ada.id, "everywhere", keep=started[0]) == 2
    assert [sessions.identity_of(one) is not None for one in [*started, others]] == [True, False, False, True]
    (event,) = audit_events(database, "session_ended")
    assert event.details == {"reason": "everywhere", "sessions": 2}


def test_a_new_role_ends_sessions_and_applies_to_the_next_one(add: AddPerson) -> None:
    ada = add(role="admin")
    add("bob", role="admin")
    started = sessions.start(ada.id, ORIGIN)
    assert sessions.identity_of(started.session_id).is_admin  # type: ignore[union-attr]
    people.change_role("test", ada.id, "analyst", ORIGIN)
    assert sessions.identity_of(started.session_id) is None
    again = sessions.start(ada.id, ORIGIN)
    assert not sessions.identity_of(again.session_id).is_admin  # type: ignore[union-attr]


def test_the_role_comes_from_the_row_and_not_from_the_token(
    add: AddPerson, database: Connection, redis: Redis, now
) -> None:
    started = sessions.start(add().id, ORIGIN)
    database.execute(text("UPDATE person SET role = 'admin'"))
    assert tokens.decode_access_token(signing_key.secret_key(), started.access, now).role == "analyst"
    assert sessions.identity_of(started.session_id).role == "admin"  # type: ignore[union-attr]


def test_deactivation_ends_sessions_at_once(add: AddPerson) -> None:
    ada = add()
    started = sessions.start(ada.id, ORIGIN)
    assert sessions.identity_of(started.session_id) is not None
    people.set_active("test", ada.id, False, ORIGIN)
    assert sessions.identity_of(started.session_id) is None
    with pytest.raises(InvalidToken):
        sessions.refresh(started.refresh, ORIGIN)


def test_a_new_preference_applies_at_the_next_rerun(add: AddPerson) -> None:
    ada = add()
    started = sessions.start(ada.id, ORIGIN)
    assert sessions.identity_of(started.session_id).preferences == {}  # type: ignore[union-attr]
    people.set_preferences(ada.id, theme="dark")
    assert sessions.identity_of(started.session_id).preferences == {"theme": "dark"}  # type: ignore[union-attr]


def test_people_see_the_origin_of_their_sessions(add: AddPerson, now, from_now) -> None:
    ada = add()
    sessions.start(ada.id, Origin("2001:db8::1", "Firefox\0" + "x" * 1_000), now)
    sessions.start(ada.id, Origin("no address", None), from_now(minutes=1))
    ended = sessions.start(ada.id, ORIGIN, from_now(minutes=2))
    sessions.revoke(ended.session_id, "sign_out")
    newest, oldest = sessions.list_active(ada.id)
    assert (newest.ip_address, newest.user_agent, newest.created_at) == (None, None, from_now(minutes=1))
    assert oldest.ip_address == "2001:db8::1"
    assert oldest.user_agent is not None
    assert oldest.user_agent.startswith("Firefox\N{REPLACEMENT CHARACTER}xxx")
    assert len(oldest.user_agent) == 512


def test_a_sign_in_sets_last_seen(add: AddPerson, now) -> None:
    ada = add()
    sessions.start(ada.id, ORIGIN, now)
    assert people.get(ada.id).last_seen_at == now


def test_last_seen_is_written_at_most_once_a_minute(
    add: AddPerson, database: Connection, redis: Redis, now, from_now
) -> None:
    started = sessions.start(add().id, ORIGIN, now)
    for seconds, seen in [(30, 0), (70, 70), (100, 70), (131, 131)]:
        redis.flushdb()
        sessions.identity_of(started.session_id, from_now(seconds=seconds))
        assert session_column(database, started.session_id, "last_seen_at") == from_now(seconds=seen)
    assert people.get(add("bob").id).last_seen_at is None
    person = people.find_by_username("ada")
    assert person is not None
    assert person.last_seen_at == from_now(seconds=131)


def test_on_a_full_disk_people_stay_signed_in(
    add: AddPerson, database: Connection, redis: Redis, now, from_now
) -> None:
    """Only the time of the last visit is not written."""
    person = add()
    started = sessions.start(person.id, ORIGIN, now)
    fail_updates(database, "session", "53100")
    redis.flushdb()
    identity = sessions.identity_of(started.session_id, from_now(minutes=5))
    assert identity is not None
    assert identity.person_id == person.id
    assert session_column(database, started.session_id, "last_seen_at") == now
