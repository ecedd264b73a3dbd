"""Look-ups: somebody wants to know who some logins belong to before they are tracked.

The web process asks, a worker answers, both through Redis, where question and answer live for ten minutes.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from redis import Redis
from sqlalchemy import Connection

from core.errors import BadInput, NotFound
from core.queue import jobs

TTL_SECONDS = 600
MAX_LOGINS = 1_000
LookupState = Literal["waiting", "working", "done", "failed"]


@dataclass(frozen=True)
class LookupResult:
    """What GitHub says of one login: who bears it, or `problem` in a sentence."""

    asked: str
    login: str | None = None
    github_id: int | None = None
    kind: str | None = None
    name: str | None = None
    public_repositories: int | None = None
    error_message: str | None = None

    @property
    def exists(self) -> bool:
        return self.github_id is not None


@dataclass(frozen=True)
class Lookup:
    """A question and what is answered of it so far. *members_of*: an organization whose members are the question."""

    id: str
    logins: tuple[str, ...] = ()
    members_of: str | None = None
    state: LookupState = "waiting"
    found: tuple[LookupResult, ...] = ()
    error_message: str | None = None

    @property
    def share(self) -> float:
        """How much of it is answered, 0 to 1."""
        return 1.0 if self.state == "done" else len(self.found) / max(1, len(self.logins))


@dataclass(frozen=True)
class LookupStore:
    """Where look-ups lie."""

    redis: Redis
    ttl_seconds: int = field(default=TTL_SECONDS)

    def put(self, lookup: Lookup) -> None:
        self.redis.set(_redis_key(lookup.id), json.dumps(asdict(lookup)), ex=self.ttl_seconds)

    def get(self, lookup_id: str) -> Lookup:
        """Raises NotFound when it is older than ten minutes."""
        held: Any = self.redis.get(_redis_key(lookup_id))
        if held is None:
            raise NotFound("This look-up is over; look again")
        told = json.loads(held)
        found = tuple(LookupResult(**one) for one in told.pop("found"))
        return Lookup(**{**told, "logins": tuple(told["logins"]), "found": found})


def request_lookup(
    connection: Connection, redis: Redis, logins: Sequence[str] = (), members_of: str | None = None
) -> str:
    """Ask for some logins, or for the public members of an organization; returns the look-up's id.

    Raises BadInput when there are too many, or none.
    """
    wanted = tuple({login.lower(): login for login in logins}.values())
    if not wanted and members_of is None:
        raise BadInput("There is nobody to look for")
    if len(wanted) > MAX_LOGINS:
        raise BadInput(f"{len(wanted):,} accounts are too many to look for at once; take at most {MAX_LOGINS:,}")
    lookup = Lookup(secrets.token_urlsafe(12), wanted, members_of)
    LookupStore(redis).put(lookup)
    jobs.defer_lookup(connection, lookup.id)
    return lookup.id


def _redis_key(lookup_id: str) -> str:
    return f"almanac:lookup:{lookup_id}"
