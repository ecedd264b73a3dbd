"""`python -m ingest track` and `untrack`."""

from collections.abc import Sequence
from typing import Annotated

import httpx
import structlog
import typer

from core import redis_client
from core.command_line import EXIT_FAILED, EXIT_UNUSABLE_INPUT, print_line
from core.db import engine
from core.errors import AlmanacError
from core.settings import settings
from core.tracking import accounts
from core.tracking.login import BadLogin, parse_login
from ingest.cli import output
from ingest.cli.shared import LOGIN_ARGUMENTS, Logins, migrate_if_needed, print_owners, require_logins
from ingest.github import AccountNotFound, GitHub
from ingest.github.api.profiles import Profile

log = structlog.get_logger()
LOOKUP_SECONDS = 5.0
MAX_ANONYMOUS_LOOKUPS = 10
"""Without a token each is one of 60 requests an hour."""
app = typer.Typer()


@app.command(context_settings=LOGIN_ARGUMENTS)
def track(
    logins: Logins = None,
    first_start: Annotated[
        bool, typer.Option(help="Track the accounts in TRACK if no account was ever tracked.")
    ] = False,
) -> None:
    """Track accounts: refresh them on schedule."""
    if not first_start:
        logins = require_logins(logins, "to track")
    migrate_if_needed()
    if first_start:
        logins = list(settings().track) if engine.read_rows(accounts.is_first_start) else []
    has_bad_login = False
    print_owners(logins or [])
    usable = list[str]()
    for text in logins or []:
        try:
            usable.append(parse_login(text))
        except BadLogin as error:
            output.err.print(str(error))
            has_bad_login = True
    outcomes = engine.write_rows(
        lambda connection: [(login, accounts.track(connection, login, "command line")) for login in usable]
    )
    # Printed when it is stored: a closed pipe changes nothing.
    for login, is_new in outcomes:
        print_line(f"{login}: {'now tracked' if is_new else 'already tracked'}")
    if not first_start:  # a start does not depend on GitHub
        _print_what_github_says([login for login, is_new in outcomes if is_new])
    raise typer.Exit(EXIT_UNUSABLE_INPUT if has_bad_login else 0)


def _print_what_github_says(logins: Sequence[str]) -> None:
    """Say of new logins that GitHub does not know them, or by which name; nothing while it does not answer."""
    unknown = engine.read_rows(
        lambda connection: [login for login in logins if not accounts.was_reported(connection, login)]
    )
    try:
        client = GitHub.from_settings(
            settings(), redis_client.redis(), timeout=httpx.Timeout(LOOKUP_SECONDS), max_attempts=1, max_wait_seconds=0
        )
        with client:
            asked = unknown[:MAX_ANONYMOUS_LOOKUPS] if client.is_anonymous else unknown
            found = list(client.profiles.of(asked))
    except AlmanacError as error:
        log.debug("logins not checked at GitHub", error=str(error))
        return
    for login, profile in found:
        if isinstance(profile, AccountNotFound):
            output.err.print(f"{login}: there is no such account at GitHub; the first refresh removes it")
        elif isinstance(profile, Profile) and profile.login.lower() != login.lower():
            output.err.print(f"{login}: is now called {profile.login}; the first refresh stores it under that name")


@app.command(context_settings=LOGIN_ARGUMENTS)
def untrack(logins: Logins = None) -> None:
    """Stop tracking accounts. Their history is kept."""
    logins = require_logins(logins, "to untrack")
    migrate_if_needed()
    print_owners(logins)
    parsed = [parse_login(login) for login in logins]
    outcomes = engine.write_rows(
        lambda connection: [
            (login, accounts.present_login(connection, login), accounts.untrack(connection, login)) for login in parsed
        ]
    )
    for login, present, was_tracked in outcomes:
        name = login if present.lower() == login.lower() else f"{login}, now called {present}"
        print_line(f"{name}: {'no longer tracked' if was_tracked else 'was not tracked'}")
    raise typer.Exit(0 if all(was_tracked for *_, was_tracked in outcomes) else EXIT_FAILED)
