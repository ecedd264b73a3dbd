"""Sessions with rotating refresh tokens. Postgres is the source of truth.

A refresh returns the next generation. The previous one stays valid, with the same result, until the new one is first
used: concurrent tabs and a lost response do no harm. An older one was stolen or replayed and revokes the session.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core.auth import audit, tokens
from core.auth.identity import Identity, Origin
from core.auth.session_cache import LiveSession, session_cache
from core.auth.signing_key import secret_key
from core.auth.tokens import InvalidToken
from core.db.engine import optional_write, read_rows, transaction
from core.errors import NotSignedIn, ServerUnavailable
from core.settings import settings

log = structlog.get_logger()
MAX_SESSION_DAYS = 90
LAST_SEEN_INTERVAL = timedelta(minutes=1)
LIVE_SQL = text("""
    SELECT person_id, username, role, display_name, preferences, access_expires_at, expires_at, session.last_seen_at
      FROM session JOIN person ON person.id = person_id
     WHERE session.id = :id AND revoked_at IS NULL AND expires_at > :now AND active
""")


@dataclass(frozen=True)
class SessionTokens:
    """The tokens of a session; `expires_in` and `refresh_expires_in` are in seconds."""

    access: str
    refresh: str
    expires_in: int
    session_id: UUID
    refresh_expires_in: int


@dataclass(frozen=True)
class SessionInfo:
    """A session as its owner sees it."""

    id: UUID
    ip_address: str | None
    user_agent: str | None
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


def start(person_id: int, origin: Origin, now: datetime | None = None) -> SessionTokens:
    """Start a session with a new id. Raises NotSignedIn if the person does not exist or is deactivated."""
    now = now or datetime.now(UTC)
    session_id = uuid4()
    with transaction() as connection:
        # Two statements: Citus returns NULL for a subquery in RETURNING of an INSERT that selects.
        role = connection.scalar(
            text("SELECT role FROM person WHERE id = :person_id AND active FOR SHARE"), {"person_id": person_id}
        )
        if role is None:
            raise NotSignedIn("Sign in first")
        row = connection.execute(
            text("""
                INSERT INTO session (id, person_id, generation, access_expires_at, ip_address, user_agent, created_at,
                                     last_seen_at, expires_at)
                VALUES (:id, :person_id, 0, :access_expires_at, CAST(:ip_address AS inet), :agent, :now, :now,
                        :expires_at)
             RETURNING id, person_id, generation, access_expires_at, expires_at, CAST(:role AS text) AS role
            """),
            {
                "id": session_id,
                "person_id": person_id,
                "role": role,
                "now": now,
                "access_expires_at": _access_until(now),
                "expires_at": _expires_at(now, now),
                "ip_address": audit.ip_address_of(origin),
                "agent": audit.user_agent_of(origin),
            },
        ).one()
        _update_last_seen(connection, session_id, person_id, now)
    log.info("session started", person_id=person_id)
    return _session_tokens(row, now)


def refresh(refresh_token: str, origin: Origin, now: datetime | None = None) -> SessionTokens:
    """Extend a session and return new tokens. Raises InvalidToken; reuse of an old token revokes the session."""
    now = now or datetime.now(UTC)
    session_id, generation = tokens.decode_refresh_token(secret_key(), refresh_token)
    with transaction() as connection:
        row = _lock_session(connection, session_id, now)
        if row is None or generation > row.generation:
            raise InvalidToken
        is_stolen = generation < row.generation - 1
        if is_stolen:
            _revoke_stolen(connection, row, origin)
        else:
            row = _extend(connection, row, is_newest=generation == row.generation, origin=origin, now=now)
    invalidate_cached([session_id])
    if is_stolen:
        log.warning("refresh token reused, session revoked", person_id=row.person_id)
        raise InvalidToken
    return _session_tokens(row, now)


def get_live(session_id: UUID, now: datetime | None = None) -> LiveSession | None:
    """Return the session unless it ended; its access token may have expired.

    Raises ServerUnavailable without Postgres.
    """
    now = now or datetime.now(UTC)
    found = session_cache().get(session_id)
    if found is None:
        found = _load_live(session_id, now)
        if found:
            session_cache().put(session_id, found)
    return found if found and found.expires_at > now else None


def identity_of(session_id: UUID, now: datetime | None = None) -> Identity | None:
    """Return the person of a session; None if it ended or its access token expired."""
    now = now or datetime.now(UTC)
    found = get_live(session_id, now)
    return found.identity if found and found.access_expires_at > now else None


def revoke(
    session_id: UUID, reason: str, *, person_id: int | None = None, origin: Origin = audit.UNKNOWN_ORIGIN
) -> bool:
    """Revoke one session, of *person_id* if given; return False if there is none. `sign_out` is audited as such."""
    with transaction() as connection:
        row = connection.execute(
            text("""
                UPDATE session SET revoked_at = now(), revoked_reason = :reason FROM person
                 WHERE session.id = :id AND revoked_at IS NULL AND person.id = person_id
                   AND (CAST(:person_id AS bigint) IS NULL OR person_id = :person_id)
             RETURNING person_id, username
            """),
            {"id": session_id, "reason": reason, "person_id": person_id},
        ).one_or_none()
        if row:
            action: audit.Action = "sign_out" if reason == "sign_out" else "session_ended"
            audit.record(connection, action, actor=row.username, person_id=row.person_id, origin=origin, reason=reason)
    invalidate_cached([session_id])
    return row is not None


def revoke_all(person_id: int, reason: str, keep: UUID | None = None, origin: Origin = audit.UNKNOWN_ORIGIN) -> int:
    """Revoke all sessions of a person except *keep*; return their number."""
    with transaction() as connection:
        ended = revoke_all_in_transaction(connection, person_id, reason, keep)
        if ended:
            name = connection.scalar(text("SELECT username FROM person WHERE id = :id"), {"id": person_id})
            audit.record(
                connection,
                "session_ended",
                actor=str(name),
                person_id=person_id,
                origin=origin,
                reason=reason,
                sessions=len(ended),
            )
    invalidate_cached(ended)
    return len(ended)


def list_active(person_id: int, now: datetime | None = None) -> list[SessionInfo]:
    """Return a person's active sessions, most recently used first."""
    with transaction() as connection:
        rows = connection.execute(
            text("""
                SELECT id, host(ip_address) AS ip_address, user_agent, created_at, last_seen_at, expires_at FROM session
                 WHERE person_id = :id AND revoked_at IS NULL AND expires_at > :now
                 ORDER BY last_seen_at DESC, id
            """),
            {"id": person_id, "now": now or datetime.now(UTC)},
        ).all()
    return [SessionInfo(**row._mapping) for row in rows]


