"""Errors that Almanac raises on purpose; each message is a sentence for people, each code a constant for programs.

AlmanacError
├── BadInput                  bad_input
│   ├── BadLogin              bad_login           core.tracking.login
│   └── UnknownLanguage                           core.linguist
├── NotFound                  not_found
│   ├── AccountNotStored                          ingest.cli.show
│   └── NotCreatedYet         not_created_yet     core.web.api.former_names
├── Conflict                  conflict
├── NotSignedIn               not_signed_in
│   ├── InvalidTicket                             core.auth.tickets
│   ├── InvalidToken                              core.auth.tokens
│   └── SignInRefused                             core.auth.sign_in
├── Forbidden                 forbidden
├── RateLimitExceeded         rate_limited
├── ServerUnavailable         server_unavailable
├── Moved                     moved               core.web.api.former_names
├── AddressRefused            address_refused     ingest.alerts.ssrf_guard
│   └── HostNotResolved       host_not_resolved   ingest.alerts.ssrf_guard
├── TemporaryDeliveryError    try_again           ingest.alerts.deliver
├── IncompleteSchema          incomplete_schema   core.db.schema_check
├── CoordinatorNotNamed       coordinator_not_named   core.db.citus
├── PartitionsLocked          partitions_locked   core.db.partitions
├── StoreFailed               not_stored          ingest.refresh.batch
└── GitHubError               github_error        subclasses: see ingest.github.errors
"""

from datetime import datetime


class AlmanacError(Exception):
    """Base of all errors that are raised on purpose; `code` is for programs and never changes its meaning."""

    code = "error"


class BadInput(AlmanacError):
    """A value cannot be used; the message says which and why."""

    code = "bad_input"


class NotFound(AlmanacError):
    """The requested object is not stored."""

    code = "not_found"


class Conflict(AlmanacError):
    """The request contradicts what is stored, such as a name that is taken."""

    code = "conflict"


class NotSignedIn(AlmanacError):
    """The request carries no valid session or API key."""

    code = "not_signed_in"


class Forbidden(AlmanacError):
    """The person is signed in but lacks the role."""

    code = "forbidden"


class RateLimitExceeded(AlmanacError):
    """A per-person limit of *amount* is used up; there is room again at `resets_at` (UTC)."""

    code = "rate_limited"

    def __init__(self, message: str, *, amount: int, resets_at: datetime) -> None:
        self.amount = amount
        self.resets_at = resets_at
        super().__init__(message)


class ServerUnavailable(AlmanacError):
    """Postgres or Redis cannot be reached or started."""

    code = "server_unavailable"


def first_line(error: BaseException) -> str:
    """Return the first line of what *error* says, or its type where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
