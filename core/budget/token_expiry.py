"""When tokens expire: a hash in Redis, written by the ingestor and read by all processes.

GitHub states it in every response to a token that expires. Tokens that are no longer configured do not count.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from redis import Redis

from core.budget import rate_limits
from core.wording import duration

KEY_SUFFIX = ":expiries"
TTL_SECONDS = 400 * 86400
"""Longer than a fine-grained token may live."""
WARNING_PERIOD = timedelta(days=14)


@dataclass(frozen=True)
class TokenExpiry:
    """When a token expires; `name` names it without its secret."""

    fingerprint: str
    name: str
    expires_at: datetime

    def to_json(self) -> str:
        return json.dumps({"name": self.name, "expires_at": self.expires_at.isoformat()})

    @classmethod
    def from_json(cls, fingerprint: str, text: str | bytes) -> Self:
        """Parse what `to_json` wrote. Raises ValueError, KeyError or TypeError for anything else."""
        body = json.loads(text)
        expires_at = datetime.fromisoformat(body["expires_at"])
        if expires_at.tzinfo is None:
            raise ValueError("a time without a zone")
        return cls(fingerprint, str(body["name"]), expires_at)

    def has_expired(self, now: datetime) -> bool:
        return self.expires_at <= now

    def expires_within(self, period: timedelta, now: datetime) -> bool:
        """Return whether it expires in at most *period*, or has expired."""
        return self.expires_at <= now + period

    def sentence(self, now: datetime) -> str:
        """Say when it expires or expired, without a full stop: `token 1 expires on 2026-12-31 23:59 UTC, in 3 days`."""
        if self.has_expired(now):
            return f"{self.name} expired on {self.expires_at:%Y-%m-%d %H:%M} UTC"
        wait = duration(self.expires_at - now)
        return f"{self.name} expires on {self.expires_at:%Y-%m-%d %H:%M} UTC, in {wait}"


def token_expiries_key(api_url: str) -> str:
    """Return the Redis key of the hash: fingerprint to JSON."""
    return rate_limits.key_prefix(api_url) + KEY_SUFFIX


def load_token_expiries(redis: Redis, api_url: str) -> list[TokenExpiry]:
    """Return the configured tokens that expire, soonest first. Raises RedisError."""
    found = rate_limits.load_token_entries(redis, api_url, token_expiries_key(api_url), TokenExpiry.from_json)
    return sorted(found, key=lambda one: (one.expires_at, one.name))
