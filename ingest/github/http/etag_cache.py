"""Cache of responses for conditional requests (ETags), and of refusals. Entries may be lost at any time."""

import json
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from threading import Lock

import structlog
from redis import Redis
from redis.exceptions import RedisError

from core.budget import rate_limits, token_expiry
from core.budget.rejected_tokens import KEY_SUFFIX, RejectedToken
from core.budget.token_expiry import TTL_SECONDS, TokenExpiry
from core.circuit_breaker import CircuitBreaker

log = structlog.get_logger()

# Increase it whenever entries of older versions can no longer be read.
FORMAT_VERSION = 2
RESPONSE_TTL_SECONDS = 30 * 86400
REFUSAL_TTL_SECONDS = 86400
PUBLISH_INTERVAL_SECONDS = 3600.0
MAX_MEMORY_BYTES = 32 * 2**20
# Needed for the next conditional request, and to read the cached body.
CACHED_HEADERS = ("etag", "last-modified", "link", "content-type")


@dataclass(frozen=True)
class CachedResponse:
    """A body with its headers; Link, too, because a 304 has none."""

    headers: Mapping[str, str]
    body: bytes

    def conditional_headers(self) -> dict[str, str]:
        """Return the header of a conditional request: the ETag where there is one, because Last-Modified is coarser.

        Source: https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api
        """
        if "etag" in self.headers:
            return {"if-none-match": self.headers["etag"]}
        if "last-modified" in self.headers:
            return {"if-modified-since": self.headers["last-modified"]}
        return {}


@dataclass(frozen=True)
class CachedRefusal:
    """A refusal that counted against the rate limit and is not requested again for a day."""

    status: int
    reason: str


