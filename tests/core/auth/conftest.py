"""Fixtures for the authentication tests: people, sessions, audit events and a fast bcrypt."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Connection, text

from core.auth import people, session_cache, sessions
from core.auth.identity import Identity, Origin
from core.auth.people import Person
from core.settings import settings

PASSWORD = "Correct horse 1"
ORIGIN = Origin("192.0.2.7", "Mozilla/5.0", "request-1")
AddPerson = Callable[..., Person]


@pytest.fixture(autouse=True)
def separate_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Use a separate data directory and a closed Redis circuit breaker."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    settings.cache_clear()
    session_cache.session_cache.cache_clear()
    yield
    session_cache.session_cache.cache_clear()


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def change(**values: object) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name.upper(), str(value))
        settings.cache_clear()

    return change


@pytest.fixture
def add(database: Connection, redis: Redis) -> AddPerson:
    """Add a person, with PASSWORD unless another password is given."""

    def somebody(username: str = "ada", role: str = "analyst", password: str | None = PASSWORD) -> Person:
        return people.create(username, actor="test", role=role, password=password)

    return somebody


def signed_in_identity(person: Person, **more: Any) -> Identity:
    """Return the identity of the person, signed in."""
    session_id = sessions.start(person.id, ORIGIN).session_id
    return Identity(person.id, person.username, person.role, session_id=session_id, **more)


def audit_events(connection: Connection, action: str) -> list[Any]:
    """Return the audit events of *action*, oldest first."""
    return list(
        connection.execute(
            text(
                "SELECT actor, person_id, target, host(ip_address) AS ip_address, request_id, details FROM audit_event"
                " WHERE action = :action ORDER BY id"
            ),
            {"action": action},
        )
    )


def fail_updates(connection: Connection, table: str, sqlstate: str) -> None:
    """Let every update of *table* fail as Postgres does on a full disk (53100), say."""
    connection.execute(
        text(f"""
            CREATE FUNCTION refuse_update() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '{sqlstate}'; END $$
        """)
    )
    trigger = f"CREATE TRIGGER refuse_update BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_update()"
    connection.execute(text(trigger))
