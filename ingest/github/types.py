"""Arguments and results of the client's methods."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ingest.github.api.models import Account, Repository
from ingest.github.errors import GitHubError


@dataclass(frozen=True)
class AccountRequest:
    """An account to fetch. With `github_id` it is found after a rename, too.

    `repositories` is how many it is expected to have; None where it was never fetched.
    """

    login: str
    github_id: int | None = None
    token: str | None = None
    """Fingerprint of the token the account is pinned to: ETags are valid for that one only."""
    repositories: int | None = None


@dataclass(frozen=True)
class AccountSnapshot:
    """An account, all its public repositories and the requested languages at one time."""

    account: Account
    repositories: tuple[Repository, ...]
    languages: Mapping[int, Mapping[str, int]]
    """Bytes by language, by the repository's GitHub id: only those fetched now; an empty one truly has none."""
    captured_at: datetime
    """GitHub's own time (UTC) of the oldest response."""
    is_complete: bool
    """As many distinct repositories as GitHub counted. If not, a missing one may still exist."""
    token: str | None = None
    """Fingerprint of the token that fetched it, None without a token."""
    languages_refused: Mapping[int, str] = field(default_factory=dict)
    """Why GitHub refused the languages of a repository, by its GitHub id."""
    languages_incomplete: frozenset[int] = frozenset()
    """Repositories of whose languages GitHub failed to report some."""
    languages_failed: tuple[int, ...] = ()
    """Repositories whose languages were requested and not fetched; request them again at the next refresh."""
    languages_error: GitHubError | None = None
    extras_error: GitHubError | None = None
    """Why the extras of some repositories were requested and not fetched."""


@dataclass(frozen=True)
class AccountResult:
    """The outcome of one request: a snapshot or an error, and its share of the requests and points spent."""

    account_request: AccountRequest
    snapshot: AccountSnapshot | None
    error: GitHubError | None
    requests: float
    points: float
    not_modified: int


@dataclass(frozen=True)
class MissingRepository:
    """A repository that GitHub no longer shows, and the reason: not_found, private, dmca, tos …"""

    github_id: int
    reason: str
    status: int | None = None
    url: str | None = None


@dataclass(frozen=True)
class Usage:
    """Requests and points that a client has spent since it was created."""

    requests: int = 0
    points: int = 0
    not_modified: int = 0
    retries: int = 0


@dataclass(frozen=True)
class BucketState:
    """One of GitHub's rate limits as last reported. `owner` is the token's owner."""

    owner: str
    resource: str
    limit: int
    remaining: int
    resets_at: datetime


ShouldFetchLanguages = Callable[[Account, Repository], bool]
