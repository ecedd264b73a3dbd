"""Cache of live sessions in Redis, for a few seconds, so that a rerun does not query Postgres.

Entries may vanish at any time. While Redis is unavailable a circuit breaker keeps requests from waiting for it.
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
CACHE_SECONDS = 2
INVALIDATED_SECONDS = 3
TIMEOUT_SECONDS = 0.25
INVALIDATED = b"changed"


@dataclass(frozen=True)
class LiveSession:
    """An active session: its identity, and when its newest access token and the session itself expire."""

    identity: Identity
    access_expires_at: datetime
    expires_at: datetime


class SessionCache:
    """Sessions in Redis by id. Errors open the circuit and are not raised: Postgres is the source of truth."""

    def __init__(self, redis: "Callable[[], Redis]", monotonic: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._breaker = CircuitBreaker(monotonic)

    def get(self, session_id: UUID) -> LiveSession | None:
        cached = self._attempt(lambda redis: redis.get(_key(session_id)))
        return _from_json(cached) if cached and cached != INVALIDATED else None

    def put(self, session_id: UUID, live: LiveSession) -> None:
        """Store *live*, unless the session was just invalidated: then *live* was read before the change."""
        self._attempt(lambda redis: redis.set(_key(session_id), _to_json(live), nx=True, ex=CACHE_SECONDS))

    def invalidate(self, session_ids: Iterable[UUID]) -> None:
        """Make the next reads go to Postgres; call this after the change was committed."""
        keys = [_key(session_id) for session_id in session_ids]

        def mark_invalidated(redis: "Redis") -> None:
            with redis.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.set(key, INVALIDATED, ex=INVALIDATED_SECONDS)
                pipeline.execute()

        if keys:
            self._attempt(mark_invalidated)

    def _attempt(self, call: "Callable[[Redis], Any]") -> Any:
        if not self._breaker.allow_request():
            return None
        try:
            reply = call(self._redis())
        except (RedisError, OSError, AlmanacError) as error:
            if self._breaker.record_failure():
                log.warning("Redis unavailable, sessions read from Postgres", error=type(error).__name__)
            return None
        self._breaker.record_success()
        return reply


@lru_cache(maxsize=1)
def session_cache() -> SessionCache:
    """Return this process's cache."""
    from core.redis_client import redis, with_short_timeouts  # noqa: PLC0415 - connects on first use

    return SessionCache(lambda: with_short_timeouts(redis(), TIMEOUT_SECONDS))


def _key(session_id: UUID) -> str:
    return f"almanac:session:{session_id}"


def _to_json(live: LiveSession) -> str:
    identity = asdict(live.identity) | {"session_id": str(live.identity.session_id)}
    return json.dumps([identity, live.access_expires_at.isoformat(), live.expires_at.isoformat()])


def _from_json(cached: bytes) -> LiveSession | None:
    try:
        values, access_expires_at, expires_at = json.loads(cached)
        identity = Identity(**(values | {"session_id": UUID(values["session_id"])}))
        return LiveSession(identity, datetime.fromisoformat(access_expires_at), datetime.fromisoformat(expires_at))
    except (ValueError, TypeError, KeyError):
        return None  # written by another version of Almanac
