"""`python -m ingest track` and `untrack`."""

from typing import Annotated

import typer

from core.command_line import EXIT_FAILED, EXIT_UNUSABLE_INPUT, print_line
from core.db import engine
from core.settings import settings
from core.tracking import accounts
from core.tracking.login import BadLogin, parse_login
from ingest.cli import output
from ingest.cli.shared import LOGIN_ARGUMENTS, Logins, migrate_if_needed, print_owners

app = typer.Typer()


@app.command(context_settings=LOGIN_ARGUMENTS)
def track(
    logins: Logins = None,
    first_start: Annotated[
        bool, typer.Option(help="Track the accounts in TRACK if no account was ever tracked.")
    ] = False,
) -> None:
    """Track accounts: refresh them on schedule."""
    migrate_if_needed()
    outcomes: list[str] = []
    with engine.transaction() as connection:
        if first_start:
            logins = list(settings().track) if accounts.is_first_start(connection) else []
        has_bad_login = False
        print_owners(logins or [])
        for text in logins or []:
            try:
                login = parse_login(text)
            except BadLogin as error:
                output.err.print(str(error))
                has_bad_login = True
                continue
            is_new = accounts.track(connection, login, "command line")
            outcomes.append(f"{login}: {'now tracked' if is_new else 'already tracked'}")
    # Printed when it is stored: a closed pipe changes nothing.
    for outcome in outcomes:
        print_line(outcome)
    raise typer.Exit(EXIT_UNUSABLE_INPUT if has_bad_login else 0)


@app.command(context_settings=LOGIN_ARGUMENTS)
def untrack(logins: Logins = None) -> None:
    """Stop tracking accounts. Their history is kept."""
    migrate_if_needed()
    outcomes: list[str] = []
    has_untracked = False
    print_owners(logins or [])
    with engine.transaction() as connection:
        for login in map(parse_login, logins or []):
            present = accounts.present_login(connection, login)
            was_tracked = accounts.untrack(connection, login)
            has_untracked |= not was_tracked
            name = login if present.lower() == login.lower() else f"{login}, now called {present}"
            outcomes.append(f"{name}: {'no longer tracked' if was_tracked else 'was not tracked'}")
    for outcome in outcomes:
        print_line(outcome)
    raise typer.Exit(EXIT_FAILED if has_untracked else 0)
