"""Which tokens GitHub refused, as the ingestor wrote it into Redis: kept for a day, or until it starts again.

This module and `ingest/github/http/etag_cache.py` agree about the hash `almanac:github:{HASH}:refused` (HASH as in
`budget_seen`): a credential's fingerprint, and JSON with its name, why, and when.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from redis import Redis

from core.budget import shared_state

EARLIEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class RefusedToken:
    """A token or GitHub App that GitHub refused; `why` is a sentence, and tells no secret."""

    fingerprint: str
    name: str
    why: str
    at: datetime | None


def refused_tokens_key(api_url: str) -> str:
    return shared_state.budget_key(api_url).removesuffix("budget") + "refused"


def load_refused_tokens(redis: Redis, api_url: str) -> list[RefusedToken]:
    """Tell which tokens are left out now, newest first. Raises RedisError when Redis is away."""
    held: Any = redis.hgetall(refused_tokens_key(api_url))
    found = []
    for fingerprint, told in held.items():
        try:
            body = json.loads(told)
            at = datetime.fromisoformat(body["at"]) if body["at"] else None
            found.append(RefusedToken(fingerprint.decode(), str(body["name"]), str(body["why"]), at))
        except (ValueError, KeyError, TypeError):  # written by another version
            continue
    return sorted(found, key=lambda one: one.at or EARLIEST, reverse=True)
