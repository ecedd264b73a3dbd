"""Loads the stored state of accounts, to compare it with GitHub's response. Callers own the transaction."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from core.db.statement import text
from ingest.github.api.models import Account, Repository
from ingest.history_import.adopt import adopt_accounts
from ingest.refresh.attribute_versions import ACCOUNT_COLUMNS, profile_of
from ingest.refresh.diff import (
    DETAIL_NAMES,
    EXTRA_NAMES,
    AccountCounts,
    RepositoryCounts,
    RepositoryDetails,
    RepositoryExtras,
    StoredAccount,
    StoredRepository,
)
from ingest.refresh.growth import IS_PLAIN
from ingest.refresh.languages import LanguageSignals, LanguagesState

DETAIL_COLUMNS = ", ".join(f"repository.{name}" for name in DETAIL_NAMES)


def lock_or_create_accounts(
    connection: Connection, reported: Sequence[tuple[Account, str]]
) -> tuple[list[int], set[int]]:
    """Find or create the rows of accounts, given with their requested logins, and lock them until the transaction ends.

    Returns our ids in the same order, and those to which repositories stored under the login alone were assigned.
    Identity is GitHub's id: the same login with another id is another account.
    """
    rows = connection.execute(
        text(
            "SELECT id, github_id FROM account WHERE github_id = ANY(CAST(:ids AS bigint[])) AND created_at IS NOT NULL"
            " ORDER BY id FOR NO KEY UPDATE"
        ),
        {"ids": [account.github_id for account, _ in reported]},
    )
    ids = {row.github_id: row.id for row in rows}
    if new := [account for account, _ in reported if account.github_id not in ids]:
        ids |= _insert_accounts(connection, new)
    former_logins = {
        ids[account.github_id]: None if login.lower() == account.login.lower() else login for account, login in reported
    }
    adopting = adopt_accounts(connection, former_logins)
    return [ids[account.github_id] for account, _ in reported], adopting


def _insert_accounts(connection: Connection, accounts: Sequence[Account]) -> dict[int, int]:
    """Insert accounts that are not stored, or only as owners of a repository; returns our ids by GitHub's."""
    rows = connection.execute(
        text("""
            INSERT INTO account (github_id, login, created_at)
            SELECT * FROM unnest(CAST(:github_ids AS bigint[]), CAST(:logins AS text[]),
                                 CAST(:created_at AS timestamptz[])) AS reported (github_id, login, created_at)
             ORDER BY github_id
            ON CONFLICT (github_id) DO UPDATE SET created_at = coalesce(account.created_at, excluded.created_at)
            RETURNING id, github_id
        """),
        {
            "github_ids": [account.github_id for account in accounts],
            "logins": [account.login for account in accounts],
            "created_at": [account.created_at for account in accounts],
        },
    )
    return {row.github_id: row.id for row in rows}


def short_name(repository: Repository) -> str:
    """Return the name without the owner in lower case, as tracking of single repositories has it."""
    return repository.full_name.rpartition("/")[2].lower()


@dataclass(frozen=True)
class TrackedRepositories:
    """The repositories for which an account is tracked.

    only        short names in lower case; None: all repositories
    widened_at  when more were asked for
    """

    only: frozenset[str] | None = None
    widened_at: datetime | None = None


def find_account_id(connection: Connection, github_id: int) -> int | None:
    """Return our id of the account with *github_id*."""
    found: int | None = connection.scalar(
        text("SELECT id FROM account WHERE github_id = :github_id"), {"github_id": github_id}
    )
    return found


def get_or_create_owner_id(connection: Connection, repository: Repository) -> int:
    """Return our id of the account that owns *repository* now; inserts a row if it is not stored yet."""
    found = None if repository.owner_id is None else find_account_id(connection, repository.owner_id)
    if found is None:
        found = connection.execute(
            text(
                "INSERT INTO account (github_id, login) VALUES (:github_id, :login) ON CONFLICT DO NOTHING RETURNING id"
            ),
            {"github_id": repository.owner_id, "login": repository.owner_login},
        ).scalar()
    if found is None:
        found = connection.execute(
            text("SELECT id FROM account WHERE lower(login) = lower(:login) ORDER BY github_id NULLS LAST LIMIT 1"),
            {"login": repository.owner_login},
        ).scalar_one()
    return int(found)


def load_accounts(
    connection: Connection, listed: Mapping[int, Collection[int]]
) -> dict[int, tuple[StoredAccount, TrackedRepositories]]:
    """Load accounts with their repositories, by our id.

    listed  by our account ids, GitHub's of repositories that are loaded whichever account they belong to
    """
    rows = connection.execute(
        text(f"""
            SELECT account.id, {", ".join(ACCOUNT_COLUMNS)}, checked_at, gone_at, only_repositories, widened_at,
                   followers, following, public_repositories, public_gists, last.stars, last.forks, last.repositories
              FROM account
              LEFT JOIN tracked_account ON tracked_account.account_id = account.id
              LEFT JOIN LATERAL (
                   SELECT * FROM account_snapshot
                    WHERE account_id = account.id ORDER BY captured_at DESC LIMIT 1) AS last ON true
             WHERE account.id = ANY(CAST(:ids AS bigint[]))
        """),  # noqa: S608 - our own names
        {"ids": list(listed)},
    )
    repositories = _load_repositories(connection, listed)
    return {row.id: (_stored_account(row, repositories[row.id]), _tracked_repositories(row)) for row in rows}


def _stored_account(row: Row[Any], repositories: Mapping[int, StoredRepository]) -> StoredAccount:
    counts = None if row.stars is None else AccountCounts(*(getattr(row, part.name) for part in fields(AccountCounts)))
    return StoredAccount(
        id=row.id,
        login=row.login,
        checked_at=row.checked_at,
        gone_at=row.gone_at,
        counts=counts,
        repositories=repositories,
        profile=profile_of(row),
    )


