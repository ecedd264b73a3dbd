"""The Redis client of this process. Redis may lose its contents at any time: nothing is stored there alone."""

from collections.abc import Callable
from functools import lru_cache

from redis import ConnectionPool, Redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.retry import Retry

from core.errors import ServerUnavailable
from core.settings import settings

_embedded_server_url: Callable[[], str] | None = None


def use_embedded_server(url: Callable[[], str]) -> None:
    """Call *url*, which may start a server, for the URL where REDIS_URL is empty. Entry points call this once."""
    global _embedded_server_url  # noqa: PLW0603 - one provider per process, set by its entry point
    _embedded_server_url = url


def redis_url() -> str:
    """Return REDIS_URL, else the embedded server's URL. Raises ServerUnavailable where there is neither."""
    if given := settings().redis_url:
        return given
    if _embedded_server_url is None:
        raise ServerUnavailable("REDIS_URL is empty, and this process starts no embedded Valkey")
    return _embedded_server_url()


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
