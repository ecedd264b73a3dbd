"""`/health` reports within a bounded time whether the process can do its work."""

import asyncio
import json
import threading
from pathlib import Path

import pytest
import structlog
from redis import Redis
from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route
from starlette.testclient import TestClient

from core.settings import settings
from core.web.routes import health as health_route
from core.web.routes.health import Health


@pytest.fixture(autouse=True)
def unknown_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the disk out: tests/core/test_disk_space.py is about it."""
    monkeypatch.setattr(health_route, "disk_state", lambda: None)


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

    with health_client(Health({"slow": hang, "quick": lambda: None}, timeout_seconds=1)) as web:
        responses = [web.get("/health").json()["checks"] for _ in range(3)]
        release.set()
    assert responses == [{"slow": "no response within 1 s", "quick": "ok"}] * 3
    assert len(asked) == 1


def test_threads_that_hang_elsewhere_do_not_delay_a_check():
    """asyncio's default executor has a few threads only."""
    release = threading.Event()

    async def ask() -> dict[str, str]:
        others = [asyncio.get_running_loop().run_in_executor(None, release.wait, 60) for _ in range(64)]
        answer = await Health({"quick": lambda: None}, timeout_seconds=30).respond(Request({"type": "http"}))
        release.set()
        await asyncio.gather(*others)
        return json.loads(answer.body)["checks"]

    assert asyncio.run(ask()) == {"quick": "ok"}


def test_the_embedded_postgres_is_checked_while_valkey_hangs(tmp_path, monkeypatch: pytest.MonkeyPatch, redis: Redis):
    """The check leases Postgres alone, once for all checks, and not Valkey, for which a lease would wait."""
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    settings.cache_clear()
    leased = []

    class Leased:
        database_url = "postgresql+psycopg://nobody@127.0.0.1:1/none"

        def __init__(self, data_dir: Path, *, pg_bin_dir: str, redis: bool = True) -> None:
            leased.append((data_dir, redis))

        def acquire(self) -> None:
            leased.append("again")

    monkeypatch.setattr(health_route.embedded, "lease", Leased)
    health_route.embedded_postgres.cache_clear()
    with health_client(Health()) as web:
        checks = [web.get("/health").json()["checks"] for _ in range(2)]
    health_route.embedded_postgres.cache_clear()
    assert checks == [{"postgres": "failed: OperationalError", "redis": "ok"}] * 2
    assert leased == [(tmp_path, False), "again", "again"]


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
