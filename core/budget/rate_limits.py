"""GitHub's rate limits as all processes share them: the keys in Redis, the JSON stored there, and a summary of it.

The ingestor writes this state before and after each request (`ingest/github/http/rate_gate.py`); the web process reads
it and asks GitHub nothing.
"""

import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Self, TypeVar

from redis import Redis
from redis.client import Pipeline

CREDENTIALS_KEY_SUFFIX = ":credentials"
CREDENTIALS_TTL_SECONDS = 7200
USUAL_LIMIT, ANONYMOUS_LIMIT = 5_000, 60
"""Of a token and of an IP address without one, an hour, until a response has reported the real limit."""
LEASE_SECONDS = 90
"""A process that died leaves its requests in flight for this long; no request takes longer."""

Entry = TypeVar("Entry")


@dataclass
class Bucket:
    """One of GitHub's rate limits as last reported; `resets_at` is a Unix time on the shared clock."""

    limit: int
    remaining: int
    resets_at: float


@dataclass
class InFlightRequest:
    """A request that was sent and has no response yet; `bucket` is its key among the buckets."""

    bucket: str
    cost: int
    started_at: float


@dataclass(frozen=True)
class RateBudgetBucket:
    """One of GitHub's rate limits for display; after *resets_at* it is full again."""

    owner: str
    resource: str
    limit: int
    remaining: int
    resets_at: datetime

    def remaining_at(self, now: datetime) -> int:
        return self.limit if self.resets_at <= now else self.remaining


@dataclass(frozen=True)
class RateBudgetSummary:
    """All buckets, the number of requests in flight, and the end of the current pause (None: no pause)."""

    buckets: tuple[RateBudgetBucket, ...] = ()
    in_flight: int = 0
    paused_until: datetime | None = None

    def only_of(self, owners: Collection[str]) -> Self:
        """Leave out the buckets of others than *owners*."""
        return replace(self, buckets=tuple(bucket for bucket in self.buckets if bucket.owner in owners))


