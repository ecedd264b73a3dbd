"""`/health`: report within a bounded time whether Postgres and Redis respond."""

import asyncio
from collections.abc import Callable, Mapping
from functools import lru_cache

import psycopg
import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse

from core import redis_client
from core.db import libpq
from core.disk_space import embedded_disk_space
from core.launcher import embedded
from core.settings import settings
from core.web.stopping import is_stopping
from core.web.timeouts import TimedCalls

TIMEOUT_SECONDS = 2.0
OK = "ok"
Check = Callable[[], object]

log = structlog.get_logger()


def check_postgres() -> None:
    """Connect and run a query, by psycopg alone: a process that just started responds before SQLAlchemy loads."""
    url = settings().database_url or embedded_database_url()
    with psycopg.connect(libpq.conninfo(url), connect_timeout=2) as connection:
        connection.execute("SELECT 1")


def embedded_database_url() -> str:
    """Return the URL of the embedded Postgres, started again if it was killed. Valkey is not waited for."""
    servers = embedded_postgres()
    servers.acquire()
    return servers.database_url


@lru_cache(maxsize=1)
def embedded_postgres() -> embedded.Servers:
    given = settings()
    return embedded.lease(given.data_dir, pg_bin_dir=given.pg_bin_dir, redis=False)


def check_redis() -> None:
    redis_client.redis().ping()


def disk_state() -> str | None:
    """Return `ok`, or how little space the embedded Postgres has; None where another server is used."""
    space = embedded_disk_space(settings())
    if space is None or not space.is_low:
        return OK if space else None
    return f"{'full' if space.is_full else 'nearly full'}: {space.summary}"


async def respond_alive(_request: Request) -> JSONResponse:
    """Respond 200, or 503 once this process was asked to stop: for proxies, which then send nothing new here.

    Without Postgres it is still 200: each page says so itself.
    """
    stopping = is_stopping()
    return JSONResponse(
        {"status": "stopping" if stopping else OK},
        status_code=503 if stopping else 200,
        headers={"cache-control": "no-store"},
    )


CHECKS: Mapping[str, Check] = {"postgres": check_postgres, "redis": check_redis}


class Health:
    """Responds 200, or 503 when a check fails or times out; logs changes of state only."""

    def __init__(self, checks: Mapping[str, Check] = CHECKS, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._calls = TimedCalls(checks, timeout_seconds)
        self._reported: dict[str, str] = dict.fromkeys(checks, OK)

    async def respond(self, _request: Request) -> JSONResponse:
        names = tuple(self._calls.calls)
        checks = dict(zip(names, await asyncio.gather(*map(self._state, names)), strict=True))
        self._log_changes(checks)
        healthy = all(state == OK for state in checks.values())
        if (disk := disk_state()) is not None:  # a full disk can be read: it is no reason to send people away
            checks["disk"] = disk
        return JSONResponse(
            {"status": OK if healthy else "unavailable", "checks": checks},
            status_code=200 if healthy else 503,
            headers={"cache-control": "no-store"},
        )

    async def _state(self, name: str) -> str:
        try:
            await self._calls.run(name)
        except TimeoutError:
            return f"no response within {self._calls.timeout_seconds:g} s"
        except Exception as error:
            return f"failed: {type(error).__name__}"
        return OK

    def _log_changes(self, checks: dict[str, str]) -> None:
        for name, state in checks.items():
            if (state == OK) != (self._reported[name] == OK):
                write = log.info if state == OK else log.warning
                write("server available again" if state == OK else "server unavailable", server=name, state=state)
                self._reported[name] = state
