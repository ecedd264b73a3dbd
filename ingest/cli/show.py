"""`python -m ingest show`: the stored data of an account, as a table or as one JSON object."""

from functools import partial
from typing import Any

import typer
from sqlalchemy import Connection, text

from core.command_line import EXIT_FAILED, print_line
from core.db import engine
from core.errors import AlmanacError, NotFound
from core.tracking import accounts
from core.tracking.login import parse_login
from ingest.cli import output
from ingest.cli.shared import LOGIN_ARGUMENTS, AsJson, Logins, migrate_if_needed, print_owners, require_logins

app = typer.Typer()


@app.command(context_settings=LOGIN_ARGUMENTS)
def show(logins: Logins = None, as_json: AsJson = False) -> None:
    """Print the stored data of accounts."""
    logins = require_logins(logins, "to show")
    migrate_if_needed()
    has_missing = False
    print_owners(logins)
    for login in logins:
        try:
            stored = engine.read_rows(partial(stored_account, login=parse_login(login)))
        except AlmanacError as error:
            output.err.print(str(error))
            has_missing = True
            continue
        if as_json:
            print_line(output.as_json(stored))
        else:
            output.print_stored_account(stored)
    raise typer.Exit(EXIT_FAILED if has_missing else 0)


class AccountNotStored(NotFound):
    def __init__(self, login: str) -> None:
        super().__init__(f"No data is stored for {login}. Refresh or track the account first.")


def stored_account(connection: Connection, login: str) -> dict[str, Any]:
    """Load the stored data of the account *login*; `id` is GitHub's, values that were never reported are None.

    Repositories are ordered by stars, without those deleted or private. `captured_at` is when the counts last changed,
    `checked_at` the last refresh. Languages have their present names. Raises AccountNotStored.
    """
    account_id = accounts.find_account_id(connection, login)
    account = account_id and connection.execute(text(SELECT_ACCOUNT), {"id": account_id}).one_or_none()
    if not account or (account.captured_at is None and account.id is None):
        raise AccountNotStored(login)
    repositories = connection.execute(text(SELECT_REPOSITORIES), {"id": account_id})
    return {"account": dict(account._mapping), "repositories": [dict(row._mapping) for row in repositories]}


SELECT_ACCOUNT = """
    SELECT github_id AS id, login, kind, name, followers, following, public_repositories, public_gists,
           stars, forks, repositories, last.captured_at, checked_at, gone_at
      FROM account LEFT JOIN LATERAL (SELECT * FROM account_snapshot WHERE account_id = account.id
           ORDER BY captured_at DESC LIMIT 1) AS last ON true
     WHERE account.id = :id
"""

SELECT_REPOSITORIES = """
    SELECT latest.github_id AS id, name, latest.full_name, latest.description, stars, forks, watchers, open_issues,
           open_change_requests, open_issues_and_change_requests, latest.size_kb, latest.language AS primary_language,
           CASE WHEN languages_checked_at IS NOT NULL OR (latest.github_id IS NOT NULL AND latest.pushed_at IS NULL)
                THEN coalesce(languages, '{}') END AS languages, default_branch, latest.is_fork, latest.is_archived,
           is_template, latest.license, latest.topics, homepage, latest.pushed_at, latest.created_at,
           latest.captured_at, latest.checked_at
      FROM repository JOIN repository_latest AS latest ON latest.repository_id = repository.id
      LEFT JOIN LATERAL (SELECT jsonb_object_agg(language, bytes) AS languages
           FROM (SELECT present_language(language) AS language, sum(bytes) AS bytes
                   FROM repository_language WHERE repository_id = repository.id AND language <> '' AND captured_at = (
                        SELECT max(captured_at) FROM repository_language WHERE repository_id = repository.id)
                  GROUP BY 1) AS by_language) AS mix ON true
     WHERE latest.account_id = :id AND NOT latest.is_gone
     ORDER BY stars DESC NULLS LAST, latest.full_name
"""
