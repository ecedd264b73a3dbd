"""One-time, short-lived tickets: exchange of a sign-in for session cookies, password reset links, invitations.

Only a hash is stored, and redeeming deletes the row, so that of two concurrent uses one fails.
"""

import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Literal, cast

import structlog
from sqlalchemy import Connection, Row, text

from core.auth import audit, passwords, people, sessions
from core.auth.identity import Origin, Role
from core.auth.people import Actor, Person
from core.auth.validation import check_email
from core.db.engine import transaction
from core.errors import BadInput, Conflict, NotFound, NotSignedIn
from core.settings import settings

log = structlog.get_logger()
Purpose = Literal["sign_in", "reset", "invite"]
SIGN_IN_LIFETIME = timedelta(seconds=30)
RESET_LIFETIME = timedelta(hours=1)
MAX_INVITE_DAYS = 90
TICKET_BYTES = 32
MAX_TICKET_LENGTH = 200


class InvalidTicket(NotSignedIn):
    """A ticket that is unknown, expired or already used."""


@dataclass(frozen=True)
class Invite:
    """The role, e-mail address and expiry of an invitation."""

    role: Role
    email: str | None
    expires_at: datetime


def issue_sign_in(person_id: int, nonce: str, now: datetime | None = None) -> str:
    """Issue a ticket that the browser with *nonce* exchanges for a session."""
    with transaction() as connection:
        return _issue(connection, "sign_in", person_id, SIGN_IN_LIFETIME, now, nonce=nonce)


def redeem_sign_in(ticket: str, nonce: str, now: datetime | None = None) -> int:
    """Redeem the ticket and return the person's id. Raises InvalidTicket; a wrong *nonce* consumes the ticket too."""
    with transaction() as connection:
        row = _redeem(connection, "sign_in", ticket, now)
    if row is None or not nonce or not hmac.compare_digest(bytes(row.nonce_hash or b""), _hash(nonce)):
        raise InvalidTicket("This sign-in expired or was already used; sign in again")
    return int(row.person_id)


def issue_reset(actor: Actor, person_id: int, origin: Origin, now: datetime | None = None) -> str:
    """Issue a password reset token and revoke earlier ones of that person. Raises Conflict, Forbidden, NotFound."""
    with transaction() as connection:
        name, actor_id = people.require_admin_actor(connection, actor)
        person = people.fetch_person(connection, person_id, lock=True)
        if not person.active:
            raise Conflict(f"{person.username} is deactivated; activate the person first")
        connection.execute(text("DELETE FROM ticket WHERE person_id = :id AND purpose = 'reset'"), {"id": person_id})
        token = _issue(connection, "reset", person_id, RESET_LIFETIME, now, details={"by": actor_id})
        audit.record(
            connection, "reset_link_created", actor=name, person_id=actor_id, target=person.username, origin=origin
        )
    log.info("password reset link created", person_id=person_id)
    return token


def check_reset(token: str, now: datetime | None = None) -> Person:
    """Return the person whose password the token can set, without redeeming it. Raises InvalidTicket."""
    with transaction() as connection:
        row = _find_valid(connection, "reset", token, now)
        person = people.fetch_person(connection, row.person_id) if row else None
    if person is None or not person.active:
        raise InvalidTicket("This link expired or was already used; ask for a new one")
    return person


def redeem_reset(
    token: str, new_password: str, *, revoke_api_keys: bool = True, origin: Origin, now: datetime | None = None
) -> Person:
    """Redeem the token and set the password; all sessions end, and API keys unless kept.

    Raises BadInput, InvalidTicket.
    """
    person = check_reset(token, now)
    passwords.check_strength(new_password)
    stored = passwords.hash_password(new_password)
    with transaction() as connection:
        row = _redeem(connection, "reset", token, now)
        if row is None or row.person_id != person.id:
            raise InvalidTicket("This link expired or was already used; ask for a new one")
        values = {"stored": stored, "id": person.id}
        connection.execute(text("UPDATE person SET password_hash = :stored WHERE id = :id"), values)
        connection.execute(text("DELETE FROM ticket WHERE person_id = :id"), values)
        ended = sessions.revoke_all_in_transaction(connection, person.id, "password_reset")
        keys = _revoke_api_keys(connection, person.id) if revoke_api_keys else 0
        audit.record(
            connection,
            "password_reset",
            actor=person.username,
            person_id=person.id,
            origin=origin,
            sessions=len(ended),
            api_keys=keys,
        )
    sessions.invalidate_cached(ended)
    log.info("password reset", person_id=person.id, sessions_ended=len(ended), keys_ended=keys)
    return person


