"""Errors of the GitHub client. Each message is one sentence and never contains a token.

GitHubError
├── RateLimited             the rate budget is exhausted, or GitHub demanded a wait, for longer than the caller waits
├── BadCredentials          a token, or a GitHub App's key, is rejected or malformed
├── PermissionDenied        the token may not see this
├── Blocked                 withheld for legal reasons or a breach of GitHub's terms
├── AccountNotFound
├── LoginReused             the login belongs to another account now
├── RepositoryNotFound      deleted, private, or not visible to this token
├── RepositoryNameReused    the name belongs to another repository now
├── Unreachable             no connection, or it broke before the response was complete
├── ServerError             status 5xx, or a GraphQL error without data
├── InvalidResponse         truncated, not JSON, too large, or of an unexpected shape
├── UnexpectedStatus        any other status
├── StatisticsNotReady      GitHub still computes the statistics (202)
├── EndpointNotSupported    this server has no such endpoint
├── GraphQLUnavailable      this server has no GraphQL, or none for this token
└── Stopped                 the caller's stop signal was set

Unreachable, ServerError and InvalidResponse may pass: see TRANSIENT_ERRORS.
"""

from datetime import datetime

from core.errors import AlmanacError


class GitHubError(AlmanacError):
    """Base class of everything that prevents a usable response."""

    code = "github_error"
    is_request_too_large = False
    """The failure (late, or too large) suggests a smaller request; repeating the same one does not help."""


class RateLimited(GitHubError):
    """GitHub demands a wait until `resets_at` (UTC), longer than the caller is ready to wait."""

    code = "github_rate_limited"

    def __init__(
        self, resets_at: datetime, reason: str = "GitHub's rate limit is exhausted", *, is_exhausted: bool = False
    ) -> None:
        self.resets_at = resets_at
        self.is_exhausted = is_exhausted
        """Only one rate limit is used up, or down to the caller's reserve; else all requests have to wait."""
        self.is_of_fallback = False
        """The rate limit is that of a credential that stood in for a denied one; the denied one's may last."""
        super().__init__(f"{reason} until {resets_at:%Y-%m-%d %H:%M:%S} UTC")


class BadCredentials(GitHubError):
    """GitHub rejected a credential, or it is malformed. `fingerprint` is None for one that was never usable."""

    code = "bad_credentials"

    def __init__(
        self, which: str, fingerprint: str | None = None, reason: str = "it is wrong, expired or revoked"
    ) -> None:
        self.fingerprint = fingerprint
        super().__init__(f"GitHub rejected {which}: {reason}")


class PermissionDenied(GitHubError):
    """The token may not see this; waiting does not help, another token or none may.

    `message` is GitHub's. `may_depend_on_token` is False where every token would get the same.
    """

    code = "permission_denied"

    def __init__(self, what: str, message: str = "", *, may_depend_on_token: bool = True) -> None:
        self.message = message
        self.may_depend_on_token = may_depend_on_token
        super().__init__(f"GitHub denies access to {what}" + (f": {message}" if message else ""))


class Blocked(GitHubError):
    """GitHub withholds something: `reason` is its own word (dmca, tos …), `url` its notice."""

    code = "blocked"

    def __init__(self, what: str, reason: str, url: str | None = None, status: int = 451) -> None:
        self.reason = reason
        self.url = url
        self.status = status
        super().__init__(f"GitHub blocks {what} ({reason})" + (f", see {url}" if url else ""))


class AccountNotFound(GitHubError):
    """No account has this login, or this id, now."""

    code = "account_not_found"

    def __init__(self, login: str) -> None:
        self.login = login
        super().__init__(f"GitHub has no account {login!r}")


class LoginReused(GitHubError):
    """The requested login belongs to another account than the one stored under it."""

    code = "login_reused"

    def __init__(self, login: str) -> None:
        super().__init__(f"The login {login} belongs to another account now; the next refresh finds the stored one")


class RepositoryNotFound(GitHubError):
    """A repository is deleted, private, or not visible to this token."""

    code = "repository_not_found"

    def __init__(self, repository: str) -> None:
        self.repository = repository
        super().__init__(f"GitHub shows no repository {repository}")


class RepositoryNameReused(GitHubError):
    """The requested name belongs to another repository than the stored one: nothing reported of it may be stored."""

    code = "repository_name_reused"

    def __init__(self, repository: str) -> None:
        super().__init__(
            f"{repository} is another repository now; the next refresh of its account finds the stored one"
        )


class Unreachable(GitHubError):
    """No connection was established, or it broke before the response was complete."""

    code = "unreachable"

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(f"GitHub at {host} cannot be reached: {reason}")


class ServerError(GitHubError):
    """GitHub failed; `status` is None for a GraphQL error in a response with status 200."""

    code = "server_error"

    def __init__(self, status: int | None, reason: str = "") -> None:
        self.status = status
        with_status = f" with status {status}" if status else ""
        super().__init__(f"GitHub's server failed{with_status}" + (f": {reason}" if reason else ""))


class InvalidResponse(GitHubError):
    """The response is truncated, not JSON, too large, or lacks what it must contain."""

    code = "invalid_response"

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(f"GitHub's response for {what} cannot be read: {reason}")


class UnexpectedStatus(GitHubError):
    """GitHub refused with a status that has no error class of its own; a retry does not help."""

    code = "unexpected_status"

    def __init__(self, status: int, what: str, message: str = "", captured_at: datetime | None = None) -> None:
        self.status = status
        self.captured_at = captured_at
        super().__init__(f"GitHub responded with status {status} for {what}" + (f": {message}" if message else ""))


class StatisticsNotReady(GitHubError):
    """GitHub is still computing statistics (202), possibly forever.

    Source: https://docs.github.com/en/rest/metrics/statistics#best-practices-for-caching
    """

    code = "statistics_not_ready"

    def __init__(self, what: str) -> None:
        super().__init__(f"GitHub is still computing {what}")


class EndpointNotSupported(GitHubError):
    """This server lacks the endpoint: it responds 404 for a repository that it shows."""

    code = "endpoint_not_supported"

    def __init__(self, what: str) -> None:
        super().__init__(f"This GitHub server has no endpoint for {what}")


class GraphQLUnavailable(GitHubError):
    """This server has no GraphQL, or none for this token; REST is the alternative."""

    code = "graphql_unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"GitHub's GraphQL is unavailable here: {reason}")


class Stopped(GitHubError):
    """The stop signal was set before the response arrived."""

    code = "stopped"

    def __init__(self) -> None:
        super().__init__("Stopped before GitHub responded")


# Worth a retry of the same request, unless it was too large.
TRANSIENT_ERRORS = (Unreachable, ServerError, InvalidResponse)
