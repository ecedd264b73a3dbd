"""People: accounts of this installation with role, active flag and preferences."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import structlog
from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import IntegrityError

from core.auth import audit, passwords, sessions
from core.auth.identity import Identity, Origin, Role, require_role
from core.auth.validation import check_display_name, check_email, check_username, fold_username
from core.db.engine import transaction
from core.errors import BadInput, Conflict, Forbidden, NotFound

__all__ = ["Person", "check_email", "check_username", "create", "find_by_username", "get"]

log = structlog.get_logger()
Actor = Identity | str
"""Who performs an action: a person, or a name such as `command line` for a trusted caller without permission check."""
COLUMNS = "id, username, email, display_name, role, active, preferences, created_at, last_seen_at"
FOLDED_USERNAME = 'lower(username COLLATE "C")'
"""SQL of what `fold_username` returns; the unique index has it."""
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
    """A validated person to insert; create it with `of`."""

    username: str
    email: str | None
    display_name: str | None
    role: Role

    @classmethod
    def of(cls, username: str, email: str | None, display_name: str | None, role: str) -> "NewPerson":
        """Validate all values. Raises BadInput, naming the invalid one."""
        if role not in {"analyst", "admin"}:
            raise BadInput(f"Unknown role {role[:20]!r}; the roles are analyst and admin")
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
    """Create a person on behalf of *actor*; without a password they need a reset link to set one.

    Raises BadInput for invalid values, Conflict if the username or e-mail address is taken, Forbidden.
    """
    new_person = NewPerson.of(username, email, display_name, role)
    if password is not None:
        passwords.check_strength(password)
    stored = passwords.hash_password(password) if password is not None else None
    with transaction() as connection:
        name, person_id = require_admin_actor(connection, actor)
        person = insert(connection, new_person, stored)
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


def insert(connection: Connection, new_person: NewPerson, stored: str | None) -> Person:
    """Insert the row. Raises Conflict if the username or e-mail address is taken."""
    try:
        with connection.begin_nested():
            row = connection.execute(
                text(f"""
                    INSERT INTO person (username, email, display_name, role, password_hash)
                    VALUES (:username, :email, :display_name, :role, :stored) RETURNING {COLUMNS}
                """),  # noqa: S608 - constants
                {**vars(new_person), "stored": stored},
            ).one()
    except IntegrityError as error:
        if "person_email_key" in str(error.orig):
            raise Conflict("That e-mail address is already registered") from None
        raise Conflict(f"The username {new_person.username} is taken") from None
    return _person(row)


def find_by_username(username: str) -> Person | None:
    """Return the person with this username, case-insensitive; None if there is none."""
    try:
        name = check_username(username)
    except BadInput:
        return None
    with transaction() as connection:
        row = connection.execute(
            text(f"SELECT {COLUMNS} FROM person WHERE {FOLDED_USERNAME} = :name"),  # noqa: S608 - constants
            {"name": fold_username(name)},
        ).one_or_none()
    return _person(row) if row else None


def get(person_id: int) -> Person:
    """Return the person. Raises NotFound."""
    with transaction() as connection:
        return fetch_person(connection, person_id)


def fetch_person(connection: Connection, person_id: int, *, lock: bool = False) -> Person:
    """Return the person's row; with *lock*, locked until the end of the transaction. Raises NotFound."""
    row = connection.execute(
        text(f"SELECT {COLUMNS} FROM person WHERE id = :id" + (" FOR UPDATE" if lock else "")),  # noqa: S608 - constants
        {"id": person_id},
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such person")
    return _person(row)


def change_role(actor: Actor, person_id: int, role: Role, origin: Origin) -> Person:
    """Change the role and end the person's sessions. Raises Conflict for the last admin, Forbidden, NotFound."""
    if role not in {"analyst", "admin"}:
        raise BadInput(f"Unknown role {role[:20]!r}; the roles are analyst and admin")
    with transaction() as connection:
        name, actor_id = require_admin_actor(connection, actor)
        before = _lock_unless_last_admin(connection, person_id, stays_admin=role == "admin")
        if before.role == role:
            return before
        connection.execute(text("UPDATE person SET role = :role WHERE id = :id"), {"role": role, "id": person_id})
        ended = sessions.revoke_all_in_transaction(connection, person_id, "role_changed")
        _revoke_links_issued_by(connection, person_id)
        details = {"before": before.role, "after": role}
        audit.record(
            connection, "role_changed", actor=name, person_id=actor_id, target=before.username, origin=origin, **details
        )
        after = fetch_person(connection, person_id)
    sessions.invalidate_cached(ended)
    log.info("role changed", person_id=person_id, role=role)
    return after


def set_active(actor: Actor, person_id: int, active: bool, origin: Origin) -> Person:
    """Activate or deactivate a person; deactivating ends sessions and links, and API keys stop working meanwhile.

    Raises Conflict for the last admin, Forbidden, NotFound.
    """
    with transaction() as connection:
        name, actor_id = require_admin_actor(connection, actor)
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
        audit.record(connection, action, actor=name, person_id=actor_id, target=before.username, origin=origin)
        after = fetch_person(connection, person_id)
    sessions.invalidate_cached(ended)
    log.info("person activated" if active else "person deactivated", person_id=person_id)
    return after


def set_preferences(person_id: int, **values: Any) -> dict[str, Any]:
    """Merge *values* into the person's preferences, where None removes one; return all of them. Raises BadInput."""
    given = json.dumps(values, ensure_ascii=False)
    # Valid in JSON, but not storable in Postgres.
    is_unstorable = "\\u0000" in given or any("\ud800" <= character <= "\udfff" for character in given)
    if is_unstorable or len(given) > MAX_PREFERENCES_LENGTH:
        raise BadInput("Preferences are short texts, numbers or true/false")
    with transaction() as connection:
        preferences: dict[str, Any] | None = connection.scalar(
            text(
                "UPDATE person SET preferences = jsonb_strip_nulls(preferences || CAST(:given AS jsonb))"
                " WHERE id = :id RETURNING preferences"
            ),
            {"given": given, "id": person_id},
        )
        if preferences is None:
            raise NotFound("There is no such person")
        if len(json.dumps(preferences)) > MAX_PREFERENCES_LENGTH:
            raise BadInput(f"All preferences together are limited to {MAX_PREFERENCES_LENGTH:,} characters")
        session_ids = sessions.active_session_ids(connection, person_id)
    sessions.invalidate_cached(session_ids)
    return preferences


def require_admin_actor(connection: Connection, actor: Actor) -> tuple[str, int | None]:
    """Return the actor's name and id for the audit trail. Raises Forbidden unless the database says admin."""
    if isinstance(actor, str):
        return actor, None
    require_role(actor, "admin")
    is_admin = connection.scalar(
        text("SELECT true FROM person WHERE id = :id AND active AND role = 'admin'"), {"id": actor.person_id}
    )
    if not is_admin:
        raise Forbidden("Only admins may do this")
    return actor.username, actor.person_id


def _lock_unless_last_admin(connection: Connection, person_id: int, *, stays_admin: bool) -> Person:
    """Return the person's row, locked. Raises Conflict if they are the last admin and would not stay one."""
    # Lock all admins in one order, so that of two admins who demote each other one fails.
    admins = connection.scalars(
        text("SELECT id FROM person WHERE role = 'admin' AND active ORDER BY id FOR UPDATE")
    ).all()
    if not stays_admin and list(admins) == [person_id]:
        raise Conflict("This is the last admin; promote another person first")
    return fetch_person(connection, person_id, lock=True)


def _revoke_links_issued_by(connection: Connection, person_id: int) -> None:
    """Revoke links issued by a former admin, who could regain the role through one of them."""
    connection.execute(text("DELETE FROM ticket WHERE CAST(details ->> 'by' AS bigint) = :id"), {"id": person_id})


def _person(row: Row[Any]) -> Person:
    return Person(**row._mapping)
