"""Refresh tokens: simultaneous refreshes agree, and reuse of an old token ends the session."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from sqlalchemy import Connection, Engine, text

from core.auth import people, sessions, signing_key, tokens
from core.auth.tokens import InvalidToken
from tests.core.auth.conftest import ORIGIN, PASSWORD, AddPerson, audit_events

TAB_COUNT = 8


def generation(token: str) -> int:
    return tokens.decode_refresh_token(signing_key.secret_key(), token)[1]


def test_a_refresh_returns_the_next_generation(add: AddPerson) -> None:
    first = sessions.start(add().id, ORIGIN)
    second = sessions.refresh(first.refresh, ORIGIN)
    third = sessions.refresh(second.refresh, ORIGIN)
    assert [generation(one.refresh) for one in (first, second, third)] == [0, 1, 2]
    assert first.session_id == second.session_id == third.session_id


def test_the_previous_token_returns_the_same_response_until_the_new_one_is_used(add: AddPerson) -> None:
    """A lost response does not end the session, however late the browser retries."""
    first = sessions.start(add().id, ORIGIN)
    second = sessions.refresh(first.refresh, ORIGIN)
    late = sessions.refresh(first.refresh, ORIGIN, datetime.now(UTC) + timedelta(hours=5))
    assert late.refresh == second.refresh
    sessions.refresh(second.refresh, ORIGIN)
    with pytest.raises(InvalidToken):
        sessions.refresh(first.refresh, ORIGIN)


def test_reuse_of_an_old_token_ends_the_session_for_every_holder(add: AddPerson, database: Connection) -> None:
    ada = add()
    stolen = sessions.start(ada.id, ORIGIN)
    second = sessions.refresh(stolen.refresh, ORIGIN)
    third = sessions.refresh(second.refresh, ORIGIN)
    assert sessions.identity_of(third.session_id) is not None
    with pytest.raises(InvalidToken):
        sessions.refresh(stolen.refresh, ORIGIN)
    assert sessions.identity_of(third.session_id) is None
    with pytest.raises(InvalidToken):
        sessions.refresh(third.refresh, ORIGIN)
    (event,) = audit_events(database, "refresh_token_reused")
    assert (event.actor, event.person_id, event.ip_address) == ("ada", ada.id, "192.0.2.7")


def test_reuse_does_not_end_other_sessions_of_the_person(add: AddPerson) -> None:
    ada = add()
    other = sessions.start(ada.id, ORIGIN)
    stolen = sessions.start(ada.id, ORIGIN)
    sessions.refresh(sessions.refresh(stolen.refresh, ORIGIN).refresh, ORIGIN)
    with pytest.raises(InvalidToken):
        sessions.refresh(stolen.refresh, ORIGIN)
    assert sessions.identity_of(other.session_id) is not None


def test_a_generation_that_was_never_issued_ends_no_session(add: AddPerson) -> None:
    """After a restored backup, browsers hold newer tokens than the database."""
    ours = sessions.start(add().id, ORIGIN)
    with pytest.raises(InvalidToken):
        sessions.refresh(tokens.refresh_token(signing_key.secret_key(), ours.session_id, 5), ORIGIN)
    assert sessions.identity_of(ours.session_id) is not None


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(uses=st.lists(st.integers(0, 6), max_size=12))
def test_only_the_newest_two_generations_are_valid_in_any_order_of_use(add: AddPerson, uses: list[int]) -> None:
    person = people.find_by_username("ada") or add()
    given = [sessions.start(person.id, ORIGIN).refresh]
    for use in uses:
        shown = given[min(use, len(given) - 1)]
        if len(given) - 1 - given.index(shown) > 1:
            with pytest.raises(InvalidToken):
                sessions.refresh(shown, ORIGIN)
            with pytest.raises(InvalidToken):
                sessions.refresh(given[-1], ORIGIN)
            return
        refreshed = sessions.refresh(shown, ORIGIN).refresh
        if shown == given[-1]:
            given.append(refreshed)
        assert refreshed == given[-1]


def test_simultaneous_refreshes_get_the_same_response(committing_database: Engine, redis: Redis) -> None:
    ada = people.create("ada", actor="test", password=PASSWORD)
    token = sessions.start(ada.id, ORIGIN).refresh
    for _ in range(5):
        together = Barrier(TAB_COUNT)

        def tab(shown: str = token, together: Barrier = together) -> str:
            together.wait(60)
            return sessions.refresh(shown, ORIGIN).refresh

        with ThreadPoolExecutor(TAB_COUNT) as pool:
            refreshed_tokens = {future.result() for future in [pool.submit(tab) for _ in range(TAB_COUNT)]}
        assert len(refreshed_tokens) == 1
        (token,) = refreshed_tokens
    with committing_database.connect() as connection:
        assert connection.scalar(text("SELECT generation FROM session")) == 5
        assert connection.scalar(text("SELECT revoked_at FROM session")) is None


def test_a_sign_out_wins_over_a_simultaneous_refresh(committing_database: Engine, redis: Redis) -> None:
    ada = people.create("ada", actor="test", password=PASSWORD)
    for _ in range(5):
        ours = sessions.start(ada.id, ORIGIN)
        together = Barrier(2)

        def refresh(ours: sessions.SessionTokens = ours, together: Barrier = together) -> None:
            together.wait(60)
            try:
                sessions.refresh(ours.refresh, ORIGIN)
            except InvalidToken:
                return

        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(refresh)
            together.wait(60)
            sessions.revoke(ours.session_id, "sign_out")
            running.result()
        assert sessions.identity_of(ours.session_id) is None
