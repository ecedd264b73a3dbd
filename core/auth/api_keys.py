"""API keys for programs: shown once, stored hashed, with the current permissions of their person.

A feed token is a key for the URL of a feed: it reads feeds and nothing else, so that a leaked URL gives little away.
"""

import secrets
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Literal

import structlog
from cachetools import TTLCache
from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core.auth import audit
from core.auth.identity import Identity, Origin
from core.auth.validation import check_display_name
from core.db.engine import optional_write, transaction
from core.errors import BadInput, Conflict, Forbidden, NotFound, ServerUnavailable

log = structlog.get_logger()
Kind = Literal["api", "feed"]
API_KEY_PREFIX, FEED_TOKEN_PREFIX = "alm_", "almfeed_"
PREFIXES: dict[Kind, str] = {"api": API_KEY_PREFIX, "feed": FEED_TOKEN_PREFIX}
NOUNS: dict[Kind, str] = {"api": "API key", "feed": "feed token"}
ARTICLES: dict[Kind, str] = {"api": "An", "feed": "A"}
KEY_BYTES = 32
RANDOM_LENGTH = 43
HINT_LENGTH = 4
MAX_DAYS = 366
MAX_KEYS = 20
LAST_USED_INTERVAL = timedelta(minutes=1)
COLUMNS = "id, name, hint, created_at, last_used_at, expires_at"
IS_VALID = "kind = :kind AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :now)"
RECENTLY_VALID_SECONDS = 600
_recently_valid: TTLCache[bytes, bool] = TTLCache(1_000, RECENTLY_VALID_SECONDS)
_recently_valid_lock = threading.Lock()


@dataclass(frozen=True)
class ApiKeyInfo:
    """A key as its owner sees it; `hint` is its last characters."""

    id: int
    name: str
    hint: str
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None


def create(
    identity: Identity,
    name: str,
    days: int | None,
    origin: Origin,
    now: datetime | None = None,
    *,
    kind: Kind = "api",
) -> tuple[ApiKeyInfo, str]:
    """Create a key valid for *days* (None: until revoked); return its description and the key, to be shown once.

    Raises BadInput, Conflict above MAX_KEYS, Forbidden when the request was authenticated by an API key.
    """
    if identity.session_id is None:
        raise Forbidden("An API key cannot create API keys; sign in first")
    if days is not None and not 1 <= days <= MAX_DAYS:
        raise BadInput(f"{ARTICLES[kind]} {NOUNS[kind]} is valid for 1 to {MAX_DAYS} days")
    checked_name = check_display_name(name)
    if checked_name is None:
        raise BadInput(f"{ARTICLES[kind]} {NOUNS[kind]} needs a name, such as where it will be used")
    key = PREFIXES[kind] + secrets.token_urlsafe(KEY_BYTES)
    now = now or datetime.now(UTC)
    values = {
        "person_id": identity.person_id,
        "kind": kind,
        "name": checked_name,
        "hash": _hash(key),
        "hint": key[-HINT_LENGTH:],
        "now": now,
        "expires_at": now + timedelta(days=days) if days is not None else None,
    }
    with transaction() as connection:
        _check_count(connection, identity.person_id, kind, now)
        row = connection.execute(
            text(
                "INSERT INTO api_key (person_id, kind, name, hash, hint, created_at, expires_at)"  # noqa: S608 - ours
                f" VALUES (:person_id, :kind, :name, :hash, :hint, :now, :expires_at) RETURNING {COLUMNS}"
            ),
            values,
        ).one()
        _audit(
            connection,
            "api_key_created" if kind == "api" else "feed_token_created",
            identity,
            checked_name,
            origin,
            days=days,
        )
    log.info("API key created", kind=kind, person_id=identity.person_id)
    return _api_key_info(row), key


