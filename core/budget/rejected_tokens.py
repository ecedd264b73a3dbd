"""Tokens that GitHub rejected: a hash in Redis, written by the ingestor and read by all processes.

An entry expires a day after the last rejection, and is removed when the ingestor starts again with that token.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from redis import Redis

from core.budget import rate_limits

KEY_SUFFIX = ":rejected"
EARLIEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class RejectedToken:
    """A token or GitHub App that GitHub rejected; `reason` is a sentence without secrets, `at` the response's time."""

    fingerprint: str
    name: str
    reason: str
    at: datetime | None

    def to_json(self) -> str:
        return json.dumps({"name": self.name, "reason": self.reason, "at": self.at and self.at.isoformat()})

    @classmethod
    def from_json(cls, fingerprint: str, text: str | bytes) -> Self:
        """Parse what `to_json` wrote. Raises ValueError, KeyError or TypeError for anything else."""
        body = json.loads(text)
        at = datetime.fromisoformat(body["at"]) if body["at"] else None
        return cls(fingerprint, str(body["name"]), str(body["reason"]), at)


def rejected_tokens_key(api_url: str) -> str:
    """Return the Redis key of the hash: fingerprint to JSON."""
    return rate_limits.key_prefix(api_url) + KEY_SUFFIX


def load_rejected_tokens(redis: Redis, api_url: str) -> list[RejectedToken]:
    """Return the configured tokens that are not used now, latest rejection first. Raises RedisError."""
    found = rate_limits.load_token_entries(redis, api_url, rejected_tokens_key(api_url), RejectedToken.from_json)
    return sorted(found, key=lambda token: token.at or EARLIEST, reverse=True)
