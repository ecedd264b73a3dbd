"""The GitHub client: fetches accounts, repositories and enrichment facts within the rate limits."""

from ingest.github.api.models import Account, Repository
from ingest.github.client import GitHub
from ingest.github.errors import (
    AccountNotFound,
    BadCredentials,
    Blocked,
    GitHubError,
    InvalidResponse,
    PermissionDenied,
    RateLimited,
    RepositoryNotFound,
    ServerError,
    Stopped,
    UnexpectedStatus,
    Unreachable,
)
from ingest.github.types import AccountRequest, AccountResult, AccountSnapshot, BucketState, MissingRepository, Usage

__all__ = [
    "Account",
    "AccountNotFound",
    "AccountRequest",
    "AccountResult",
    "AccountSnapshot",
    "BadCredentials",
    "Blocked",
    "BucketState",
    "GitHub",
    "GitHubError",
    "InvalidResponse",
    "MissingRepository",
    "PermissionDenied",
    "RateLimited",
    "Repository",
    "RepositoryNotFound",
    "ServerError",
    "Stopped",
    "UnexpectedStatus",
    "Unreachable",
    "Usage",
]
