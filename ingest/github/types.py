"""The questions the client takes and the answers it gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ingest.github.api.models import Account, Repository
from ingest.github.errors import GitHubError


@dataclass(frozen=True)
class AccountRequest:
    """An account to read. The more is known of it, the less has to be asked."""

    login: str
    github_id: int | None = None
    token: str | None = None
    """Fingerprint of the token the account is pinned to: its ETags belong to that one."""


@dataclass(frozen=True)
class AccountSnapshot:
    """An account, all its public repositories and the languages that were wanted, as of one moment."""

    account: Account
    repositories: tuple[Repository, ...]
    languages: Mapping[int, Mapping[str, int]]
    """Bytes by language, by the repository's GitHub id: only those read now; an empty one has truly none."""
    captured_at: datetime
    is_complete: bool
    """As many distinct repositories as GitHub counted. If not, a missing one may still be there."""
    token: str | None = None
    languages_refused: Mapping[int, str] = field(default_factory=dict)
    """Why GitHub would not tell the languages of a repository, by its GitHub id."""
    languages_failed: tuple[int, ...] = ()
    """Repositories whose languages were wanted and not read this time; they stay wanted."""
    languages_error: GitHubError | None = None


@dataclass(frozen=True)
class AccountResult:
    """What became of one Ask: an answer or an error, and its share of what was spent."""

    account_request: AccountRequest
    snapshot: AccountSnapshot | None
    error: GitHubError | None
    requests: float
    points: float
    not_modified: int


@dataclass(frozen=True)
class MissingRepository:
    """A repository that is not shown any more, and why: not_found, private, dmca, tos…"""

    github_id: int
    reason: str
    status: int | None = None
    url: str | None = None


@dataclass(frozen=True)
class Usage:
    """What this client has spent since it was made."""

    requests: int = 0
    points: int = 0
    not_modified: int = 0
    retries: int = 0


@dataclass(frozen=True)
class BucketState:
    """What is left of one of GitHub's budgets, as last told."""

    owner: str
    resource: str
    limit: int
    remaining: int
    resets_at: datetime


ShouldFetchLanguages = Callable[[Account, Repository], bool]
