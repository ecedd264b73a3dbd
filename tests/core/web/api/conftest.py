"""The API as mounted, with a given identity already authenticated."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import structlog
from sqlalchemy import Connection, text
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from core.auth.identity import Identity, Origin
from core.ratelimit import limiter
from core.settings import settings
from core.web.routes.table import routes


class SignedInAs:
    """Stand in for the authentication middleware."""

    def __init__(self, app: ASGIApp, identity: Identity | None) -> None:
        self.app = app
        self.identity = identity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            state = {**scope.get("state", {}), "identity": self.identity, "origin": Origin("192.0.2.7", "test", "r1")}
            scope = {**scope, "state": state}
        await self.app(scope, receive, send)


@cache
def api_routes() -> list[BaseRoute]:
    """Build the routes once, because FastAPI takes a while to read all models."""
    return routes()


def api_client(identity: Identity | None) -> TestClient:
    app = Starlette(routes=api_routes(), middleware=[Middleware(SignedInAs, identity=identity)])
    headers = {"authorization": "Bearer of the identity above"} if identity else None
    return TestClient(app, raise_server_exceptions=False, follow_redirects=False, headers=headers)


@pytest.fixture(autouse=True)
def plain_log() -> Iterator[None]:
    """Log without drawing tracebacks with all their values, which takes minutes."""
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()])
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def own_limits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Count rate limits in memory, from zero for each test."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setenv("SECRET_KEY", "k" * 40)
    settings.cache_clear()
    from core.ratelimit import storage

    counts = storage.memory_window()
    counting = limiter.Limiter(lambda: counts, lambda: counts)
    monkeypatch.setattr(limiter, "limiter", lambda: counting)


def add_person(connection: Connection, username: str, role: str) -> int:
    return int(
        connection.execute(
            text("INSERT INTO person (username, role) VALUES (:username, :role) RETURNING id"),
            {"username": username, "role": role},
        ).scalar_one()
    )


@pytest.fixture
def analyst(database: Connection) -> TestClient:
    return api_client(Identity(add_person(database, "ann", "analyst"), "ann", "analyst", api_key_id=1))


@pytest.fixture
def admin(database: Connection) -> TestClient:
    return api_client(Identity(add_person(database, "ada", "admin"), "ada", "admin"))


@pytest.fixture
def nobody(database: Connection) -> TestClient:
    return api_client(None)
