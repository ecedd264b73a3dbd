"""Lookups of logins at GitHub before they are tracked.

The web process stores the request in Redis and queues a job; a worker stores the results there. They expire after ten
minutes, a request to track what is found after a day if no worker has run it.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from redis import Redis
from sqlalchemy import Connection

from core.auth.identity import Role
from core.errors import BadInput, NotFound
from core.queue import jobs
from core.wording import quantity

TTL_SECONDS = 600
UNFINISHED_TRACKING_TTL_SECONDS = 86_400
MAX_LOGINS = 1_000
LookupState = Literal["queued", "running", "done", "failed"]


@dataclass(frozen=True)
class LookupResult:
    """What GitHub reported of one login: its account, or `error_message`."""

    requested_login: str
    login: str | None = None
    github_id: int | None = None
    kind: str | None = None
    name: str | None = None
    public_repositories: int | None = None
    error_message: str | None = None
    is_missing: bool = False
    """GitHub has no such account; other errors say nothing about it."""

    @property
    def exists(self) -> bool:
        return self.github_id is not None


@dataclass(frozen=True)
class Requester:
    """The person for whom an account is tracked once it is found, and where the request came from."""

    person_id: int
    username: str
    role: Role
    address: str | None = None
    user_agent: str | None = None
    request_id: str | None = None
    repository: str = ""
    """Short name of the repository that is asked for alone; empty: the account."""


@dataclass(frozen=True)
class Lookup:
    """A request with its results so far. With *members_of* it is for the public members of that organization.

    With *track_for* its one login is tracked if there is such an account.
    """

    id: str
    logins: tuple[str, ...] = ()
    members_of: str | None = None
    state: LookupState = "queued"
    results: tuple[LookupResult, ...] = ()
    error_message: str | None = None
    track_for: Requester | None = None

    @property
    def result(self) -> LookupResult:
        """The result of a lookup of one login, once it is done."""
        return self.results[0]

    @property
    def is_under_way(self) -> bool:
        return self.state in {"queued", "running"}

    @property
    def progress(self) -> float:
        """Share of the logins with a result, 0 to 1."""
        return 1.0 if self.state == "done" else len(self.results) / max(1, len(self.logins))


@dataclass(frozen=True)
class LookupStore:
    """Lookups in Redis."""

    redis: Redis
    ttl_seconds: int = field(default=TTL_SECONDS)

    def put(self, lookup: Lookup) -> None:
        seconds = UNFINISHED_TRACKING_TTL_SECONDS if lookup.track_for and lookup.is_under_way else self.ttl_seconds
        self.redis.set(_redis_key(lookup.id), json.dumps(asdict(lookup)), ex=seconds)

    def get(self, lookup_id: str) -> Lookup:
        """Return the lookup. Raises NotFound when it has expired."""
        lookup = self.find(lookup_id)
        if lookup is None:
            raise NotFound("This lookup has expired; start it again")
        return lookup

    def find(self, lookup_id: str) -> Lookup | None:
        """Return the lookup; None when there is none, or none any more."""
        stored: Any = self.redis.get(_redis_key(lookup_id))
        if stored is None:
            return None
        body = json.loads(stored)
        results = tuple(LookupResult(**result) for result in body.pop("results"))
        requester = Requester(**body["track_for"]) if body["track_for"] else None
        return Lookup(**{**body, "logins": tuple(body["logins"]), "results": results, "track_for": requester})


def request_lookup(
    connection: Connection, redis: Redis, logins: Sequence[str] = (), members_of: str | None = None
) -> str:
    """Start a lookup of logins, or of the public members of an organization; return its id.

    Raises BadInput when there are too many logins, or none.
    """
    unique = tuple({login.lower(): login for login in logins}.values())
    if not unique and members_of is None:
        raise BadInput("There are no logins to look up")
    if len(unique) > MAX_LOGINS:
        raise BadInput(f"{quantity(len(unique), 'account')} are too many for one lookup; the maximum is {MAX_LOGINS:,}")
    lookup = Lookup(secrets.token_urlsafe(12), unique, members_of)
    LookupStore(redis).put(lookup)
    jobs.defer_lookup(connection, lookup.id)
    return lookup.id


def login_lookup_id(login: str) -> str:
    """Return the id of the lookup of one login: one at a time, whoever asks."""
    return f"login:{login.lower()}"


def _redis_key(lookup_id: str) -> str:
    return f"almanac:lookup:{lookup_id}"
