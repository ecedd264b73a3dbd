"""Create the first admin at the first start and report how to sign in.

`make run` imports this module before its servers run: whatever needs SQLAlchemy is imported inside functions.
"""

import os
import secrets
import string
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from core.auth import passwords
from core.errors import BadInput, Conflict, ServerUnavailable
from core.settings import Settings, settings

if TYPE_CHECKING:
    from core.auth.people import NewPerson

log = structlog.get_logger()
FIRST_ADMIN_HANDLED_VARIABLE = "ALMANAC_FIRST_ADMIN_HANDLED"
"""Environment variable of processes whose parent creates the first admin, so that the password is printed once."""
FIRST_ADMIN_LOCK = 0x616C6D61646D696E  # "almadmin"
GENERATED_LENGTH = 20
RESET_PASSWORD_COMMAND = "python -m core reset-password"  # noqa: S105 - a command
CREATE_ADMIN_COMMAND = "python -m core create-person NAME --role admin"
RETRY_SECONDS = 2.0
MAX_ATTEMPTS = 150


@dataclass(frozen=True)
class SignInHint:
    """How to sign in: `immediate_message` holds a password and is printed at once, `later` goes with the URL."""

    later: str
    immediate_message: str = ""


def bootstrap_first_admin(database_url: str, wanted: Settings, prefix: str = "") -> SignInHint:
    """Create the first admin if there is none, for the launcher; among other people only with ADMIN_PASSWORD.

    *prefix* precedes a command that needs other settings than the default ones to find this database.
    Raises BadInput when ADMIN_PASSWORD is invalid, or ADMIN_USERNAME belongs to somebody else.
    """
    name, has_people = _oldest_admin(database_url)
    if name:
        return SignInHint(f"Sign in as {name}; if the password is lost: {prefix}{RESET_PASSWORD_COMMAND} {name}")
    if has_people and not wanted.admin_password.get_secret_value():
        return SignInHint(f"Nobody is an admin: set ADMIN_PASSWORD, or run {prefix}{CREATE_ADMIN_COMMAND}")
    generated = _create_first_admin(database_url)
    if generated:
        return SignInHint(later="", immediate_message=sign_in_message(generated))
    if not wanted.admin_password.get_secret_value():
        # Another process was first, and printed the password.
        name = wanted.admin_username
        return SignInHint(
            f"Sign in as {name} with the password that another start of Almanac printed;"
            f" if it is lost: {prefix}{RESET_PASSWORD_COMMAND} {name}"
        )
    return SignInHint(f"Sign in as {wanted.admin_username} with your ADMIN_PASSWORD.")


def create_and_announce(
    print_message: Callable[[str], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Create the first admin once Postgres and the tables exist, and print how to sign in, in plain text.

    For a web process that was started alone; blocks, so call it from a thread. Raises BadInput when
    ADMIN_PASSWORD is invalid.
    """
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - see the module's docstring

    if os.environ.get(FIRST_ADMIN_HANDLED_VARIABLE):
        return
    for _ in range(MAX_ATTEMPTS):
        try:
            generated = ensure_first_admin()
        # Migrations may still be running in another process, or Postgres may start later than this one.
        except (SQLAlchemyError, ServerUnavailable) as error:
            reason = type(error).__name__
            sleep(RETRY_SECONDS)
        else:
            if generated:
                (print_message or print_to_stderr)(sign_in_message(generated))
            return
    log.warning("first admin not created", error=reason)


def ensure_first_admin() -> str | None:
    """Create the first admin if there is none. Returns the password if it was generated, to be printed once.

    Where there are people, only ADMIN_PASSWORD makes an admin. Raises BadInput when it is invalid, when ADMIN_USERNAME
    belongs to somebody who is no admin, and in production when there is no password:
    output is collected there, and would keep a generated one.
    """
    from sqlalchemy import text  # noqa: PLC0415 - see the module's docstring

    from core.auth import audit, people  # noqa: PLC0415 - as above
    from core.db.engine import transaction  # noqa: PLC0415 - as above

    given = settings().admin_password.get_secret_value()
    with transaction() as connection:
        # Processes that start concurrently create one admin between them.
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": FIRST_ADMIN_LOCK})
        if connection.scalar(text("SELECT EXISTS (SELECT FROM person WHERE role = 'admin' AND active)")):
            return None
        if not given and connection.scalar(text("SELECT EXISTS (SELECT FROM person)")):
            log.warning("nobody is an admin, set ADMIN_PASSWORD or create one", command=CREATE_ADMIN_COMMAND)
            return None
        new_person = _validated_first_admin(given)
        password = given or generate_password()
        try:
            people.insert(connection, new_person, passwords.hash_password(password))
        except Conflict:
            raise BadInput(
                f"ADMIN_PASSWORD makes no admin: ADMIN_USERNAME {new_person.username} belongs to a person who is no"
                f" active admin. Set another ADMIN_USERNAME, or run `{CREATE_ADMIN_COMMAND}`"
            ) from None
        audit.record(connection, "person_created", actor="first start", target=new_person.username, role="admin")
    log.info("first admin created")
    return None if given else password


def generate_password() -> str:
    """Return twenty random letters and digits, about 117 bits, that satisfy the password rules."""
    while True:
        password = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(GENERATED_LENGTH))
        try:
            passwords.check_strength(password)
        except BadInput:
            continue
        return password


def sign_in_message(password: str) -> str:
    """Return the sentence that reveals the generated password."""
    return f"Sign in as {settings().admin_username} with the password {password} (it is shown only this once)."


def print_to_stderr(message: str) -> None:
    print(message, file=sys.stderr, flush=True)  # noqa: T201 - not a log line: logs redact secrets, and are kept


def _validated_first_admin(password: str) -> "NewPerson":
    from core.auth.people import NewPerson  # noqa: PLC0415 - see the module's docstring

    new_person = NewPerson.of(settings().admin_username, None, None, "admin")
    if not password and settings().environment == "production":
        raise BadInput(f"ADMIN_PASSWORD is needed at the first start in production; or run `{CREATE_ADMIN_COMMAND}`")
    try:
        if password:
            passwords.check_strength(password)
    except BadInput as error:
        raise BadInput(f"ADMIN_PASSWORD cannot be used: {error}") from None
    return new_person


def _oldest_admin(database_url: str) -> tuple[str, bool]:
    """Return the oldest active admin's name (empty if none), and whether there are people, by psycopg alone."""
    import psycopg  # noqa: PLC0415 - loads while the web process does

    from core.db import libpq  # noqa: PLC0415 - as above

    with psycopg.connect(libpq.conninfo(database_url)) as connection:
        oldest = "SELECT username FROM person WHERE role = 'admin' AND active ORDER BY id LIMIT 1"
        row = connection.execute(oldest).fetchone()
        has_people = connection.execute("SELECT EXISTS (SELECT FROM person)").fetchone()
    return (row[0] if row else ""), bool(has_people and has_people[0])


def _create_first_admin(database_url: str) -> str | None:
    from sqlalchemy.pool import NullPool  # noqa: PLC0415 - as above

    from core.db import override  # noqa: PLC0415 - as above
    from core.db.engine import create_engine_for  # noqa: PLC0415 - as above

    with override.use_engine(create_engine_for(database_url, poolclass=NullPool)):
        return ensure_first_admin()
