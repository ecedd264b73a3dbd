"""What `python -m core check` looks at: each part of the installation, one sentence each."""

from collections.abc import Callable
from dataclasses import dataclass

from core.errors import AlmanacError
from core.launcher.embedded import lease
from core.settings import Settings


@dataclass(frozen=True)
class CheckResult:
    part: str
    is_ok: bool
    sentence: str


def run_checks(wanted: Settings) -> list[CheckResult]:
    """Look at everything, whatever else fails; embedded servers are started for it."""
    try:
        database_url, redis_url = _server_urls(wanted)
    except AlmanacError as error:
        return [CheckResult("servers", is_ok=False, sentence=str(error))]
    parts: dict[str, Callable[[], str]] = {
        "Postgres": lambda: _check_postgres(database_url),
        "tables": lambda: _check_migrations(database_url),
        "Redis": lambda: _check_redis(redis_url),
    }
    return [_run_check(part, ask) for part, ask in parts.items()]


def _server_urls(wanted: Settings) -> tuple[str, str]:
    if wanted.database_url and wanted.redis_url:
        return wanted.database_url, wanted.redis_url
    servers = lease(
        wanted.data_dir,
        pg_bin_dir=wanted.pg_bin_dir,
        postgres=not wanted.database_url,
        redis=not wanted.redis_url,
    )
    return wanted.database_url or servers.database_url, wanted.redis_url or servers.redis_url


def _run_check(part: str, ask: Callable[[], str]) -> CheckResult:
    from psycopg import Error  # noqa: PLC0415
    from redis import RedisError  # noqa: PLC0415

    try:
        return CheckResult(part, is_ok=True, sentence=ask())
    except (AlmanacError, Error, RedisError, OSError, ValueError) as error:
        return CheckResult(part, is_ok=False, sentence=str(error).strip().splitlines()[0])


def _check_postgres(url: str) -> str:
    import psycopg  # noqa: PLC0415

    with psycopg.connect(url.replace("+psycopg", "", 1), connect_timeout=5) as connection:
        return f"answers, version {connection.info.server_version // 10000}"


def _check_migrations(url: str) -> str:
    from core.db.migrations import is_current  # noqa: PLC0415

    if not is_current(url):
        raise AlmanacError("not at the newest revision; run `python -m core migrate`")
    return "at the newest revision"


def _check_redis(url: str) -> str:
    from redis import Redis  # noqa: PLC0415

    with Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5) as redis:
        found = redis.info("server")
    return f"answers, version {found.get('valkey_version') or found['redis_version']}"
