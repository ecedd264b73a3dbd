"""People: who may sign in, as what, and what they like."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import structlog
from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import IntegrityError

from core.auth import audit, passwords, sessions
from core.auth.identity import Identity, Origin, Role, require_role
from core.auth.validation import check_display_name, check_email, check_username
from core.db.engine import transaction
from core.errors import BadInput, Conflict, Forbidden, NotFound

__all__ = ["Person", "check_email", "check_username", "create", "find_by_username", "get"]

log = structlog.get_logger()
Actor = Identity | str
"""Who does something: a person who asked, or a word such as `command line` for who needs no permission."""
COLUMNS = "id, username, email, display_name, role, active, preferences, created_at, last_seen_at"
MAX_PREFERENCES_LENGTH = 4_096


@dataclass(frozen=True)
class Person:
    """A row of `person`, without the password."""

    id: int
    username: str
    email: str | None
    display_name: str | None
    role: Role
    active: bool
    preferences: dict[str, Any]
    created_at: datetime
    last_seen_at: datetime | None


@dataclass(frozen=True)
class NewPerson:
    """Somebody to be added, checked: `of` is the way to make one."""

    username: str
    email: str | None
    display_name: str | None
    role: Role

    @classmethod
    def of(cls, username: str, email: str | None, display_name: str | None, role: str) -> "NewPerson":
        """Raises BadInput, saying which of it cannot be used."""
        if role not in {"analyst", "admin"}:
            raise BadInput(f"There is no role {role[:20]!r}; the roles are analyst and admin")
        return cls(check_username(username), check_email(email), check_display_name(display_name), cast("Role", role))


def create(
    username: str,
    *,
    actor: Actor,
    role: str = "analyst",
    email: str | None = None,
    display_name: str | None = None,
    password: str | None = None,
    origin: Origin = audit.UNKNOWN_ORIGIN,
) -> Person:
    """Add a person on behalf of *actor*; without a password they need a reset link to set one.

    Raises BadInput for what cannot be used, Conflict for a name or address that is taken.
    """
    newcomer = NewPerson.of(username, email, display_name, role)
    if password is not None:
        passwords.check_strength(password)
    stored = passwords.hash_password(password) if password is not None else None
    with transaction() as connection:
        name, person_id = require_admin_actor(connection, actor)
        person = insert(connection, newcomer, stored)
        audit.record(
            connection,
            "person_created",
            actor=name,
            person_id=person_id,
            target=person.username,
            origin=origin,
            role=person.role,
        )
    log.info("person created", person_id=person.id, role=person.role)
    return person


def insert(connection: Connection, newcomer: NewPerson, stored: str | None) -> Person:
    """Add the row. Raises Conflict when the name or the address is somebody's already."""
    try:
        with connection.begin_nested():
            row = connection.execute(
                text(f"""
                    INSERT INTO person (username, email, display_name, role, password_hash)
                    VALUES (:username, :email, :display_name, :role, :stored) RETURNING {COLUMNS}
                """),  # noqa: S608 - column names of our own
                {**vars(newcomer), "stored": stored},
            ).one()
    except IntegrityError as error:
        if "person_email_key" in str(error.orig):
            raise Conflict("That e-mail address belongs to somebody already") from None
        raise Conflict(f"The name {newcomer.username} is taken") from None
    return _person(row)


def find_by_username(username: str) -> Person | None:
    """Who bears that name, however it is capitalised."""
    try:
        kept = check_username(username)
    except BadInput:
        return None
    with transaction() as connection:
        row = connection.execute(
            text(f"SELECT {COLUMNS} FROM person WHERE lower(username) = lower(:name)"),  # noqa: S608 - ours
            {"name": kept},
        ).one_or_none()
    return _person(row) if row else None


def get(person_id: int) -> Person:
    """Raises NotFound when there is nobody with that id."""
    with transaction() as connection:
        return fetch_person(connection, person_id)


