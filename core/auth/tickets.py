"""Tickets: what is good once and soon over. A sign-in on its way to a cookie, a reset link, an invitation.

Only a hash is stored, and using one deletes its row: of two who use it at once one gets nothing.
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
    """A ticket that nobody issued, that is over, or that was used."""


@dataclass(frozen=True)
class Invite:
    """What an invitation offers."""

    role: Role
    email: str | None
    expires_at: datetime


def issue_sign_in(person_id: int, nonce: str, now: datetime | None = None) -> str:
    """A ticket for the browser that holds *nonce*, to be exchanged for its session."""
    with transaction() as connection:
        return _issue(connection, "sign_in", person_id, SIGN_IN_LIFETIME, now, nonce=nonce)


def redeem_sign_in(ticket: str, nonce: str, now: datetime | None = None) -> int:
    """The person's id, once. Raises InvalidTicket; a wrong *nonce* uses the ticket up all the same."""
    with transaction() as connection:
        row = _redeem(connection, "sign_in", ticket, now)
    if row is None or not nonce or not hmac.compare_digest(bytes(row.nonce_hash or b""), _hash(nonce)):
        raise InvalidTicket("This sign-in took too long or was used already; sign in again")
    return int(row.person_id)


def issue_reset(actor: Actor, person_id: int, origin: Origin, now: datetime | None = None) -> str:
    """A token with which somebody sets a new password; earlier ones of that person end. Raises Conflict, NotFound."""
    with transaction() as connection:
        name, by = people.require_admin_actor(connection, actor)
        person = people.fetch_person(connection, person_id, lock=True)
        if not person.active:
            raise Conflict(f"{person.username} is deactivated; activate first")
        connection.execute(text("DELETE FROM ticket WHERE person_id = :id AND purpose = 'reset'"), {"id": person_id})
        token = _issue(connection, "reset", person_id, RESET_LIFETIME, now, details={"by": by})
        audit.record(connection, "reset_link_created", actor=name, person_id=by, target=person.username, origin=origin)
    log.info("reset link made", person_id=person_id)
    return token


def check_reset(token: str, now: datetime | None = None) -> Person:
    """Whose password the token can set; it stays good. Raises InvalidTicket."""
    with transaction() as connection:
        row = _find_valid(connection, "reset", token, now)
        person = people.fetch_person(connection, row.person_id) if row else None
    if person is None or not person.active:
        raise InvalidTicket("This link is over or was used already; ask for a new one")
    return person


def redeem_reset(
    token: str, new_password: str, *, end_api_keys: bool = True, origin: Origin, now: datetime | None = None
) -> Person:
    """Set the password, once; all sessions end, and API keys unless kept. Raises BadInput, InvalidTicket."""
    person = check_reset(token, now)
    passwords.check_strength(new_password)
    stored = passwords.hash_password(new_password)
    with transaction() as connection:
        row = _redeem(connection, "reset", token, now)
        if row is None or row.person_id != person.id:
            raise InvalidTicket("This link is over or was used already; ask for a new one")
        values = {"stored": stored, "id": person.id}
        connection.execute(text("UPDATE person SET password_hash = :stored WHERE id = :id"), values)
        connection.execute(text("DELETE FROM ticket WHERE person_id = :id"), values)
        ended = sessions.revoke_all_in_transaction(connection, person.id, "password_reset")
        keys = _revoke_api_keys(connection, person.id) if end_api_keys else 0
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
    """A token with which somebody registers once. Raises BadInput, and Conflict where nobody may register."""
    if role not in {"analyst", "admin"}:
        raise BadInput(f"There is no role {role[:20]!r}; the roles are analyst and admin")
    if not 1 <= days <= MAX_INVITE_DAYS:
        raise BadInput(f"An invitation lasts from 1 to {MAX_INVITE_DAYS} days")
    if settings().registration_mode == "closed":
        raise Conflict("Registration is closed (REGISTRATION=closed); create the person instead")
    details: dict[str, Any] = {"role": role, "email": check_email(email)}
    with transaction() as connection:
        name, by = people.require_admin_actor(connection, actor)
        details |= {"by": by}
        token = _issue(connection, "invite", None, timedelta(days=days), now, details=details)
        audit.record(
            connection,
            "invite_created",
            actor=name,
            person_id=by,
            target=email or None,
            origin=origin,
            role=role,
            days=days,
        )
    return token


def revoke_invite(actor: Actor, invite_id: str, origin: Origin) -> None:
    """End an invitation that nobody has used; *invite_id* as lists of them tell it. Raises Forbidden, NotFound."""
    with transaction() as connection:
        name, by = people.require_admin_actor(connection, actor)
        row = connection.execute(
            text(
                "DELETE FROM ticket WHERE purpose = 'invite' AND encode(hash, 'hex') = :id AND expires_at > now()"
                " RETURNING details"
            ),
            {"id": invite_id},
        ).one_or_none()
        if row is None:
            raise NotFound("This invitation is over or was used already")
        audit.record(
            connection,
            "invite_withdrawn",
            actor=name,
            person_id=by,
            target=row.details.get("email"),
            origin=origin,
            role=row.details["role"],
        )
    log.info("invitation withdrawn")


def check_invite(token: str, now: datetime | None = None) -> Invite:
    """What the invitation offers; it stays good. Raises InvalidTicket."""
    with transaction() as connection:
        return _invite(_find_valid(connection, "invite", token, now))


def redeem_invite(connection: Connection, token: str, now: datetime | None = None) -> Invite:
    """Use the invitation up in the transaction that adds the person. Raises InvalidTicket."""
    return _invite(_redeem(connection, "invite", token, now))


def _invite(row: Row[Any] | None) -> Invite:
    if row is None:
        raise InvalidTicket("This invitation is over or was used already; ask for a new one")
    return Invite(cast("Role", row.details["role"]), row.details.get("email"), row.expires_at)


def _revoke_api_keys(connection: Connection, person_id: int) -> int:
    return connection.execute(
        text("UPDATE api_key SET revoked_at = now() WHERE person_id = :id AND revoked_at IS NULL"), {"id": person_id}
    ).rowcount


def _issue(
    connection: Connection,
    purpose: Purpose,
    person_id: int | None,
    lasts: timedelta,
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
            "expires_at": (now or datetime.now(UTC)) + lasts,
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
    # What is longer than any of ours is none of ours, and costs no more than one.
    return sha256(token[:MAX_TICKET_LENGTH].encode("utf-8", "surrogatepass")).digest()