def revoke_all_in_transaction(
    connection: Connection, person_id: int, reason: str, keep: UUID | None = None
) -> Sequence[UUID]:
    """Revoke them in the caller's transaction; pass the returned ids to `invalidate_cached` after the commit."""
    return connection.scalars(
        text("""
            UPDATE session SET revoked_at = now(), revoked_reason = :reason
             WHERE person_id = :id AND revoked_at IS NULL AND id IS DISTINCT FROM CAST(:keep AS uuid) RETURNING id
        """),
        {"id": person_id, "reason": reason, "keep": keep},
    ).all()


def active_session_ids(connection: Connection, person_id: int) -> Sequence[UUID]:
    return connection.scalars(
        text("SELECT id FROM session WHERE person_id = :id AND revoked_at IS NULL"), {"id": person_id}
    ).all()


def invalidate_cached(session_ids: Iterable[UUID]) -> None:
    """Drop these sessions from the cache."""
    session_cache().invalidate(session_ids)


def _load_live(session_id: UUID, now: datetime) -> LiveSession | None:
    try:
        row = read_rows(lambda connection: connection.execute(LIVE_SQL, {"id": session_id, "now": now}).one_or_none())
        if row and row.last_seen_at < now - LAST_SEEN_INTERVAL:
            with transaction() as connection, optional_write(connection):
                _update_last_seen(connection, session_id, row.person_id, now)
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise ServerUnavailable("Postgres is unavailable") from error
    if row is None:
        return None
    identity = Identity(
        row.person_id, row.username, row.role, row.display_name, session_id, preferences=row.preferences
    )
    return LiveSession(identity, row.access_expires_at, row.expires_at)