@dataclass
class StoredRateBudget:
    """The state in Redis, one JSON text. Times are Unix times on Redis' own clock.

    buckets    by "OWNER RESOURCE"; an owner is a login, or a token's fingerprint until GitHub reported the login
    in_flight  by request id
    paced      requests started, by "OWNER API" and slot of a few seconds
    strikes    rate-limit responses in a row that stated no waiting time
    """

    paused_until: float = 0.0
    paused_at: float = 0.0
    strikes: int = 0
    buckets: dict[str, Bucket] = field(default_factory=dict)
    in_flight: dict[str, InFlightRequest] = field(default_factory=dict)
    paced: dict[str, dict[str, int]] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Parse what `to_json` wrote. Raises ValueError, KeyError, TypeError or AttributeError for anything else."""
        body = json.loads(text)
        body["buckets"] = {key: Bucket(**item) for key, item in body["buckets"].items()}
        body["in_flight"] = {key: InFlightRequest(**item) for key, item in body["in_flight"].items()}
        return cls(**body)

    def summary(self, now: datetime) -> RateBudgetSummary:
        timestamp = now.timestamp()
        buckets = []
        for key, bucket in sorted(self.buckets.items()):
            owner, _, resource = key.partition(" ")
            resets_at = datetime.fromtimestamp(bucket.resets_at, UTC)
            buckets.append(RateBudgetBucket(owner, resource, bucket.limit, bucket.remaining, resets_at))
        in_flight = sum(request.started_at > timestamp - LEASE_SECONDS for request in self.in_flight.values())
        paused_until = datetime.fromtimestamp(self.paused_until, UTC) if self.paused_until > timestamp else None
        return RateBudgetSummary(tuple(buckets), in_flight, paused_until)


def key_prefix(api_url: str) -> str:
    """Return the prefix of all Redis keys of one API; the braces keep them on one node of a cluster."""
    return f"almanac:github:{{{sha256(api_url.encode()).hexdigest()[:12]}}}"


def budget_key(api_url: str) -> str:
    """Return the Redis key of the state."""
    return f"{key_prefix(api_url)}:budget"


@dataclass(frozen=True)
class ConfiguredCredentials:
    """The configured tokens: their owners and their fingerprints."""

    owners: frozenset[str]
    fingerprints: frozenset[str]


def publish_credentials(
    redis: Redis,
    api_url: str,
    fingerprints: Collection[str],
    read_owners: Callable[[], Iterable[str]],
    owner_keys: Iterable[str],
) -> None:
    """Publish which tokens are configured, for two hours. Raises RedisError.

    read_owners  reads their owners; again where one of *owner_keys*, by which Redis has them, changes meanwhile
    """

    def publish(pipe: Pipeline) -> None:
        text = json.dumps({"owners": sorted(read_owners()), "fingerprints": sorted(fingerprints)})
        pipe.multi()
        pipe.set(key_prefix(api_url) + CREDENTIALS_KEY_SUFFIX, text, ex=CREDENTIALS_TTL_SECONDS)

    redis.transaction(publish, *owner_keys)


def publish_owner(redis: Redis, key: str, fingerprint: str, owner: str) -> None:
    """Replace a published token's fingerprint among the owners by the login that GitHub reported. Raises RedisError.

    Store the owner first: who publishes all of them after this has to find it.
    """

    def replace_fingerprint(pipe: Pipeline) -> None:
        stored: Any = pipe.get(key)  # not queued: nothing is before `multi`
        published = _read_credentials(stored)
        pipe.multi()
        if published is not None and fingerprint in published.owners:
            owners = published.owners - {fingerprint} | {owner}
            text = json.dumps({"owners": sorted(owners), "fingerprints": sorted(published.fingerprints)})
            pipe.set(key, text, keepttl=True)

    # Repeats it where another process changed the key meanwhile.
    redis.transaction(replace_fingerprint, key)


def load_credentials(redis: Redis, api_url: str) -> ConfiguredCredentials | None:
    """Read which tokens are configured; None where no scheduler published them lately. Raises RedisError."""
    published: Any = redis.get(key_prefix(api_url) + CREDENTIALS_KEY_SUFFIX)
    return _read_credentials(published)


def _read_credentials(published: Any) -> ConfiguredCredentials | None:
    try:
        body = json.loads(published) if published else None
        return body and ConfiguredCredentials(frozenset(body["owners"]), frozenset(body["fingerprints"]))
    except (ValueError, KeyError, TypeError):  # written by another version
        return None


def load_token_entries(redis: Redis, api_url: str, key: str, parse: Callable[[str, str | bytes], Entry]) -> list[Entry]:
    """Read a hash by fingerprint with *parse*, without tokens that are no longer configured. Raises RedisError."""
    stored: Any = redis.hgetall(key)
    configured = load_credentials(redis, api_url) if stored else None
    entries = []
    for name, text in stored.items():
        try:
            fingerprint = name.decode()
            if configured is None or fingerprint in configured.fingerprints:
                entries.append(parse(fingerprint, text))
        except (ValueError, KeyError, TypeError):  # written by another version
            continue
    return entries


def load_rate_budget(redis: Redis, api_url: str, now: datetime) -> RateBudgetSummary:
    """Read what is left of each rate limit; empty before GitHub's first response. Raises RedisError.

    A token that was removed from the settings does not count, although its last state is still stored. Neither do
    anonymous requests where there are tokens.
    """
    summary = load_every_bucket(redis, api_url, now)
    configured = load_credentials(redis, api_url) if summary.buckets else None
    return summary if configured is None else summary.only_of(configured.owners)


def load_every_bucket(redis: Redis, api_url: str, now: datetime) -> RateBudgetSummary:
    """Read what is left of every owner's rate limits; empty before GitHub's first response. Raises RedisError."""
    stored: Any = redis.get(budget_key(api_url))
    try:
        return StoredRateBudget.from_json(stored).summary(now) if stored else RateBudgetSummary()
    except (ValueError, KeyError, TypeError, AttributeError):  # written by another version
        return RateBudgetSummary()
