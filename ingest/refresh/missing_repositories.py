"""What became of repositories that an account no longer lists: a list can lose what has not gone."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from ingest.github import Account, AccountSnapshot, GitHub, MissingRepository, Repository
from ingest.github.errors import GitHubError
from ingest.github.http.rate_gate import StopSignal

log = structlog.get_logger()


@dataclass(frozen=True)
class MissingRepositories:
    """What GitHub says of repositories that an account no longer lists, by GitHub's id."""

    still_owned: tuple[Repository, ...] = ()
    moved: Mapping[int, Repository] = field(default_factory=dict)
    gone: Mapping[int, str] = field(default_factory=dict)


def find_missing_repositories(
    github: GitHub,
    answer: AccountSnapshot,
    held: Mapping[int, Mapping[int, str | None]],
    stop: StopSignal | None = None,
) -> MissingRepositories:
    """Ask GitHub where those are that the account held and the answer does not name.

    held  by the account's GitHub id: its repositories' GitHub ids, and their node ids

    What cannot be looked up now, or not before *stop*, stays as it is held: the next look asks again.
    """
    listed = held.get(answer.account.github_id, {})
    named = {repository.github_id for repository in answer.repositories}
    missing = [(github_id, node_id) for github_id, node_id in listed.items() if github_id not in named]
    if not missing:
        return MissingRepositories()
    try:
        found = github.locate_repositories(missing, stop=stop)
    except GitHubError as error:
        log.warning("missing repositories not looked up", login=answer.account.login, error=str(error))
        return MissingRepositories()
    repositories = [one for one in found.values() if isinstance(one, Repository)]
    return MissingRepositories(
        still_owned=tuple(one for one in repositories if _is_owned_by(one, answer.account)),
        moved={one.github_id: one for one in repositories if not _is_owned_by(one, answer.account)},
        gone={github_id: one.reason for github_id, one in found.items() if isinstance(one, MissingRepository)},
    )


def _is_owned_by(repository: Repository, account: Account) -> bool:
    if repository.owner_id is not None:
        return repository.owner_id == account.github_id
    return repository.owner_login.lower() == account.login.lower()
