"""`/health`: whether this process can do its work, within a bounded time."""

import asyncio
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg
from starlette.requests import Request
from starlette.responses import JSONResponse

from core import cache, local
from core.settings import settings

PATIENCE_SECONDS = 2.0
SCHEME = re.compile(r"^postgres(?:ql)?(?:\+\w+)?://")
Check = Callable[[], object]


def postgres() -> None:
    """Connect and ask. By psycopg alone: a server that has just started answers before SQLAlchemy and pandas load."""
    given = settings()
    url = given.database_url or local.lease(Path(given.data_dir), pg_bin_dir=given.pg_bin_dir).database_url
    with psycopg.connect(SCHEME.sub("postgresql://", url), connect_timeout=2) as connection:
        connection.execute("SELECT 1")


def redis() -> None:
    cache.redis().ping()


CHECKS: Mapping[str, Check] = {"postgres": postgres, "redis": redis}


class Health:
    """Runs each check in a thread, one at a time however many ask, and waits for it only so long."""

    def __init__(self, checks: Mapping[str, Check] = CHECKS, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self.checks = checks
        self.patience = patience_seconds
        self._running: dict[str, asyncio.Future[object]] = {}

    async def answer(self, _request: Request) -> JSONResponse:
        states = await asyncio.gather(*(self._state(name) for name in self.checks))
        checks = dict(zip(self.checks, states, strict=True))
        healthy = all(state == "ok" for state in states)
        return JSONResponse(
            {"status": "ok" if healthy else "unavailable", "checks": checks},
            status_code=200 if healthy else 503,
            headers={"cache-control": "no-store"},
        )

    async def _state(self, name: str) -> str:
        running = self._running.get(name)
        if running is None or running.done():
            running = self._running[name] = asyncio.ensure_future(asyncio.to_thread(self.checks[name]))
            running.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            # Shielded: a check that hangs goes on alone, and the next question waits for the same one.
            await asyncio.wait_for(asyncio.shield(running), self.patience)
        except TimeoutError:
            return f"no answer within {self.patience:g} s"
        except Exception as error:
            return f"failed: {type(error).__name__}"
        return "ok"
