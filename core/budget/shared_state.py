"""What the ingestor wrote into Redis about GitHub's budgets, read without asking GitHub anything.

This module and `ingest/github` (`client.py` names the key, `gate.py` writes it, `budget.py` is its content) agree about
`almanac:github:{HASH}:budget`: JSON, HASH the first 12 hex digits of the SHA-256 of GITHUB_API_URL, braces included.
Buckets there are called "OWNER RESOURCE"; an owner is a login, or a token's fingerprint before GitHub told the login.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from redis import Redis

LEASE_SECONDS = 90


@dataclass(frozen=True)
class RateBudgetBucket:
    """One of GitHub's budgets as last heard; after *resets_at* it is full again."""

    owner: str
    resource: str
    limit: int
    remaining: int
    resets_at: datetime

    def left(self, now: datetime) -> int:
        return self.limit if self.resets_at <= now else self.remaining


@dataclass(frozen=True)
class RateBudgetSummary:
    """All budgets, the requests under way, and until when nothing may be asked (None: no pause)."""

    buckets: tuple[RateBudgetBucket, ...] = ()
    in_flight: int = 0
    paused_until: datetime | None = None


def budget_key(api_url: str) -> str:
    """The name under which the budget of one API lies in Redis."""
    return f"almanac:github:{{{sha256(api_url.encode()).hexdigest()[:12]}}}:budget"


def load_rate_budget(redis: Redis, api_url: str, now: datetime) -> RateBudgetSummary:
    """Tell what is left of each budget, as last heard by any process; nothing before the first answer.

    Raises RedisError when Redis is away.
    """
    held: Any = redis.get(budget_key(api_url))
    try:
        return parse_rate_budget(json.loads(held), now) if held else RateBudgetSummary()
    except (ValueError, KeyError, TypeError, AttributeError):  # written by another version
        return RateBudgetSummary()


def parse_rate_budget(told: dict[str, Any], now: datetime) -> RateBudgetSummary:
    """Read the JSON of a budget."""
    buckets = []
    for name, bucket in sorted(told["buckets"].items()):
        owner, _, resource = name.partition(" ")
        resets_at = datetime.fromtimestamp(bucket["resets_at"], UTC)
        buckets.append(RateBudgetBucket(owner, resource, int(bucket["limit"]), int(bucket["remaining"]), resets_at))
    # A process that died leaves its requests in flight until their lease has run out.
    since = now.timestamp() - LEASE_SECONDS
    flying = sum(flight["started_at"] > since for flight in told["in_flight"].values())
    pause = float(told["paused_until"])
    return RateBudgetSummary(
        tuple(buckets), flying, datetime.fromtimestamp(pause, UTC) if pause > now.timestamp() else None
    )
