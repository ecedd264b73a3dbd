"""What is held of an account, as one object: `python -m ingest show LOGIN --json`."""

from typing import Any

from sqlalchemy import Connection, text

from core.errors import NotFound
from core.tracking import accounts


class AccountNotStored(NotFound):
    def __init__(self, login: str) -> None:
        super().__init__(f"Nothing is held of {login}: refresh or track it first")


def stored_account(connection: Connection, login: str) -> dict[str, Any]:
    """Everything held of the account that bears *login*: `id` is GitHub's, counts and languages nobody told are None.

    Repositories that are gone are left out; they are listed in the order of their stars. `captured_at` is when the
    counts last changed, `checked_at` when GitHub was last asked. Raises NotHeld.
    """
    account_id = accounts.find_account_id(connection, login)
    account = account_id and connection.execute(text(ACCOUNT), {"id": account_id}).one_or_none()
    if not account or (account.captured_at is None and account.id is None):
        raise AccountNotStored(login)
    repositories = connection.execute(text(REPOSITORIES), {"id": account_id})
    return {"account": dict(account._mapping), "repositories": [dict(row._mapping) for row in repositories]}


ACCOUNT = """
    SELECT github_id AS id, login, kind, name, followers, following, public_repositories, public_gists,
           stars, forks, repositories, last.captured_at, checked_at, gone_at
      FROM account LEFT JOIN LATERAL (SELECT * FROM account_snapshot WHERE account_id = account.id
           ORDER BY captured_at DESC LIMIT 1) AS last ON true
     WHERE account.id = :id
"""

REPOSITORIES = """
    SELECT github_id AS id, name, full_name, description, latest.stars, latest.forks, latest.watchers,
           latest.open_issues, latest.open_change_requests, latest.open_issues_and_change_requests, latest.size_kb,
           primary_language,
           CASE WHEN languages_checked_at IS NOT NULL OR (github_id IS NOT NULL AND pushed_at IS NULL)
                THEN coalesce(languages, '{}') END AS languages, default_branch, is_fork, is_archived, is_template,
           license, topics, homepage, pushed_at, created_at, latest.captured_at, latest.checked_at
      FROM repository JOIN repository_latest AS latest ON latest.repository_id = repository.id
      LEFT JOIN LATERAL (SELECT jsonb_object_agg(language, bytes) FILTER (WHERE language <> '') AS languages
           FROM repository_language WHERE repository_id = repository.id AND captured_at = (
                SELECT max(captured_at) FROM repository_language WHERE repository_id = repository.id)) AS mix ON true
     WHERE repository.account_id = :id AND gone_at IS NULL
     ORDER BY latest.stars DESC NULLS LAST, full_name
"""
