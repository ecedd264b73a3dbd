"""Redis caches sessions for ten seconds; while Redis is unavailable, sessions are read from Postgres without delay."""

import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from redis import Redis
from redis.connection import AbstractConnection
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
    """Return a list that collects the SQL statements executed from now on."""
    sent: list[str] = []
    event.listen(connection, "before_cursor_execute", lambda *arguments: sent.append(arguments[2]))
    return sent


def test_a_rerun_reads_redis_once_and_never_postgres(
    add: AddPerson, database: Connection, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = sessions.start(add().id, ORIGIN)
    first = sessions.identity_of(started.session_id)
    sent = executed_statements(database)
    send, commands = AbstractConnection.send_packed_command, []

    def counted(connection: AbstractConnection, *args: object, **options: object) -> None:
        commands.append(connection)
        send(connection, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(AbstractConnection, "send_packed_command", counted)
    for _ in range(10):
        assert sessions.identity_of(started.session_id) == first
    assert not sent
    assert len(commands) == 10


def test_the_cached_session_equals_the_stored_one() -> None:
    stored: dict[str, bytes] = {}

    class DictCache:
        def get(self, key: str) -> bytes | None:
            return stored.get(key)

        def set(self, key: str, value: str, **_: object) -> None:
            stored[key] = value.encode()

    cache = SessionCache(DictCache)  # type: ignore[arg-type, return-value]
    live = live_session(preferences={"theme": "dark"})
    session_id = live.identity.session_id
    assert session_id is not None
    cache.put(session_id, live)
    assert cache.get(session_id) == live
    cached = cache.get(session_id)
    assert cached is not None
    assert cached.identity.preferences == {"theme": "dark"}


def test_cached_sessions_expire_within_ten_seconds(add: AddPerson, redis: Redis) -> None:
    started = sessions.start(add().id, ORIGIN)
    sessions.identity_of(started.session_id)
    (key,) = redis.keys("almanac:session:*")
    assert 0 < redis.pttl(key) <= 10_000
    sessions.revoke(started.session_id, "sign_out")
    assert 0 < redis.pttl(key) <= 3_000


def test_a_row_read_before_a_sign_out_is_not_cached_after_it(add: AddPerson, redis: Redis) -> None:
    """One process reads the row and another ends the session before the first one writes to the cache."""
    started = sessions.start(add().id, ORIGIN)
    old = sessions.get_live(started.session_id)
    assert old is not None
    sessions.revoke(started.session_id, "sign_out")
    session_cache.session_cache().put(started.session_id, old)
    assert sessions.identity_of(started.session_id) is None


@pytest.mark.parametrize("junk", [b"", b"{}", b"[]", b"null", b'[{"x": 1}, 2, 3]', b"\xff", b"[[], [], []]"])
def test_invalid_cache_entries_are_ignored(add: AddPerson, redis: Redis, junk: bytes) -> None:
    started = sessions.start(add().id, ORIGIN)
    redis.set(f"almanac:session:{started.session_id}", junk)
    assert sessions.identity_of(started.session_id) is not None


def test_without_redis_sessions_are_read_from_postgres(
    add: AddPerson, monkeypatch: pytest.MonkeyPatch, setting: Callable[..., None]
) -> None:
    started = sessions.start(add().id, ORIGIN)
    setting(redis_url="redis://127.0.0.1:1")
    redis_client.redis.cache_clear()
    assert sessions.identity_of(started.session_id) is not None
    for _ in range(20):
        assert sessions.identity_of(started.session_id) is not None
    assert sessions.revoke(started.session_id, "sign_out")
    assert sessions.identity_of(started.session_id) is None


def test_a_hanging_redis_delays_one_request(
    add: AddPerson, setting: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuit_breaker, "RETRY_INTERVAL_SECONDS", 3600)
    monkeypatch.setattr(session_cache, "TIMEOUT_SECONDS", 0.05)
    started = sessions.start(add().id, ORIGIN)
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        setting(redis_url=f"redis://127.0.0.1:{hanging.getsockname()[1]}")
        redis_client.redis.cache_clear()
        for _ in range(10):
            assert sessions.identity_of(started.session_id) is not None
        hanging.setblocking(False)
        connections = 0
        with suppress(BlockingIOError):
            while hanging.accept():
                connections += 1
    assert connections == 2  # one attempt and its retry


def test_one_request_in_five_seconds_tries_an_unavailable_redis() -> None:
    now, attempts = [100.0], []

    def raise_connection_error() -> Redis:
        attempts.append(now[0])
        raise RedisAway

    cache = SessionCache(raise_connection_error, monotonic=lambda: now[0])
    for moment in (100.0, 100.1, 104.9, 105.1, 105.2, 110.2):
        now[0] = moment
        assert cache.get(uuid4()) is None
    assert attempts == [100.0, 105.1, 110.2]


def test_redis_is_used_again_after_an_outage(redis: Redis) -> None:
    now, unavailable = [0.0], [True]

    def raise_while_unavailable() -> Redis:
        if unavailable[0]:
            raise RedisAway
        return redis

    cache = SessionCache(raise_while_unavailable, monotonic=lambda: now[0])
    live = live_session()
    assert live.identity.session_id is not None
    cache.put(live.identity.session_id, live)
    unavailable[0], now[0] = False, 6.0
    cache.put(live.identity.session_id, live)
    assert cache.get(live.identity.session_id) == live


def test_an_unavailable_postgres_is_an_error_and_not_a_missing_session(add: AddPerson, redis: Redis) -> None:
    started = sessions.start(add().id, ORIGIN)
    cached = sessions.start(people.find_by_username("ada").id, ORIGIN)  # type: ignore[union-attr]
    assert sessions.identity_of(cached.session_id) is not None
    unavailable_engine = create_engine(
        "postgresql+psycopg://nobody@127.0.0.1:1/none", connect_args={"connect_timeout": 1}
    )
    with override.use_engine(unavailable_engine, everywhere=True):
        assert sessions.identity_of(cached.session_id) is not None  # for as long as Redis caches it
        with pytest.raises(ServerUnavailable):
            sessions.identity_of(started.session_id)
