"""`/health`: whether this process can do its work, within a bounded time."""

import asyncio
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg
import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse

from core import redis_client
from core.launcher import embedded
from core.settings import settings
from core.web.timeouts import TimedCalls

TIMEOUT_SECONDS = 2.0
DATABASE_URL_SCHEME = re.compile(r"^postgres(?:ql)?(?:\+\w+)?://")
OK = "ok"
Check = Callable[[], object]

log = structlog.get_logger()


def check_postgres() -> None:
    """Connect and ask. By psycopg alone: a server that has just started answers before SQLAlchemy and pandas load."""
    given = settings()
    url = given.database_url or embedded.lease(Path(given.data_dir), pg_bin_dir=given.pg_bin_dir).database_url
    with psycopg.connect(DATABASE_URL_SCHEME.sub("postgresql://", url), connect_timeout=2) as connection:
        connection.execute("SELECT 1")


def check_redis() -> None:
    redis_client.redis().ping()


CHECKS: Mapping[str, Check] = {"postgres": check_postgres, "redis": check_redis}


class Health:
    """Answers 200, or 503 when a check fails or takes too long; tells the log when that changes, and only then."""

    def __init__(self, checks: Mapping[str, Check] = CHECKS, patience_seconds: float = TIMEOUT_SECONDS) -> None:
        self._patience = TimedCalls(checks, patience_seconds)
        self._told: dict[str, str] = dict.fromkeys(checks, OK)

    async def answer(self, _request: Request) -> JSONResponse:
        names = tuple(self._patience.calls)
        checks = dict(zip(names, await asyncio.gather(*map(self._state, names)), strict=True))
        self._tell(checks)
        healthy = all(state == OK for state in checks.values())
        return JSONResponse(
            {"status": OK if healthy else "unavailable", "checks": checks},
            status_code=200 if healthy else 503,
            headers={"cache-control": "no-store"},
        )

    async def _state(self, name: str) -> str:
        try:
            await self._patience.ask(name)
        except TimeoutError:
            return f"no answer within {self._patience.seconds:g} s"
        except Exception as error:
            return f"failed: {type(error).__name__}"
        return OK

    def _tell(self, checks: dict[str, str]) -> None:
        for name, state in checks.items():
            if (state == OK) != (self._told[name] == OK):
                tell = log.info if state == OK else log.warning
                tell("server is back" if state == OK else "server is away", part=name, state=state)
                self._told[name] = state