def _tracked_repositories(row: Row[Any]) -> TrackedRepositories:
    only = None if row.only_repositories is None else frozenset(row.only_repositories)
    return TrackedRepositories(only, row.widened_at)


def _load_repositories(
    connection: Connection, listed: Mapping[int, Collection[int]]
) -> dict[int, dict[int, StoredRepository]]:
    """Load the repositories of `load_accounts`, by our account id and GitHub's id."""
    rows = connection.execute(
        text(f"""
            SELECT repository.id, repository.github_id, account_id, repository.gone_at, {DETAIL_COLUMNS},
                   stars, forks, size_kb, {", ".join(EXTRA_NAMES)}, captured_at, owner.checked_at AS owner_checked_at,
                   {IS_PLAIN} AS is_plain
              FROM repository
              JOIN account AS owner ON owner.id = repository.account_id
              LEFT JOIN repository_current ON repository_id = repository.id
             WHERE repository.id IN (
                   SELECT id FROM repository
                    WHERE account_id = ANY(CAST(:accounts AS bigint[])) AND github_id IS NOT NULL
                    UNION SELECT id FROM repository WHERE id = ANY(CAST(:github_ids AS bigint[])))
        """),  # noqa: S608 - our own names
        {"accounts": list(listed), "github_ids": [id_ for ids in listed.values() for id_ in ids]},
    )
    found = {row.github_id: _stored_repository(row) for row in rows}
    repositories = {
        account_id: {id_: found[id_] for id_ in github_ids if id_ in found} for account_id, github_ids in listed.items()
    }
    for github_id, one in found.items():
        if one.account_id in repositories:
            repositories[one.account_id][github_id] = one
    return repositories


def _stored_repository(row: Row[Any]) -> StoredRepository:
    details = {name: getattr(row, name) for name in DETAIL_NAMES}
    details["topics"] = None if row.topics is None else tuple(sorted(row.topics))
    return StoredRepository(
        id=row.id,
        github_id=row.github_id,
        account_id=row.account_id,
        details=RepositoryDetails(**details),
        counts=None if row.captured_at is None else RepositoryCounts(row.stars, row.forks, row.size_kb),
        extras=RepositoryExtras(*(getattr(row, name) for name in EXTRA_NAMES)),
        captured_at=row.captured_at,
        gone_at=row.gone_at,
        owner_checked_at=row.owner_checked_at,
        is_plain=row.is_plain,
    )


def load_languages(connection: Connection, repository_ids: Iterable[int]) -> dict[int, dict[str, int]]:
    """Load the latest stored languages and their bytes, by our repository id."""
    rows = connection.execute(
        text(
            "SELECT repository_id, language, bytes FROM repository JOIN LATERAL ("
            "       SELECT max(captured_at) AS at FROM repository_language WHERE repository_id = repository.id) AS last"
            "    ON true JOIN repository_language ON repository_id = repository.id AND captured_at = at"
            " WHERE repository.id = ANY(CAST(:ids AS bigint[]))"
        ),
        {"ids": list(repository_ids)},
    )
    languages: dict[int, dict[str, int]] = {}
    for row in rows:
        languages.setdefault(row.repository_id, {}).update({row.language: row.bytes} if row.language else {})
    return languages


@dataclass(frozen=True)
class BatchState:
    """Stored state of a whole batch that decides what to fetch, loaded once before the first request."""

    languages: Mapping[int, LanguagesState]
    """By the repository's GitHub id."""
    listed: Mapping[int, Mapping[int, str | None]]
    """Node ids of each account's repositories that are not deleted or private, by GitHub's ids."""
    only: Mapping[int | str, frozenset[str]] = field(default_factory=dict)
    """Of accounts that are tracked for single repositories, by GitHub's id: their short names in lower case.

    Before the first refresh, when the id is not known, by login in lower case."""

    def is_wanted(self, account: Account, repository: Repository) -> bool:
        """Return whether *repository* will be stored; see `ingest.refresh.comparison.is_kept`."""
        only = self.only.get(account.github_id, self.only.get(account.login.lower()))
        return only is None or short_name(repository) in only or repository.github_id in self.languages


def load_batch_state(connection: Connection, account_ids: Sequence[int]) -> BatchState:
    rows = connection.execute(
        text(
            "SELECT account.github_id AS account, repository.github_id, repository.node_id, repository.gone_at,"
            "       languages_checked_at, languages_due_at, languages_pushed_at, languages_default_branch,"
            "       languages_primary_language, languages_size_kb"
            "  FROM repository JOIN account ON account.id = account_id"
            " WHERE account_id = ANY(:ids) AND repository.github_id IS NOT NULL"
        ),
        {"ids": list(account_ids)},
    )
    languages: dict[int, LanguagesState] = {}
    listed: dict[int, dict[int, str | None]] = {}
    for row in rows:
        signals = LanguageSignals(
            row.languages_pushed_at,
            row.languages_default_branch,
            row.languages_primary_language,
            row.languages_size_kb,
        )
        languages[row.github_id] = LanguagesState(row.languages_checked_at, signals, row.languages_due_at)
        if row.gone_at is None:
            listed.setdefault(row.account, {})[row.github_id] = row.node_id
    alone = connection.execute(
        text(
            "SELECT github_id, lower(login) AS login, only_repositories"
            "  FROM tracked_account JOIN account ON account.id = account_id"
            " WHERE account_id = ANY(:ids) AND only_repositories IS NOT NULL"
        ),
        {"ids": list(account_ids)},
    )
    only = {row.github_id or row.login: frozenset(row.only_repositories) for row in alone}
    return BatchState(languages, listed, only)
