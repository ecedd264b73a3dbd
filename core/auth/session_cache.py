"""What Redis knows of sessions for a few seconds, so that a rerun need not ask Postgres. It may forget at any moment.

While Redis is away nobody waits for it twice in a few seconds.
"""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog
from redis.exceptions import RedisError

from core.auth.identity import Identity
from core.circuit_breaker import CircuitBreaker
from core.errors import AlmanacError

if TYPE_CHECKING:
    from redis import Redis

log = structlog.get_logger()
CACHE_SECONDS = 10
INVALIDATED_SECONDS = 3
TIMEOUT_SECONDS = 0.25
INVALIDATED = b"changed"


@dataclass(frozen=True)
class LiveSession:
    """A session that has not ended: whose it is, and until when its newest access token and it itself are good."""

    identity: Identity
    access_expires_at: datetime
    expires_at: datetime


class SessionCache:
    """Sessions in Redis. What fails is remembered, not raised: Postgres is the truth."""

    def __init__(self, redis: "Callable[[], Redis]", monotonic: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._breaker = CircuitBreaker(monotonic)

    def get(self, session_id: UUID) -> LiveSession | None:
        found = self._attempt(lambda redis: redis.get(_key(session_id)))
        return _from_json(found) if found and found != INVALIDATED else None

    def keep(self, session_id: UUID, live: LiveSession) -> None:
        """Not over a mark of `forget`: what was read just before a change is old already."""
        self._attempt(lambda redis: redis.set(_key(session_id), _to_json(live), nx=True, ex=CACHE_SECONDS))

    def forget(self, session_ids: Iterable[UUID]) -> None:
        """Let the next who asks ask Postgres; called after the change was committed."""
        keys = [_key(session_id) for session_id in session_ids]

        def mark(redis: "Redis") -> None:
            with redis.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.set(key, INVALIDATED, ex=INVALIDATED_SECONDS)
                pipeline.execute()

        if keys:
            self._attempt(mark)

    def _attempt(self, ask: "Callable[[Redis], Any]") -> Any:
        if not self._breaker.allow_request():
            return None
        try:
            answer = ask(self._redis())
        except (RedisError, OSError, AlmanacError) as error:
            if self._breaker.failed():
                log.warning("redis is away, sessions are asked of postgres", error=type(error).__name__)
            return None
        self._breaker.record_success()
        return answer


@lru_cache(maxsize=1)
def session_cache() -> SessionCache:
    """This process's."""
    from core import redis_client  # noqa: PLC0415 - nothing to connect to before somebody asks

    return SessionCache(lambda: _with_short_timeouts(redis_client.redis()))


@lru_cache(maxsize=1)
def _with_short_timeouts(patient: "Redis") -> "Redis":
    """The same server, asked as befits a page that somebody waits for: Postgres knows as well."""
    from redis import ConnectionPool, Redis  # noqa: PLC0415 - as above

    pool = patient.connection_pool
    given = pool.connection_kwargs | {
        "socket_timeout": TIMEOUT_SECONDS,
        "socket_connect_timeout": TIMEOUT_SECONDS,
    }
    return Redis(connection_pool=ConnectionPool(connection_class=pool.connection_class, **given))


def _key(session_id: UUID) -> str:
    return f"almanac:session:{session_id}"


def _to_json(live: LiveSession) -> str:
    told = asdict(live.identity) | {"session_id": str(live.identity.session_id)}
    return json.dumps([told, live.access_expires_at.isoformat(), live.expires_at.isoformat()])


def _from_json(found: bytes) -> LiveSession | None:
    try:
        told, access_expires_at, expires_at = json.loads(found)
        identity = Identity(**(told | {"session_id": UUID(told["session_id"])}))
        return LiveSession(identity, datetime.fromisoformat(access_expires_at), datetime.fromisoformat(expires_at))
    except (ValueError, TypeError, KeyError):
        return None  # of another version of Almanac
