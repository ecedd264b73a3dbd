"""A test client in front of the web middleware with a real database and a real Valkey."""

from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Connection, text
from starlette.testclient import TestClient

from core.auth import session_cache
from core.settings import settings
from core.web.middleware import authentication
from tests.core.web.middleware_client import browser_client

SECRET_KEY = "a key for tests, which is long enough to be one"


@pytest.fixture
def web(database: Connection, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setenv("SECRET_KEY", SECRET_KEY)
    monkeypatch.setattr(authentication, "LOOKUP_TIMEOUT_SECONDS", 60)  # a test that is about it has its own
    settings.cache_clear()
    session_cache.session_cache.cache_clear()
    return browser_client()


AddPerson = Callable[..., int]


@pytest.fixture
def person(database: Connection) -> AddPerson:
    """Return a function that adds a person and returns the id."""

    def add(username: str = "ada", role: str = "analyst", **values: Any) -> int:
        insert = text("INSERT INTO person (username, role, active) VALUES (:username, :role, :active) RETURNING id")
        given = {"username": username, "role": role, "active": True} | values
        return int(database.execute(insert, given).scalar_one())

    return add
