"""Checks repositories that an account no longer lists: deleted, private, transferred or only missing from the list."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from ingest.github import Account, AccountSnapshot, GitHub, MissingRepository, Repository
from ingest.github.errors import GitHubError
from ingest.github.http.rate_gate import StopSignal

log = structlog.get_logger()


@dataclass(frozen=True)
class MissingRepositories:
    """State of the repositories that an account no longer lists; `gone` has the reasons, by GitHub's id."""

    still_owned: tuple[Repository, ...] = ()
    moved: Mapping[int, Repository] = field(default_factory=dict)
    gone: Mapping[int, str] = field(default_factory=dict)


def find_missing_repositories(
    github: GitHub,
    snapshot: AccountSnapshot,
    stored: Mapping[int, Mapping[int, str | None]],
    stop: StopSignal | None = None,
) -> MissingRepositories:
    """Check on GitHub the stored repositories of an account that *snapshot* does not contain.

    stored  node ids by the account's and the repository's GitHub id

    Repositories that cannot be checked now are left out; the next refresh checks them again.
    """
    stored_ids = stored.get(snapshot.account.github_id, {})
    listed = {repository.github_id for repository in snapshot.repositories}
    missing = [(github_id, node_id) for github_id, node_id in stored_ids.items() if github_id not in listed]
    if not missing:
        return MissingRepositories()
    try:
        found = github.locate_repositories(missing, token=snapshot.token, stop=stop)
    except GitHubError as error:
        log.warning("missing repositories not checked", login=snapshot.account.login, error=str(error))
        return MissingRepositories()
    repositories = [one for one in found.values() if isinstance(one, Repository)]
    return MissingRepositories(
        still_owned=tuple(one for one in repositories if _is_owned_by(one, snapshot.account)),
        moved={one.github_id: one for one in repositories if not _is_owned_by(one, snapshot.account)},
        gone={github_id: one.reason for github_id, one in found.items() if isinstance(one, MissingRepository)},
    )


def _is_owned_by(repository: Repository, account: Account) -> bool:
    if repository.owner_id is not None:
        return repository.owner_id == account.github_id
    return repository.owner_login.lower() == account.login.lower()
