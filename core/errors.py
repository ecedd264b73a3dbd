"""The tree of errors. Each reads as a sentence for a person and carries what its catcher needs."""

from datetime import datetime


class AlmanacError(Exception):
    """Anything Almanac raises on purpose; `code` is for programs and never changes its meaning."""

    code = "error"


class BadInput(AlmanacError):
    """Somebody gave a value that cannot be used; the sentence says which and why."""

    code = "bad_input"


class NotFound(AlmanacError):
    """What was asked for is not held."""

    code = "not_found"


class ServerUnavailable(AlmanacError):
    """Postgres or Redis does not answer."""

    code = "server_unavailable"


class NotSignedIn(AlmanacError):
    """Nobody is signed in, or no longer."""

    code = "not_signed_in"


class Forbidden(AlmanacError):
    """The person who asks may not."""

    code = "forbidden"


class Conflict(AlmanacError):
    """What was asked for collides with what is there."""

    code = "conflict"


class RateLimitExceeded(AlmanacError):
    """A limit is reached; it ends at `resets_at` (UTC)."""

    code = "rate_limited"

    def __init__(self, sentence: str, *, amount: int, resets_at: datetime) -> None:
        self.amount = amount
        self.resets_at = resets_at
        super().__init__(sentence)
