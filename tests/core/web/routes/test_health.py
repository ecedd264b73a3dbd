"""`/health` reports within a bounded time whether the process can do its work."""

import threading

import pytest
import structlog
from redis import Redis
from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from core.settings import settings
from core.web.routes.health import Health


def health_client(health: Health) -> TestClient:
    return TestClient(Starlette(routes=[Route("/health", health.respond)]))


def test_health_is_ok_with_real_servers(committing_database: Engine, redis: Redis):
    response = health_client(Health()).get("/health")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "checks": {"postgres": "ok", "redis": "ok"}}
    assert response.headers["cache-control"] == "no-store"


def test_an_unavailable_server_is_reported_without_details(monkeypatch: pytest.MonkeyPatch, redis: Redis):
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret:words@127.0.0.1:1/almanac")
    settings.cache_clear()
    response = health_client(Health()).get("/health")
    assert response.status_code == 503
    assert response.json()["status"] == "unavailable"
    assert response.json()["checks"] == {"postgres": "failed: OperationalError", "redis": "ok"}
    assert "secret" not in response.text


def test_a_hanging_check_costs_one_timeout_and_one_thread():
    asked, release = [], threading.Event()

    def hang() -> None:
        asked.append(1)
        release.wait(60)

    with health_client(Health({"slow": hang, "quick": lambda: None}, timeout_seconds=0.05)) as web:
        responses = [web.get("/health").json()["checks"] for _ in range(3)]
        release.set()
    assert responses == [{"slow": "no response within 0.05 s", "quick": "ok"}] * 3
    assert len(asked) == 1


def test_only_changes_of_health_are_logged():
    away = threading.Event()

    def check() -> None:
        if away.is_set():
            raise ConnectionError

    with structlog.testing.capture_logs() as logged, health_client(Health({"redis": check})) as web:
        for state in (False, False, True, True, True, False, False):
            (away.set if state else away.clear)()
            web.get("/health")
    assert [(line["log_level"], line["event"], line["server"]) for line in logged] == [
        ("warning", "server unavailable", "redis"),
        ("info", "server available again", "redis"),
    ]
