"""The Redis client of this process. Redis may lose its contents at any time: nothing is stored there alone."""

from functools import lru_cache

from redis import ConnectionPool, Redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.retry import Retry

from core.server_urls import redis_url


@lru_cache(maxsize=1)
def redis() -> Redis:
    """Return this process's client with its connection pool; replies are bytes."""
    return Redis.from_url(
        redis_url(), socket_timeout=2, socket_connect_timeout=1, retry=Retry(ExponentialBackoff(cap=0.2), 1), protocol=3
    )


@lru_cache(maxsize=8)
def with_short_timeouts(client: Redis, timeout_seconds: float, *, retry: bool = True) -> Redis:
    """Return a client for the same server with page-sized socket timeouts; on timeout the caller falls back.

    Without *retry* a lost connection fails at once. Each (client, timeout) has one connection pool of its own.
    """
    pool = client.connection_pool
    options = pool.connection_kwargs | {"socket_timeout": timeout_seconds, "socket_connect_timeout": timeout_seconds}
    if not retry:
        options |= {"retry": Retry(NoBackoff(), 0)}
    return Redis(connection_pool=ConnectionPool(connection_class=pool.connection_class, **options))
