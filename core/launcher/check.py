"""Checks behind `python -m core check`: one result per component of the installation."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from core.errors import AlmanacError
from core.launcher.embedded import lease
from core.settings import Settings
from core.wording import quantity

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True)
class CheckResult:
    component: str
    is_ok: bool
    message: str


def run_checks(settings: Settings) -> list[CheckResult]:
    """Check every component, even after a failure; embedded servers are started for it."""
    try:
        database_url, redis_url = _server_urls(settings)
    except AlmanacError as error:
        return [CheckResult("servers", is_ok=False, message=str(error))]
    checks: dict[str, Callable[[], str]] = {
        **({} if settings.database_url else {"data": lambda: _check_disk(settings)}),
        "Postgres": lambda: _check_postgres(database_url),
        **({"replica": _check_replica} if settings.database_read_url else {}),
        **({"Citus": lambda: _check_cluster(database_url)} if _has_citus(database_url) else {}),
        "sessions": lambda: _check_sessions(settings.database_direct_url or database_url),
        "migrations": lambda: _check_migrations(database_url),
        "schema": lambda: _check_schema(database_url),
        "summaries": lambda: _check_summaries(database_url),
        "freshness": lambda: _check_freshness(database_url, settings),
        "Redis": lambda: _check_redis(redis_url),
        "tokens": lambda: _check_tokens(redis_url, settings),
    }
    return [_run_check(component, check) for component, check in checks.items()]


def _server_urls(settings: Settings) -> tuple[str, str]:
    if settings.database_url and settings.redis_url:
        return settings.database_url, settings.redis_url
    servers = lease(
        settings.data_dir,
        pg_bin_dir=settings.pg_bin_dir,
        postgres=not settings.database_url,
        redis=not settings.redis_url,
    )
    return settings.database_url or servers.database_url, settings.redis_url or servers.redis_url


def _run_check(component: str, check: Callable[[], str]) -> CheckResult:
    from psycopg import Error  # noqa: PLC0415
    from redis import RedisError  # noqa: PLC0415
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415

    from core.db.errors import causes, server_reason, unavailable_part  # noqa: PLC0415

    try:
        return CheckResult(component, is_ok=True, message=check())
    except (AlmanacError, Error, DBAPIError, RedisError, OSError, ValueError) as error:
        # SQLAlchemy's errors begin with the name of a class, their causes do not.
        cause = next((one for one in causes(error) if isinstance(one, Error)), error)
        return CheckResult(component, is_ok=False, message=unavailable_part(error) or server_reason(cause))


def _connect(url: str) -> "Connection":
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    from core.db.engine import create_engine_for  # noqa: PLC0415

    return create_engine_for(url, poolclass=NullPool).connect()


def _check_postgres(url: str) -> str:
    import psycopg  # noqa: PLC0415

    from core.db import libpq  # noqa: PLC0415

    with psycopg.connect(libpq.conninfo(url)) as connection:
        return f"responds, version {connection.info.server_version // 10000}"


def _check_disk(settings: Settings) -> str:
    """Say where the data is and how much space is left. Raises when that is little."""
    from core.disk_space import embedded_disk_space  # noqa: PLC0415

    space = embedded_disk_space(settings)
    if space is None:
        raise AlmanacError("no folder of embedded servers exists")
    if space.is_low:
        raise AlmanacError(f"in {space.folder}, only {space.summary}; free some space or move DATA_DIR")
    return f"in {space.folder}, {space.summary}"


def _check_replica() -> str:
    """Say how far the replica is behind. Raises where it does not respond, or is none."""
    from core.db import replica  # noqa: PLC0415

    found = replica.status()
    if not found.lag_bytes:
        return "up to date with the primary"
    return f"{found.lag_bytes:,} bytes and {found.lag_seconds:,.0f} s behind the primary"


def _has_citus(url: str) -> bool:
    """Return whether the database has Citus; False where it does not respond, which the check of Postgres says."""
    import psycopg  # noqa: PLC0415

    from core.db import citus, libpq  # noqa: PLC0415

    try:
        with psycopg.connect(libpq.conninfo(url)) as connection:
            return citus.is_installed(connection)
    except psycopg.Error:
        return False


def _check_cluster(url: str) -> str:
    """Say what lies on the nodes of Citus. Raises where one does not respond, or a table is not spread over them."""
    import psycopg  # noqa: PLC0415

    from core.db import citus, libpq  # noqa: PLC0415
    from core.queries.cluster import cluster_status  # noqa: PLC0415

    with psycopg.connect(libpq.conninfo(url)) as plain:
        if missing := citus.missing_tables(plain):
            raise AlmanacError(f"{quantity(len(missing), 'table')} on one node only; run `python -m core migrate`")
    with _connect(url) as connection:
        status = cluster_status(connection)
    assert status is not None
    if status.unavailable:
        raise AlmanacError(f"{', '.join(status.unavailable)} does not respond: what is there cannot be read or stored")
    return status.summary


def _check_sessions(url: str) -> str:
    """Check the connection of scheduler and workers, which needs more than the one of the web process."""
    from core.db.pooler import check_sessions  # noqa: PLC0415

    check_sessions(url)
    return "not shared by a pooler"


def _check_migrations(url: str) -> str:
    from core.db.migrations import is_current  # noqa: PLC0415

    if not is_current(url):
        raise AlmanacError("not at the newest revision; run `python -m core migrate`")
    return "at the newest revision"


def _check_schema(url: str) -> str:
    from core.db.schema_check import check_schema  # noqa: PLC0415

    check_schema(url)
    return "complete"


def _check_summaries(url: str) -> str:
    """Compare what pages list of each repository with the rows that it is computed from."""
    from core.queries.summary_check import count_differences  # noqa: PLC0415

    with _connect(url) as connection:
        differing = count_differences(connection)
    if differing:
        raise AlmanacError(f"{quantity(differing, 'row')} outdated; the daily work corrects them")
    return "up to date"


def _check_freshness(url: str, settings: Settings) -> str:
    """Say how many accounts are on time. Raises when too many are overdue or fail from the first.

    New ones may wait for their first turn.
    """
    from core.queries.freshness import MIN_SHARE_ON_TIME, freshness_counts  # noqa: PLC0415

    with _connect(url) as connection:
        accounts = freshness_counts(connection, datetime.now(UTC), settings.refresh_every)
    if not accounts.tracked:
        return "no account is tracked"
    message = f"{accounts.on_time:,} of {quantity(accounts.tracked, 'tracked account')} on time"
    others = {"overdue": accounts.overdue, "never refreshed": accounts.never, "failing": accounts.failing}
    message += "".join(f", {count:,} {state}" for state, count in others.items() if count)
    if accounts.tracked - accounts.overdue - accounts.never_failing < MIN_SHARE_ON_TIME * accounts.tracked:
        raise AlmanacError(message)
    return message


def _check_redis(url: str) -> str:
    from redis import Redis  # noqa: PLC0415

    with Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5) as redis:
        info = redis.info("server")
    return f"responds, version {info.get('valkey_version') or info['redis_version']}"


def _check_tokens(url: str, settings: Settings) -> str:
    """Say which tokens expire within two weeks. Raises when one has expired, or GitHub rejected one."""
    from redis import Redis  # noqa: PLC0415

    from core.budget.rejected_tokens import load_rejected_tokens  # noqa: PLC0415
    from core.budget.token_expiry import WARNING_PERIOD, load_token_expiries  # noqa: PLC0415

    now = datetime.now(UTC)
    with Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5) as redis:
        tokens = load_token_expiries(redis, settings.github_api_url)
        rejected = load_rejected_tokens(redis, settings.github_api_url)
    due = [token for token in tokens if token.expires_within(WARNING_PERIOD, now)]
    message = "; ".join([*(token.reason for token in rejected), *(token.sentence(now) for token in due)])
    if rejected or any(token.has_expired(now) for token in due):
        raise AlmanacError(message)
    return message or f"none expires within {WARNING_PERIOD.days} days"
