"""The URLs of Postgres and Redis: configured, or those of the embedded servers.

No driver is imported: the web process listens before it has loaded what connects.
"""

from collections.abc import Callable

from core.errors import ServerUnavailable
from core.settings import settings

_embedded_postgres: Callable[[], str] | None = None
_embedded_redis: Callable[[], str] | None = None


def use_embedded_servers(postgres: Callable[[], str], redis: Callable[[], str]) -> None:
    """Call *postgres* or *redis*, which may start a server, for a URL that is not configured. For entry points."""
    global _embedded_postgres, _embedded_redis
    _embedded_postgres, _embedded_redis = postgres, redis


def database_url() -> str:
    """Return DATABASE_URL, else the embedded server's URL. Raises ServerUnavailable where there is neither."""
    if configured := settings().database_url:
        return configured
    if _embedded_postgres is None:
        raise ServerUnavailable("DATABASE_URL is empty, and this process starts no embedded Postgres")
    return _embedded_postgres()


def direct_database_url() -> str:
    """Return DATABASE_DIRECT_URL, else `database_url()`: for advisory locks of a session, LISTEN, migrations, backups.

    A pooler in transaction mode gives each transaction another server connection, so that nothing of a session holds.
    """
    return settings().database_direct_url or database_url()


def redis_url() -> str:
    """Return REDIS_URL, else the embedded server's URL. Raises ServerUnavailable where there is neither."""
    if configured := settings().redis_url:
        return configured
    if _embedded_redis is None:
        raise ServerUnavailable("REDIS_URL is empty, and this process starts no embedded Valkey")
    return _embedded_redis()


def database_setting() -> str:
    """Name the settings that say where Postgres is, for messages."""
    if settings().database_direct_url:
        return "DATABASE_URL or DATABASE_DIRECT_URL"
    return "DATABASE_URL" if settings().database_url else "the embedded server"


def direct_database_setting() -> str:
    """Name the setting behind `direct_database_url`, for messages."""
    return "DATABASE_DIRECT_URL" if settings().database_direct_url else database_setting()
