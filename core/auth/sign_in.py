"""Sign-in, registration and password change.

A refusal reveals nothing: the message is the same for an unknown name, a wrong password, a deactivated person and a
throttled name, and bcrypt runs exactly once in each case.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NoReturn
from uuid import UUID

import structlog
from sqlalchemy import Row, text

from core import wording
from core.auth import audit, passwords, people, sessions, throttle, tickets
from core.auth.identity import Identity, Origin
from core.auth.keyed_lock import sign_in_locks
from core.auth.people import NewPerson, Person
from core.auth.tickets import Invite
from core.auth.validation import check_email, check_username, fold_username
from core.db.engine import transaction
from core.errors import BadInput, Forbidden, NotSignedIn, RateLimitExceeded
from core.ratelimit import limiter
from core.settings import settings

log = structlog.get_logger()
Sleep = Callable[[float], None]


class SignInRefused(NotSignedIn):
    """Raised with the same message for every reason."""

    def __init__(self) -> None:
        super().__init__("Username or password is wrong")


def sign_in(username: str, password: str, origin: Origin, sleep: Sleep = time.sleep) -> Person:
    """Authenticate *username*, which may be the e-mail address instead, and *password*; return the person.

    Raises SignInRefused, and RateLimitExceeded after too many failures from this IP address.
    """
    name = _counted_name(username)
    with sign_in_locks.hold(limiter.name_and_network(name, origin.address)):
        limiter.check_sign_in(name, origin.address)
        # Reads and returns its connection to the pool: bcrypt takes long, and so may the delay.
        found = _find_password_row(name)
        matches = passwords.verify_password(password, found.password_hash if found else None)
        sleep(throttle.current_delay_seconds(name))
        # Again: concurrent attempts in other processes may have reached the limit meanwhile.
        limiter.check_sign_in(name, origin.address)
        person = _confirm_and_record(found, origin) if found and matches and found.active else None
        if person is None:
            _refuse_sign_in(name, found, origin)
    log.info("person signed in", person_id=person.id)
    return person


def register(
    username: str,
    password: str,
    email: str | None,
    display_name: str | None,
    origin: Origin,
    invite: str | None = None,
) -> Person:
    """Create an analyst, or a person with the invitation's role.

    Raises Forbidden where registration is closed or needs an invitation, BadInput, Conflict, InvalidTicket,
    RateLimitExceeded.
    """
    mode = settings().registration_mode
    if mode == "closed":
        raise Forbidden("Registration is closed; ask an admin")
    if mode == "invite" and not invite:
        raise Forbidden("Registration needs an invitation; ask an admin")
    invitation = tickets.check_invite(invite) if invite else None
    role = invitation.role if invitation else "analyst"
    new_person = NewPerson.of(username, _registration_email(email, invitation), display_name, role)
    passwords.check_strength(password)
    _count_registration(origin)
    stored = passwords.hash_password(password)
    with transaction() as connection:
        if invite:
            tickets.redeem_invite(connection, invite)
        person = people.insert(connection, new_person, stored)
        audit.record(
            connection,
            "registered",
            actor=person.username,
            person_id=person.id,
            origin=origin,
            role=role,
            invited=invitation is not None,
        )
    log.info("person registered", person_id=person.id, role=role)
    return person


def change_password(identity: Identity, old: str, new: str, origin: Origin, keep_session: UUID | None = None) -> None:
    """Replace the old password by a new one; all sessions except *keep_session* end.

    Raises BadInput when the old one is wrong or the new one too weak or the same, RateLimitExceeded after too many
    wrong ones.
    """
    passwords.check_strength(new)
    name = _counted_name(identity.username)
    with sign_in_locks.hold(limiter.name_and_network(name, origin.address)):
        limiter.check_sign_in(name, origin.address)
        found = _find_password_row(name)
        if not passwords.verify_password(old, found.password_hash if found else None) or found is None:
            _count_failure(name, origin)
            raise BadInput("The old password is wrong")
        if new == old:
            raise BadInput("The new password is the old one")
    stored = passwords.hash_password(new)
    with transaction() as connection:
        values = {"stored": stored, "id": identity.person_id, "seen": found.password_hash}
        change = "UPDATE person SET password_hash = :stored WHERE id = :id AND password_hash = :seen AND active"
        if not connection.execute(text(change), values).rowcount:
            raise BadInput("The old password is wrong")  # changed concurrently
        connection.execute(text("DELETE FROM ticket WHERE person_id = :id"), values)
        ended = sessions.revoke_all_in_transaction(connection, identity.person_id, "password_changed", keep_session)
        audit.record(
            connection,
            "password_changed",
            actor=identity.username,
            person_id=identity.person_id,
            origin=origin,
            sessions=len(ended),
        )
    sessions.invalidate_cached(ended)
    log.info("password changed", person_id=identity.person_id, sessions_ended=len(ended))


def _registration_email(given: str | None, invitation: Invite | None) -> str | None:
    """Return the address to store. Raises BadInput when the invitation is for another address."""
    if invitation is None or invitation.email is None:
        return given
    if given and given.lower() != invitation.email.lower():
        raise BadInput(
            "This invitation is for another e-mail address; leave the field empty, or enter the address it was sent to"
        )
    return invitation.email


def _counted_name(given: str) -> str:
    """Return the name under which failures are counted and logged: the username of an e-mail address, folded.

    A person's name and e-mail address share one count.
    """
    name = audit.sanitized(given[:256], audit.MAX_NAME_LENGTH)
    return fold_username((_username_by_email(given) or name) if "@" in given else name)


def _username_by_email(given: str) -> str | None:
    try:
        email = check_email(given)
    except BadInput:
        return None
    with transaction() as connection:
        username: str | None = connection.scalar(
            text("SELECT username FROM person WHERE lower(email) = lower(:email)"), {"email": email}
        )
    return username


def _find_password_row(name: str) -> Row[Any] | None:
    try:
        check_username(name)
    except BadInput:
        name = ""  # no such username; the query takes the same time
    with transaction() as connection:
        return connection.execute(
            text(
                f"SELECT id, password_hash, active FROM person WHERE {people.FOLDED_USERNAME} = :name"  # noqa: S608 - ours
            ),
            {"name": name},
        ).one_or_none()


def _confirm_and_record(found: Row[Any], origin: Origin) -> Person | None:
    """Return the person, or None if their password changed or they were deactivated while bcrypt ran."""
    with transaction() as connection:
        person = people.fetch_person(connection, found.id, lock=True)
        is_unchanged = text("SELECT password_hash = :stored FROM person WHERE id = :id")
        if not person.active or not connection.scalar(is_unchanged, {"stored": found.password_hash, "id": found.id}):
            return None
        audit.record(connection, "sign_in", actor=person.username, person_id=person.id, origin=origin)
    return person


def _refuse_sign_in(name: str, found: Row[Any] | None, origin: Origin) -> NoReturn:
    _count_failure(name, origin)
    with transaction() as connection:
        audit.record(connection, "sign_in_refused", actor=name, person_id=found.id if found else None, origin=origin)
    log.info("sign-in refused", address=origin.address)
    raise SignInRefused


def _count_failure(name: str, origin: Origin) -> None:
    limiter.record_failed_sign_in(name, origin.address)
    throttle.record_failure(name)


def _count_registration(origin: Origin) -> None:
    """Limit registrations per address like failed sign-ins: against flooding, and against probing for taken names."""
    item = limiter.configured_limit("sign_in")
    if item is None:
        return
    key = limiter.limit_key("register", limiter.client_network(origin.address))
    try:
        limiter.limiter().acquire("sign_in", limiter.address_limit(item), key, 1)
    except RateLimitExceeded as error:
        limiter.report_refusal("sign_in", limiter.anonymous_client(origin.address))
        wait = wording.duration(error.resets_at - datetime.now(UTC), round_up=True)
        message = f"Too many registrations from your IP address; try again in {wait}"
        raise RateLimitExceeded(message, amount=error.amount, resets_at=error.resets_at) from None