def fetch_person(connection: Connection, person_id: int, *, lock: bool = False) -> Person:
    """The person's row, locked until the end of the transaction if asked. Raises NotFound."""
    row = connection.execute(
        text(f"SELECT {COLUMNS} FROM person WHERE id = :id" + (" FOR UPDATE" if lock else "")),  # noqa: S608 - ours
        {"id": person_id},
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such person")
    return _person(row)


def change_role(actor: Actor, person_id: int, role: Role, origin: Origin) -> Person:
    """Make somebody an admin or an analyst; their sessions end. Raises Conflict for the last admin."""
    if role not in {"analyst", "admin"}:
        raise BadInput(f"There is no role {role[:20]!r}; the roles are analyst and admin")
    with transaction() as connection:
        name, by = require_admin_actor(connection, actor)
        before = _lock_unless_last_admin(connection, person_id, stays_admin=role == "admin")
        if before.role == role:
            return before
        connection.execute(text("UPDATE person SET role = :role WHERE id = :id"), {"role": role, "id": person_id})
        ended = sessions.revoke_all_in_transaction(connection, person_id, "role_changed")
        _revoke_links_issued_by(connection, person_id)
        told = {"before": before.role, "after": role}
        audit.record(
            connection, "role_changed", actor=name, person_id=by, target=before.username, origin=origin, **told
        )
        after = fetch_person(connection, person_id)
    sessions.invalidate_cached(ended)
    log.info("role changed", person_id=person_id, role=role)
    return after


def set_active(actor: Actor, person_id: int, active: bool, origin: Origin) -> Person:
    """Let somebody in again, or keep them out from now on: their sessions and links end, their API keys rest.

    Raises Conflict for the last admin.
    """
    with transaction() as connection:
        name, by = require_admin_actor(connection, actor)
        before = _lock_unless_last_admin(connection, person_id, stays_admin=active)
        if before.active == active:
            return before
        connection.execute(
            text("UPDATE person SET active = :active WHERE id = :id"), {"active": active, "id": before.id}
        )
        ended = [] if active else sessions.revoke_all_in_transaction(connection, person_id, "deactivated")
        if not active:
            connection.execute(text("DELETE FROM ticket WHERE person_id = :id"), {"id": person_id})
            _revoke_links_issued_by(connection, person_id)
        action: audit.Action = "person_activated" if active else "person_deactivated"
        audit.record(connection, action, actor=name, person_id=by, target=before.username, origin=origin)
        after = fetch_person(connection, person_id)
    sessions.invalidate_cached(ended)
    log.info("person activated" if active else "person deactivated", person_id=person_id)
    return after


def set_preferences(person_id: int, **values: Any) -> dict[str, Any]:
    """Keep what a person likes; None takes a preference away. Returns all of them."""
    given = json.dumps(values, ensure_ascii=False)
    # What JSON can say and Postgres cannot keep.
    unfit = "\\u0000" in given or any("\ud800" <= character <= "\udfff" for character in given)
    if unfit or len(given) > MAX_PREFERENCES_LENGTH:
        raise BadInput("Preferences are short texts, numbers and yes or no")
    with transaction() as connection:
        kept: dict[str, Any] | None = connection.scalar(
            text(
                "UPDATE person SET preferences = jsonb_strip_nulls(preferences || CAST(:given AS jsonb))"
                " WHERE id = :id RETURNING preferences"
            ),
            {"given": given, "id": person_id},
        )
        if kept is None:
            raise NotFound("There is no such person")
        if len(json.dumps(kept)) > MAX_PREFERENCES_LENGTH:
            raise BadInput("That is more than can be kept of what somebody likes")
        seen = sessions.active_session_ids(connection, person_id)
    sessions.invalidate_cached(seen)
    return kept


def require_admin_actor(connection: Connection, actor: Actor) -> tuple[str, int | None]:
    """The name and id to write down. Raises Forbidden unless *actor* is an admin now, whatever their session says."""
    if isinstance(actor, str):
        return actor, None
    require_role(actor, "admin")
    still = connection.scalar(
        text("SELECT true FROM person WHERE id = :id AND active AND role = 'admin'"), {"id": actor.person_id}
    )
    if not still:
        raise Forbidden("This is for admins")
    return actor.username, actor.person_id


def _lock_unless_last_admin(connection: Connection, person_id: int, *, stays_admin: bool) -> Person:
    """The person's row, locked. Raises Conflict if they are the last admin and would be one no more."""
    # All admins are locked in one order, so that of two who demote each other one comes too late.
    admins = connection.scalars(
        text("SELECT id FROM person WHERE role = 'admin' AND active ORDER BY id FOR UPDATE")
    ).all()
    if not stays_admin and list(admins) == [person_id]:
        raise Conflict("This is the last admin; make somebody else one first")
    return fetch_person(connection, person_id, lock=True)


def _revoke_links_issued_by(connection: Connection, person_id: int) -> None:
    """End what they issued: who is no admin any more must not come back as one by a link kept from before."""
    connection.execute(text("DELETE FROM ticket WHERE CAST(details ->> 'by' AS bigint) = :id"), {"id": person_id})


def _person(row: Row[Any]) -> Person:
    return Person(**row._mapping)
