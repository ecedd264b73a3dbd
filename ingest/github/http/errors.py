"""What GitHub, or the way to it, can refuse. Each error is one sentence and carries what its catcher needs."""

from datetime import datetime

from core.errors import AlmanacError


class GitHubError(AlmanacError):
    """Anything that kept us from an answer. Never holds a token."""

    code = "github_error"
    is_request_too_large = False
    """It failed in a way (late, or too large) where asking for less at once helps and repeating does not."""


class RateLimited(GitHubError):
    """GitHub told us to wait, longer than this caller was ready to."""

    code = "github_rate_limited"

    def __init__(self, resets_at: datetime, reason: str = "GitHub's rate limit is spent") -> None:
        self.resets_at = resets_at
        super().__init__(f"{reason} until {resets_at:%Y-%m-%d %H:%M:%S} UTC")


class BadCredentials(GitHubError):
    """GitHub refused a token, or it cannot be one."""

    code = "bad_credentials"

    def __init__(
        self, which: str, fingerprint: str | None = None, why: str = "it is wrong, expired or revoked"
    ) -> None:
        self.fingerprint = fingerprint
        super().__init__(f"GitHub refused {which}: {why}")


class AccountNotFound(GitHubError):
    """No account has this login, or this id, now."""

    code = "account_not_found"

    def __init__(self, login: str) -> None:
        self.login = login
        super().__init__(f"GitHub knows no account {login!r}")


class RepositoryNotFound(GitHubError):
    """A repository is deleted, private, or no longer shown to us."""

    code = "repository_gone"

    def __init__(self, repository: str) -> None:
        self.repository = repository
        super().__init__(f"GitHub shows no repository {repository}")


class Blocked(GitHubError):
    """GitHub withholds something for a legal reason or for breach of its terms."""

    code = "blocked"

    def __init__(self, what: str, reason: str, url: str | None = None, status: int = 451) -> None:
        self.reason = reason
        self.url = url
        self.status = status
        super().__init__(f"GitHub blocks {what} ({reason})" + (f", see {url}" if url else ""))


class PermissionDenied(GitHubError):
    """The token may not see this; waiting does not help."""

    code = "permission_denied"

    def __init__(self, what: str, message: str = "") -> None:
        super().__init__(f"GitHub does not let us see {what}" + (f": {message}" if message else ""))


class Unreachable(GitHubError):
    """No connection came about, or it broke before an answer was complete."""

    code = "unreachable"

    def __init__(self, host: str, why: str) -> None:
        super().__init__(f"GitHub at {host} cannot be reached: {why}")


class ServerError(GitHubError):
    """GitHub answered that it failed, and did so again."""

    code = "server_failed"

    def __init__(self, status: int | None, why: str = "") -> None:
        self.status = status
        told = f" with status {status}" if status else ""
        super().__init__(f"GitHub failed to answer{told}" + (f": {why}" if why else ""))


class InvalidResponse(GitHubError):
    """The answer was cut, was no JSON, was too large, or lacked what makes it an answer."""

    code = "unreadable_answer"

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"GitHub's answer about {what} cannot be read: {why}")


class UnexpectedStatus(GitHubError):
    """GitHub refused in a way that repeating does not change."""

    code = "unexpected_status"

    def __init__(self, status: int, what: str, message: str = "", captured_at: datetime | None = None) -> None:
        self.status = status
        self.captured_at = captured_at
        super().__init__(f"GitHub answered {status} about {what}" + (f": {message}" if message else ""))


class Stopped(GitHubError):
    """We were asked to stop before this was answered."""

    code = "stopped"

    def __init__(self) -> None:
        super().__init__("Stopped before GitHub answered")
