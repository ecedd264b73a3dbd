"""The Redis connection: what is in it may be forgotten at any moment."""

from functools import lru_cache

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from core import local
from core.settings import settings


def _embedded() -> str:
    return local.lease(settings().data_dir, pg_bin_dir=settings().pg_bin_dir, postgres=False).redis_url


@lru_cache(maxsize=1)
def redis() -> Redis:
    """This process's pool of connections; answers are bytes."""
    url = settings().redis_url or _embedded()
    return Redis.from_url(
        url, socket_timeout=2, socket_connect_timeout=1, retry=Retry(ExponentialBackoff(cap=0.2), 1), protocol=3
    )
