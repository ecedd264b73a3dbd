"""Connect the engine and the Redis client of this process to the embedded servers."""

from core import redis_client
from core.db import engine
from core.launcher import embedded
from core.settings import settings


def use_embedded_servers() -> None:
    """Start or join the embedded Postgres and Valkey where no URL is set, when the first query needs one."""
    engine.use_embedded_server(
        lambda: embedded.lease(settings().data_dir, pg_bin_dir=settings().pg_bin_dir, redis=False).database_url
    )
    redis_client.use_embedded_server(
        lambda: embedded.lease(settings().data_dir, pg_bin_dir=settings().pg_bin_dir, postgres=False).redis_url
    )
