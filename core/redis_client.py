"""The Redis connection: what is in it may be forgotten at any moment."""

from collections.abc import Callable
from functools import lru_cache

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from core.errors import ServerUnavailable
from core.settings import settings

_embedded_server_url: Callable[[], str] | None = None


def use_embedded_server(url: Callable[[], str]) -> None:
    """Ask *url*, which may start a server, for the URL where REDIS_URL is empty. Entry points call this once."""
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
    """This process's pool of connections; answers are bytes."""
    return Redis.from_url(
        redis_url(), socket_timeout=2, socket_connect_timeout=1, retry=Retry(ExponentialBackoff(cap=0.2), 1), protocol=3
    )
