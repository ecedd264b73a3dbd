"""The first start: somebody has to be able to come in, and has to be told how, once."""

import os
import sys
import time
from collections.abc import Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core.auth.sign_in import ensure_first_admin
from core.errors import ServerUnavailable
from core.launcher.first_admin import FIRST_ADMIN_HANDLED_VARIABLE
from core.settings import settings

log = structlog.get_logger()
RETRY_SECONDS = 2.0
MAX_ATTEMPTS = 150


def create_and_announce(
    say: Callable[[str], None] | None = None, sleep: Callable[[float], None] = time.sleep, tries: int = MAX_ATTEMPTS
) -> None:
    """Make the first admin as soon as Postgres and the tables are there, and say how to sign in, in plain text.

    For a web process that was started alone; call it from a thread. Raises BadInput when ADMIN_USERNAME or
    ADMIN_PASSWORD cannot be used.
    """
    if os.environ.get(FIRST_ADMIN_HANDLED_VARIABLE):
        return
    for _ in range(tries):
        try:
            generated = ensure_first_admin()
        # Migrations may still run elsewhere, or Postgres starts later than we do.
        except (SQLAlchemyError, ServerUnavailable) as error:
            reason = type(error).__name__
            sleep(RETRY_SECONDS)
        else:
            if generated:
                (say or print_to_stderr)(sign_in_message(generated))
            return
    log.warning("first admin not made", error=reason)


def sign_in_message(generated: str) -> str:
    """What the person who starts Almanac has to know."""
    return f"Sign in as {settings().admin_username} with the password {generated} (it is shown only this once)."


def print_to_stderr(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)  # noqa: T201 - not a log line: logs hide secrets, and are kept