def _check_count(connection: Connection, person_id: int, kind: Kind, now: datetime) -> None:
    """Raise Conflict above MAX_KEYS. Locks the person's row: concurrently created keys are counted one by one."""
    connection.execute(text("SELECT FROM person WHERE id = :id FOR UPDATE"), {"id": person_id})
    count = connection.scalar(
        text(f"SELECT count(*) FROM api_key WHERE person_id = :id AND {IS_VALID}"),  # noqa: S608 - ours
        {"id": person_id, "kind": kind, "now": now},
    )
    if (count or 0) >= MAX_KEYS:
        raise Conflict(f"You already have {MAX_KEYS} {NOUNS[kind]}s; revoke one first")


def identify(key: str, now: datetime | None = None, *, kind: Kind = "api") -> Identity | None:
    """Return the identity of *key*'s person; None if it is unknown, expired, revoked, or the person is deactivated.

    A key of another *kind* is unknown. Raises ServerUnavailable without Postgres.
    """
    prefix = PREFIXES[kind]
    if len(key) != len(prefix) + RANDOM_LENGTH or not key.startswith(prefix) or not key.isascii():
        return None
    now = now or datetime.now(UTC)
    try:
        with transaction() as connection:
            row = connection.execute(
                text("""
                    SELECT api_key.id, person_id, username, role, display_name, preferences, last_used_at
                      FROM api_key JOIN person ON person.id = person_id
                     WHERE hash = :hash AND kind = :kind AND revoked_at IS NULL AND active
                       AND (expires_at IS NULL OR expires_at > :now)
                """),
                {"hash": _hash(key), "kind": kind, "now": now},
            ).one_or_none()
            if row and (row.last_used_at is None or row.last_used_at < now - LAST_USED_INTERVAL):
                with optional_write(connection):
                    connection.execute(
                        text("UPDATE api_key SET last_used_at = :now WHERE id = :id"), {"now": now, "id": row.id}
                    )
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise ServerUnavailable("Postgres is unavailable") from error
    with _recently_valid_lock:
        if row is None:
            _recently_valid.pop(_hash(key), None)
            return None
        _recently_valid[_hash(key)] = True
    return Identity(
        row.person_id, row.username, row.role, row.display_name, api_key_id=row.id, preferences=row.preferences
    )


def was_valid_recently(key: str) -> bool:
    """Return whether this process identified somebody by *key* within the last ten minutes."""
    with _recently_valid_lock:
        return _hash(key) in _recently_valid


def list_active(person_id: int, now: datetime | None = None, *, kind: Kind = "api") -> list[ApiKeyInfo]:
    """Return a person's valid keys, newest first."""
    with transaction() as connection:
        rows = connection.execute(
            text(
                f"SELECT {COLUMNS} FROM api_key WHERE person_id = :id AND {IS_VALID}"  # noqa: S608 - ours
                " ORDER BY created_at DESC, id DESC"
            ),
            {"id": person_id, "kind": kind, "now": now or datetime.now(UTC)},
        ).all()
    return [_api_key_info(row) for row in rows]


def revoke(identity: Identity, key_id: int, origin: Origin, *, kind: Kind = "api") -> None:
    """Revoke one of the person's own keys. Raises NotFound when they have no such key."""
    with transaction() as connection:
        name = connection.scalar(
            text(
                "UPDATE api_key SET revoked_at = now() WHERE id = :id AND person_id = :person_id"
                " AND kind = :kind AND revoked_at IS NULL RETURNING name"
            ),
            {"id": key_id, "person_id": identity.person_id, "kind": kind},
        )
        if name is None:
            raise NotFound(f"You have no such {NOUNS[kind]}")
        _audit(connection, "api_key_revoked" if kind == "api" else "feed_token_revoked", identity, name, origin)
    log.info("API key revoked", kind=kind, person_id=identity.person_id)


def _audit(
    connection: Connection, action: audit.Action, identity: Identity, name: str, origin: Origin, **details: object
) -> None:
    audit.record(
        connection,
        action,
        actor=identity.username,
        person_id=identity.person_id,
        target=name,
        origin=origin,
        **details,
    )


def _api_key_info(row: Row[Any]) -> ApiKeyInfo:
    return ApiKeyInfo(**row._mapping)


def _hash(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogatepass")).digest()
