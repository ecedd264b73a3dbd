"""Connect this process to the embedded servers."""

from core import server_urls
from core.launcher import embedded
from core.settings import settings


def use_embedded_servers() -> None:
    """Start or join the embedded Postgres and Valkey where no URL is set, when the first query needs one."""
    server_urls.use_embedded_servers(
        lambda: embedded.lease(settings().data_dir, pg_bin_dir=settings().pg_bin_dir, redis=False).database_url,
        lambda: embedded.lease(settings().data_dir, pg_bin_dir=settings().pg_bin_dir, postgres=False).redis_url,
    )