def _update_last_seen(connection: Connection, session_id: UUID, person_id: int, now: datetime) -> None:
    values = {"id": session_id, "person_id": person_id, "now": now}
    connection.execute(text("UPDATE session SET last_seen_at = :now WHERE id = :id"), values)
    connection.execute(
        text("UPDATE person SET last_seen_at = :now WHERE id = :person_id AND last_seen_at IS DISTINCT FROM :now"),
        values,
    )


def _lock_session(connection: Connection, session_id: UUID, now: datetime) -> Row[Any] | None:
    """Return the session's row, locked, so that concurrent refreshes see each other's result."""
    return connection.execute(
        text("""
            SELECT session.id, person_id, username, role, generation, access_expires_at, expires_at, session.created_at
              FROM session JOIN person ON person.id = person_id
             WHERE session.id = :id AND revoked_at IS NULL AND expires_at > :now AND active FOR UPDATE OF session
        """),
        {"id": session_id, "now": now},
    ).one_or_none()


def _extend(connection: Connection, row: Row[Any], *, is_newest: bool, origin: Origin, now: datetime) -> Row[Any]:
    return connection.execute(
        text("""
            UPDATE session
               SET generation = generation + :step,
                   generation_used_at = CASE WHEN :step = 1 THEN :now ELSE generation_used_at END,
                   access_expires_at = greatest(access_expires_at, :access_expires_at), expires_at = :expires_at,
                   ip_address = coalesce(CAST(:ip_address AS inet), ip_address), last_seen_at = :now
             WHERE id = :id
         RETURNING id, person_id, generation, access_expires_at, expires_at, CAST(:role AS text) AS role
        """),
        {
            "id": row.id,
            "role": row.role,
            "step": int(is_newest),
            "now": now,
            "access_expires_at": _access_until(now),
            "expires_at": _expires_at(row.created_at, now),
            "ip_address": audit.ip_address_of(origin),
        },
    ).one()


def _revoke_stolen(connection: Connection, row: Row[Any], origin: Origin) -> None:
    connection.execute(
        text("UPDATE session SET revoked_at = now(), revoked_reason = 'refresh_token_reused' WHERE id = :id"),
        {"id": row.id},
    )
    audit.record(connection, "refresh_token_reused", actor=row.username, person_id=row.person_id, origin=origin)


def _access_until(now: datetime) -> datetime:
    return now + timedelta(minutes=settings().access_token_minutes)


def _expires_at(created_at: datetime, now: datetime) -> datetime:
    """Return the sliding expiry, at most MAX_SESSION_DAYS after creation."""
    return min(now + timedelta(days=settings().refresh_token_days), created_at + timedelta(days=MAX_SESSION_DAYS))


def _session_tokens(row: Row[Any], now: datetime) -> SessionTokens:
    key, minutes = secret_key(), settings().access_token_minutes
    access = tokens.access_token(
        key, person_id=row.person_id, session_id=row.id, role=row.role, now=now, minutes=minutes
    )
    return SessionTokens(
        access,
        tokens.refresh_token(key, row.id, row.generation),
        expires_in=int(minutes * 60),
        session_id=row.id,
        refresh_expires_in=int((row.expires_at - now).total_seconds()),
    )
