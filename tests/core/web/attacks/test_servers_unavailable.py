"""Outages of Redis and Postgres neither sign anyone in nor sign anyone out."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisAway
from sqlalchemy import create_engine, text
from starlette.testclient import TestClient

from core import redis_client
from core.auth import api_keys, session_cache, sessions, tickets
from core.db import engine
from core.db.migrations import upgrade
from core.launcher.embedded import Servers, lease
from core.launcher.embedded.server_folders import find_server_folders
from core.settings import settings
from tests.core.web.middleware_client import CLIENT_ORIGIN, DOCUMENT_HEADERS, PUBLIC_URL, browser_client, sign_in

SAME_ORIGIN = {"origin": PUBLIC_URL}
pytestmark = pytest.mark.slow


class StoppableServers:
    """Run servers for this module, each of which can be stopped."""

    def __init__(self, folder: Path) -> None:
        self.postgres = lease(folder, durable=False, redis=False)
        self.redis = lease(folder, durable=False, postgres=False)

    def stop(self, *which: Servers) -> None:
        for server in which:
            server.release()
        while any(is_available(server) for server in which):
            time.sleep(0.05)

    def restart(self) -> None:
        self.postgres.acquire()
        self.redis.acquire()


def is_available(server: Servers) -> bool:
    try:
        if server.redis_url:
            return bool(Redis.from_url(server.redis_url, retry=None).ping())
        psycopg.connect(server.database_url.replace("+psycopg", "")).close()
    except (RedisAway, psycopg.OperationalError):
        return False
    return True


@pytest.fixture(scope="module")
def machine() -> Iterator[StoppableServers]:
    folder = Path(tempfile.mkdtemp(prefix="almanac-away-", dir="/tmp"))
    folder.chmod(0o711)
    machine = StoppableServers(folder)
    upgrade(machine.postgres.database_url)
    yield machine
    machine.stop(machine.postgres, machine.redis)
    shutil.rmtree(find_server_folders(folder).sockets, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def browser(machine: StoppableServers, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """Return a signed-in browser; restart both servers at the end."""
    monkeypatch.setenv("DATABASE_URL", machine.postgres.database_url)
    monkeypatch.setenv("REDIS_URL", machine.redis.redis_url)
    monkeypatch.setenv("SECRET_KEY", "a key for tests, which is long enough to be one")
    reset_process_state()
    with create_engine(machine.postgres.database_url).begin() as connection:
        connection.execute(text("TRUNCATE person CASCADE"))
        insert = text("INSERT INTO person (username, role) VALUES ('ada', 'analyst') RETURNING id")
        person_id = connection.execute(insert).scalar_one()
    yield sign_in(browser_client(), person_id)
    machine.restart()
    reset_process_state()


def reset_process_state() -> None:
    """Reset connections and circuit breakers as in a process that has just started."""
    settings.cache_clear()
    engine.dispose_engines()
    redis_client.redis.cache_clear()
    session_cache.session_cache.cache_clear()


def person_id() -> int:
    with engine.transaction() as connection:
        return int(connection.execute(text("SELECT id FROM person WHERE username = 'ada'")).scalar_one())


def test_a_redis_outage_interrupts_nothing(machine: StoppableServers, browser: TestClient) -> None:
    machine.stop(machine.redis)
    assert browser.get("/api/v1/x").json()["person"] == "ada"
    assert browser.post("/auth/refresh", headers=SAME_ORIGIN).status_code == 204
    assert browser.get("/", headers=DOCUMENT_HEADERS).status_code == 200
    assert browser_client().get("/api/v1/x").status_code == 401
    machine.restart()
    assert browser.get("/api/v1/x").json()["person"] == "ada"


def test_sign_out_during_a_redis_outage_is_permanent(machine: StoppableServers, browser: TestClient) -> None:
    assert browser.get("/api/v1/x").status_code == 200  # Redis caches the session
    held = dict(browser.cookies)
    machine.stop(machine.redis)
    assert browser.post("/auth/logout", headers=SAME_ORIGIN).status_code == 204
    browser.cookies.update(held)
    assert browser.get("/api/v1/x").status_code == 401
    machine.restart()
    assert browser.get("/api/v1/x").status_code == 401


def test_a_postgres_outage_refuses_requests_and_preserves_cookies(
    machine: StoppableServers, browser: TestClient
) -> None:
    session = sessions.start(person_id(), CLIENT_ORIGIN)
    identity = sessions.identity_of(session.session_id)
    assert identity is not None
    _, key = api_keys.create(identity, "script", None, CLIENT_ORIGIN)
    ticket = tickets.issue_sign_in(identity.person_id, browser.cookies["almanac_nonce"])
    held = dict(browser.cookies)
    machine.stop(machine.postgres, machine.redis)

    refused = [
        browser.get("/api/v1/x"),
        browser_client().get("/api/v1/x", headers={"authorization": f"Bearer {key}"}),
        browser.post("/auth/refresh", headers=SAME_ORIGIN),
        browser.post("/auth/logout", headers=SAME_ORIGIN),
        browser.post("/auth/session", json={"ticket": ticket}, headers=SAME_ORIGIN),
    ]
    for response in refused:
        assert (response.status_code, response.json()["error"]) == (503, "server_unavailable")
        assert response.headers["retry-after"]
        assert "set-cookie" not in response.headers
    left = browser.get("/auth/logout")
    assert (left.status_code, "set-cookie" in left.headers) == (503, False)
    assert "You are still signed in" in left.text
    browser.cookies.delete("almanac_access")
    page = browser.get("/", headers=DOCUMENT_HEADERS)
    assert (page.status_code, "set-cookie" in page.headers) == (200, False)
    assert browser_client().get("/api/v1/x").status_code == 401
    assert browser_client().get("/api/v1/x", headers={"cookie": "almanac_access=forged"}).status_code == 401

    machine.restart()
    browser.cookies.update(held)
    assert browser.get("/api/v1/x").json()["person"] == "ada"
    assert browser.post("/auth/refresh", headers=SAME_ORIGIN).status_code == 204
    assert browser_client().get("/api/v1/x", headers={"authorization": f"Bearer {key}"}).json()["person"] == "ada"


def test_a_cached_session_stays_valid_until_its_cache_entry_expires(
    machine: StoppableServers, browser: TestClient
) -> None:
    assert browser.get("/api/v1/x").status_code == 200
    machine.stop(machine.postgres)
    assert browser.get("/api/v1/x").json()["person"] == "ada"
    redis_client.redis().flushdb()
    assert browser.get("/api/v1/x").status_code == 503
