"""Asks GitHub: within the budget, as fast as it may be, and never without a word when something went wrong."""

from ingest.github.api.models import Account, Repository
from ingest.github.client import GitHub
from ingest.github.fetch.types import AccountAnswer, Ask, BucketState, Gone, Outcome, Usage
from ingest.github.http.errors import (
    AccountNotFound,
    BadCredentials,
    Blocked,
    GitHubError,
    PermissionDenied,
    RateLimited,
    RepositoryGone,
    ServerFailed,
    Stopped,
    UnexpectedStatus,
    Unreachable,
    UnreadableAnswer,
)

__all__ = [
    "Account",
    "AccountAnswer",
    "AccountNotFound",
    "Ask",
    "BadCredentials",
    "Blocked",
    "BucketState",
    "GitHub",
    "GitHubError",
    "Gone",
    "Outcome",
    "PermissionDenied",
    "RateLimited",
    "Repository",
    "RepositoryGone",
    "ServerFailed",
    "Stopped",
    "UnexpectedStatus",
    "Unreachable",
    "UnreadableAnswer",
    "Usage",
]