class ResponseCache:
    """Responses by credential and URL: an ETag is valid only for the token it was issued to.

    In Redis; while that is unavailable, in this process.
    """

    def __init__(self, redis: "Redis | None", prefix: str) -> None:
        self._redis = redis
        self._rejected_tokens_key = prefix + KEY_SUFFIX
        self._token_expiries_key = prefix + token_expiry.KEY_SUFFIX
        self._published_expiries: dict[str, tuple[datetime, float]] = {}
        self._credentials_key = prefix + rate_limits.CREDENTIALS_KEY_SUFFIX
        self._versioned_prefix = f"{prefix}:{FORMAT_VERSION}"
        self._memory = MemoryCache(MAX_MEMORY_BYTES)
        self._circuit_breaker = CircuitBreaker()

    def find(self, fingerprint: str, url: str) -> CachedResponse | None:
        packed = self._get(self._key("response", fingerprint, url))
        return _unpack(packed) if packed else None

    def store(self, fingerprint: str, url: str, headers: Mapping[str, str], body: bytes) -> None:
        """Store a response if it can be requested conditionally."""
        stored = {name: headers[name] for name in CACHED_HEADERS if name in headers}
        if "etag" in stored or "last-modified" in stored:
            self._set(self._key("response", fingerprint, url), _pack(stored, body), RESPONSE_TTL_SECONDS)

    def refusal(self, fingerprint: str, url: str) -> CachedRefusal | None:
        packed = self._get(self._key("refusal", fingerprint, url))
        return CachedRefusal(**json.loads(packed)) if packed else None

    def store_refusal(self, fingerprint: str, url: str, refusal: CachedRefusal) -> None:
        """Store a refusal for a day."""
        self._set(self._key("refusal", fingerprint, url), json.dumps(asdict(refusal)).encode(), REFUSAL_TTL_SECONDS)

    def denial(self, fingerprint: str, login: str, scope: str = "") -> str | None:
        """Return GitHub's reason why a credential was denied access to an account in the last day; None: it was not.

        *scope* is empty for all of the account's public data, or names the part that was denied.
        """
        reason = self._get(self._key("denial", fingerprint, f"{login.lower()} {scope}"))
        return reason.decode() if reason else None

    def store_denial(self, fingerprint: str, login: str, reason: str, scope: str = "") -> None:
        """Store for a day that a credential was denied access to an account."""
        key = self._key("denial", fingerprint, f"{login.lower()} {scope}")
        self._set(key, (reason or "no reason was given").encode(), REFUSAL_TTL_SECONDS)

    def grant(self, login: str, scope: str) -> str | None:
        """Return the fingerprint of the credential that was last granted *scope* of an account."""
        fingerprint = self._get(self._key("grant", "", f"{login.lower()} {scope}"))
        return fingerprint.decode() if fingerprint else None

    def store_grant(self, fingerprint: str, login: str, scope: str) -> None:
        self._set(self._key("grant", "", f"{login.lower()} {scope}"), fingerprint.encode(), RESPONSE_TTL_SECONDS)

    def count_mismatch(self, github_id: int) -> int | None:
        """Return by how many repositories GitHub's count exceeded its list in the last day, after a second pass."""
        stored = self._get(self._key("count_mismatch", "", str(github_id)))
        return int(stored) if stored else None

    def save_count_mismatch(self, github_id: int, mismatch: int) -> None:
        self._set(self._key("count_mismatch", "", str(github_id)), str(mismatch).encode(), REFUSAL_TTL_SECONDS)

    def owner(self, fingerprint: str) -> str | None:
        """Return the login of a token's owner, None until GitHub has reported it."""
        name = self._get(self.owner_key(fingerprint))
        return name.decode() if name else None

    def owner_key(self, fingerprint: str) -> str:
        """Return the key by which Redis has the login of a token's owner."""
        return self._key("owner", fingerprint, "")

    def learn_owner(self, fingerprint: str, owner: str) -> None:
        """Store the login of a token's owner, and publish it in place of the fingerprint."""
        self._set(self.owner_key(fingerprint), owner.encode(), RESPONSE_TTL_SECONDS)
        self._call_redis(lambda redis: rate_limits.publish_owner(redis, self._credentials_key, fingerprint, owner))

    def publish_rejected_token(self, fingerprint: str, name: str, reason: str, at: datetime | None) -> None:
        """Publish a rejected credential for a day (see `core.budget.rejected_tokens`)."""
        key, token = self._rejected_tokens_key, RejectedToken(fingerprint, name, reason, at)
        self._call_redis(
            lambda redis: (redis.hset(key, fingerprint, token.to_json()), redis.expire(key, REFUSAL_TTL_SECONDS))
        )

    def publish_token_expiry(self, fingerprint: str, name: str, expires_at: datetime) -> None:
        """Publish when a token expires (see `core.budget.token_expiry`): when it is new, and then once an hour."""
        known_at, published_at = self._published_expiries.get(fingerprint, (None, 0.0))
        if known_at == expires_at and time.monotonic() - published_at < PUBLISH_INTERVAL_SECONDS:
            return
        key, expiry = self._token_expiries_key, TokenExpiry(fingerprint, name, expires_at)
        if self._call_redis(
            lambda redis: (redis.hset(key, fingerprint, expiry.to_json()), redis.expire(key, TTL_SECONDS))
        ):
            self._published_expiries[fingerprint] = (expires_at, time.monotonic())

    def clear_rejected_tokens(self, fingerprints: Iterable[str]) -> None:
        """Forget earlier rejections when a process starts and tries its credentials again."""
        names = list(fingerprints)
        self._call_redis(lambda redis: redis.hdel(self._rejected_tokens_key, *names) if names else None)

    def _key(self, what: str, fingerprint: str, url: str) -> str:
        return f"{self._versioned_prefix}:{what}:{fingerprint}:{sha256(url.encode()).hexdigest()[:32]}"

    def _get(self, key: str) -> bytes | None:
        stored: bytes | None = self._call_redis(lambda redis: redis.get(key))  # type: ignore[assignment]
        return stored if stored is not None else self._memory.get(key, time.monotonic())

    def _set(self, key: str, value: bytes, seconds: int) -> None:
        if self._call_redis(lambda redis: redis.set(key, value, ex=seconds)) is None:
            self._memory.set(key, value, time.monotonic() + seconds)

    def _call_redis(self, command: "Callable[[Redis], object]") -> object:
        """Run a command in Redis; None without Redis, or while it is unavailable."""
        if self._redis is None or not self._circuit_breaker.allow_request():
            return None
        try:
            reply = command(self._redis)
        except RedisError as error:
            if self._circuit_breaker.record_failure(error):
                log.warning("Redis unavailable, responses cached in process", error=str(error))
            return None
        self._circuit_breaker.record_success()
        return reply


class MemoryCache:
    """LRU cache with expiry, bounded by the total size of its values."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._size = 0
        self._entries: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: str, now: float) -> bytes | None:
        with self._lock:
            value, expires_at = self._entries.get(key, (b"", 0.0))
            if not value or expires_at <= now:
                return None
            self._entries.move_to_end(key)
            return value

    def set(self, key: str, value: bytes, expires_at: float) -> None:
        with self._lock:
            old, _ = self._entries.pop(key, (b"", 0.0))
            self._entries[key] = (value, expires_at)
            self._size += len(value) - len(old)
            while self._size > self._max_bytes:
                _, (oldest, _) = self._entries.popitem(last=False)
                self._size -= len(oldest)


def _pack(headers: Mapping[str, str], body: bytes) -> bytes:
    # The fastest level: lists of repositories are so repetitive that a higher one gains little.
    return zlib.compress(json.dumps(dict(headers)).encode() + b"\n" + body, 1)


def _unpack(packed: bytes) -> CachedResponse | None:
    try:
        headers, _, body = zlib.decompress(packed).partition(b"\n")
        return CachedResponse(json.loads(headers), body)
    except (zlib.error, ValueError):  # damaged: as if it were not cached
        return None