def issue_invite(
    actor: Actor,
    origin: Origin,
    role: str = "analyst",
    email: str | None = None,
    days: int = 7,
    now: datetime | None = None,
) -> str:
    """Issue an invitation to register once. Raises BadInput, Forbidden, and Conflict where registration is closed."""
    if role not in {"analyst", "admin"}:
        raise BadInput(f"Unknown role {role[:20]!r}; the roles are analyst and admin")
    if not 1 <= days <= MAX_INVITE_DAYS:
        raise BadInput(f"An invitation is valid for 1 to {MAX_INVITE_DAYS} days")
    if settings().registration_mode == "closed":
        raise Conflict("Registration is closed (REGISTRATION=closed); create the person instead")
    details: dict[str, Any] = {"role": role, "email": check_email(email)}
    with transaction() as connection:
        name, actor_id = people.require_admin_actor(connection, actor)
        details |= {"by": actor_id}
        token = _issue(connection, "invite", None, timedelta(days=days), now, details=details)
        audit.record(
            connection,
            "invite_created",
            actor=name,
            person_id=actor_id,
            target=email or None,
            origin=origin,
            role=role,
            days=days,
        )
    return token


def revoke_invite(actor: Actor, invite_id: str, origin: Origin) -> None:
    """Revoke an unused invitation by the id that lists of them show. Raises Forbidden, NotFound."""
    with transaction() as connection:
        name, actor_id = people.require_admin_actor(connection, actor)
        row = connection.execute(
            text(
                "DELETE FROM ticket WHERE purpose = 'invite' AND encode(hash, 'hex') = :id AND expires_at > now()"
                " RETURNING details"
            ),
            {"id": invite_id},
        ).one_or_none()
        if row is None:
            raise NotFound("This invitation expired or was already used")
        audit.record(
            connection,
            "invite_withdrawn",
            actor=name,
            person_id=actor_id,
            target=row.details.get("email"),
            origin=origin,
            role=row.details["role"],
        )
    log.info("invitation revoked")


def check_invite(token: str, now: datetime | None = None) -> Invite:
    """Return the invitation without redeeming it. Raises InvalidTicket."""
    with transaction() as connection:
        return _invite(_find_valid(connection, "invite", token, now))


def redeem_invite(connection: Connection, token: str, now: datetime | None = None) -> Invite:
    """Redeem the invitation in the transaction that creates the person. Raises InvalidTicket."""
    return _invite(_redeem(connection, "invite", token, now))


def _invite(row: Row[Any] | None) -> Invite:
    if row is None:
        raise InvalidTicket("This invitation expired or was already used; ask for a new one")
    return Invite(cast("Role", row.details["role"]), row.details.get("email"), row.expires_at)


def _revoke_api_keys(connection: Connection, person_id: int) -> int:
    return connection.execute(
        text("UPDATE api_key SET revoked_at = now() WHERE person_id = :id AND revoked_at IS NULL"), {"id": person_id}
    ).rowcount


def _issue(
    connection: Connection,
    purpose: Purpose,
    person_id: int | None,
    lifetime: timedelta,
    now: datetime | None,
    *,
    nonce: str | None = None,
    details: dict[str, Any] | None = None,
) -> str:
    token = secrets.token_urlsafe(TICKET_BYTES)
    connection.execute(
        text(
            "INSERT INTO ticket (hash, purpose, person_id, nonce_hash, details, expires_at)"
            " VALUES (:hash, :purpose, :person_id, :nonce, CAST(:details AS jsonb), :expires_at)"
        ),
        {
            "hash": _hash(token),
            "purpose": purpose,
            "person_id": person_id,
            "nonce": _hash(nonce) if nonce else None,
            "details": json.dumps(details) if details else None,
            "expires_at": (now or datetime.now(UTC)) + lifetime,
        },
    )
    return token


def _find_valid(connection: Connection, purpose: Purpose, token: str, now: datetime | None) -> Row[Any] | None:
    return connection.execute(
        text("SELECT * FROM ticket WHERE hash = :hash AND purpose = :purpose AND expires_at > :now"),
        {"hash": _hash(token), "purpose": purpose, "now": now or datetime.now(UTC)},
    ).one_or_none()


def _redeem(connection: Connection, purpose: Purpose, token: str, now: datetime | None) -> Row[Any] | None:
    return connection.execute(
        text("DELETE FROM ticket WHERE hash = :hash AND purpose = :purpose AND expires_at > :now RETURNING *"),
        {"hash": _hash(token), "purpose": purpose, "now": now or datetime.now(UTC)},
    ).one_or_none()


def _hash(token: str) -> bytes:
    # Truncated: hashing a long forged token must not cost more than hashing a real one.
    return sha256(token[:MAX_TICKET_LENGTH].encode("utf-8", "surrogatepass")).digest()
