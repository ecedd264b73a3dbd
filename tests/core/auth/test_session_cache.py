"""Redis remembers sessions for ten seconds; without it Postgres is asked, and nobody waits for what is away."""

import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisAway
from sqlalchemy import Connection, create_engine, event

from core import circuit_breaker, redis_client
from core.auth import people, session_cache, sessions
from core.auth.identity import Identity
from core.auth.session_cache import LiveSession, SessionCache
from core.db import override
from core.errors import ServerUnavailable
from tests.core.auth.conftest import ORIGIN, AddPerson

EXPIRES_AT = datetime(2026, 12, 1, tzinfo=UTC)


def live_session(**more: Any) -> LiveSession:
    return LiveSession(
        Identity(7, "ada", "admin", "Ada 🎉", uuid4(), **more), EXPIRES_AT, EXPIRES_AT + timedelta(days=7)
    )


def executed_statements(connection: Connection) -> list[str]:
    """The statements that are sent from now on."""
    sent: list[str] = []
    event.listen(connection, "before_cursor_execute", lambda *given: sent.append(given[2]))
    return sent


def test_a_rerun_asks_redis_once_and_postgres_not_at_all(add: AddPerson, database: Connection, redis: Redis) -> None:
    given = sessions.start(add().id, ORIGIN)
    first = sessions.identity_of(given.session_id)
    sent = executed_statements(database)
    before = redis.info("commandstats")["cmdstat_get"]["calls"]
    for _ in range(10):
        assert sessions.identity_of(given.session_id) == first
    assert not sent
    assert redis.info("commandstats")["cmdstat_get"]["calls"] == before + 10


def test_what_is_remembered_is_what_was_known() -> None:
    held: dict[str, bytes] = {}

    class Memory:
        def get(self, key: str) -> bytes | None:
            return held.get(key)

        def set(self, key: str, value: str, **_: object) -> None:
            held[key] = value.encode()

    known = SessionCache(Memory)  # type: ignore[arg-type, return-value]
    kept = live_session(preferences={"theme": "dark"})
    session_id = kept.identity.session_id
    assert session_id is not None
    known.put(session_id, kept)
    assert known.get(session_id) == kept
    found = known.get(session_id)
    assert found is not None
    assert found.identity.preferences == {"theme": "dark"}


def test_redis_forgets_within_ten_seconds(add: AddPerson, redis: Redis) -> None:
    given = sessions.start(add().id, ORIGIN)
    sessions.identity_of(given.session_id)
    (key,) = redis.keys("almanac:session:*")
    assert 0 < redis.pttl(key) <= 10_000
    sessions.revoke(given.session_id, "sign_out")
    assert 0 < redis.pttl(key) <= 3_000


def test_what_was_read_just_before_a_change_does_not_outlive_it(add: AddPerson, redis: Redis) -> None:
    """One process reads the row, another ends the session, and only then does the first write what it read."""
    given = sessions.start(add().id, ORIGIN)
    old = sessions.get_live(given.session_id)
    assert old is not None
    sessions.revoke(given.session_id, "sign_out")
    session_cache.session_cache().put(given.session_id, old)
    assert sessions.identity_of(given.session_id) is None


@pytest.mark.parametrize("junk", [b"", b"{}", b"[]", b"null", b'[{"x": 1}, 2, 3]', b"\xff", b"[[], [], []]"])
def test_what_redis_holds_that_is_not_ours_is_not_believed(add: AddPerson, redis: Redis, junk: bytes) -> None:
    given = sessions.start(add().id, ORIGIN)
    redis.set(f"almanac:session:{given.session_id}", junk)
    assert sessions.identity_of(given.session_id) is not None


def test_without_redis_postgres_is_asked(
    add: AddPerson, monkeypatch: pytest.MonkeyPatch, setting: Callable[..., None]
) -> None:
    given = sessions.start(add().id, ORIGIN)
    setting(redis_url="redis://127.0.0.1:1")
    redis_client.redis.cache_clear()
    assert sessions.identity_of(given.session_id) is not None
    for _ in range(20):
        assert sessions.identity_of(given.session_id) is not None
    assert sessions.revoke(given.session_id, "sign_out")
    assert sessions.identity_of(given.session_id) is None


def test_a_redis_that_hangs_is_waited_for_once(
    add: AddPerson, setting: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuit_breaker, "RETRY_INTERVAL_SECONDS", 3600)
    given = sessions.start(add().id, ORIGIN)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        setting(redis_url=f"redis://127.0.0.1:{silent.getsockname()[1]}")
        redis_client.redis.cache_clear()
        for _ in range(10):
            assert sessions.identity_of(given.session_id) is not None
        silent.setblocking(False)
        connections = 0
        with suppress(BlockingIOError):
            while silent.accept():
                connections += 1
    assert connections == 2  # one attempt and its retry


def test_while_redis_is_away_one_request_in_five_seconds_tries_it() -> None:
    now, tries = [100.0], []

    def away() -> Redis:
        tries.append(now[0])
        raise RedisAway

    known = SessionCache(away, monotonic=lambda: now[0])
    for moment in (100.0, 100.1, 104.9, 105.1, 105.2, 110.2):
        now[0] = moment
        assert known.get(uuid4()) is None
    assert tries == [100.0, 105.1, 110.2]


def test_redis_is_used_again_once_it_is_back(redis: Redis) -> None:
    now, answers = [0.0], [True]

    def sometimes() -> Redis:
        if answers[0]:
            raise RedisAway
        return redis

    known = SessionCache(sometimes, monotonic=lambda: now[0])
    kept = live_session()
    assert kept.identity.session_id is not None
    known.put(kept.identity.session_id, kept)
    answers[0], now[0] = False, 6.0
    known.put(kept.identity.session_id, kept)
    assert known.get(kept.identity.session_id) == kept


def test_postgres_away_is_not_the_same_as_not_signed_in(add: AddPerson, redis: Redis) -> None:
    given = sessions.start(add().id, ORIGIN)
    known = sessions.start(people.find_by_username("ada").id, ORIGIN)  # type: ignore[union-attr]
    assert sessions.identity_of(known.session_id) is not None
    away = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none", connect_args={"connect_timeout": 1})
    with override.use_engine(away, everywhere=True):
        assert sessions.identity_of(known.session_id) is not None  # for as long as Redis remembers
        with pytest.raises(ServerUnavailable):
            sessions.identity_of(given.session_id)
