"""Answers worth keeping: what a 304 refers to, and refusals that hold for a day. May be lost at any moment."""

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

from core.budget.refused_tokens import KEY_SUFFIX, RefusedToken
from core.circuit_breaker import CircuitBreaker

log = structlog.get_logger()

# Raised when what is kept could not be read any more.
FORMAT_VERSION = 1
RESPONSE_TTL_SECONDS = 30 * 86400
REFUSAL_TTL_SECONDS = 86400
MAX_MEMORY_BYTES = 32 * 2**20
# What the next request and the next reader need of the headers.
CACHED_HEADERS = ("etag", "last-modified", "link", "content-type")


@dataclass(frozen=True)
class CachedResponse:
    """A body with the headers that belong to it; Link too, because a 304 has none."""

    headers: Mapping[str, str]
    body: bytes

    def conditional_headers(self) -> dict[str, str]:
        """The headers that ask "only if it changed". The ETag alone: Last-Modified says less than it promises."""
        if "etag" in self.headers:
            return {"if-none-match": self.headers["etag"]}
        if "last-modified" in self.headers:
            return {"if-modified-since": self.headers["last-modified"]}
        return {}


@dataclass(frozen=True)
class CachedRefusal:
    """A refusal that was charged once and need not be charged again today."""

    status: int
    reason: str


class ResponseCache:
    """Keeps answers by credential and address: an ETag belongs to the token it was given to."""

    def __init__(self, redis: "Redis | None", prefix: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._refused_tokens_key = prefix + KEY_SUFFIX
        self._versioned_prefix = f"{prefix}:{FORMAT_VERSION}"
        self._clock = clock
        self._memory = MemoryCache(MAX_MEMORY_BYTES)
        self._circuit_breaker = CircuitBreaker()

    def find(self, fingerprint: str, url: str) -> CachedResponse | None:
        packed = self._get(self._key("answer", fingerprint, url))
        return _unpack(packed) if packed else None

    def keep(self, fingerprint: str, url: str, headers: Mapping[str, str], body: bytes) -> None:
        """Keep an answer that can be asked for conditionally."""
        kept = {name: headers[name] for name in CACHED_HEADERS if name in headers}
        if "etag" in kept or "last-modified" in kept:
            self._set(self._key("answer", fingerprint, url), _pack(kept, body), RESPONSE_TTL_SECONDS)

    def drop(self, fingerprint: str, url: str) -> None:
        self._set(self._key("answer", fingerprint, url), b"", 1)

    def refusal(self, fingerprint: str, url: str) -> CachedRefusal | None:
        packed = self._get(self._key("refusal", fingerprint, url))
        return CachedRefusal(**json.loads(packed)) if packed else None

    def refuse(self, fingerprint: str, url: str, refusal: CachedRefusal) -> None:
        """Remember a refusal for a day."""
        self._set(self._key("refusal", fingerprint, url), json.dumps(asdict(refusal)).encode(), REFUSAL_TTL_SECONDS)

    def gap(self, github_id: int) -> int | None:
        """By how many repositories GitHub's count of an account was off today, after a second look."""
        held = self._get(self._key("gap", "", str(github_id)))
        return int(held) if held else None

    def save_count_mismatch(self, github_id: int, gap: int) -> None:
        self._set(self._key("gap", "", str(github_id)), str(gap).encode(), REFUSAL_TTL_SECONDS)

    def owner(self, fingerprint: str) -> str | None:
        """Whose token this is, if GitHub ever told."""
        name = self._get(self._key("owner", fingerprint, ""))
        return name.decode() if name else None

    def learn_owner(self, fingerprint: str, owner: str) -> None:
        self._set(self._key("owner", fingerprint, ""), owner.encode(), RESPONSE_TTL_SECONDS)

    def publish_refused_token(self, fingerprint: str, name: str, reason: str, at: datetime | None) -> None:
        """Let others see for a day which credential GitHub refused and why (see `core.budget`)."""
        key, token = self._refused_tokens_key, RefusedToken(fingerprint, name, reason, at)
        self._ask(lambda redis: (redis.hset(key, fingerprint, token.to_json()), redis.expire(key, REFUSAL_TTL_SECONDS)))

    def clear_refused_tokens(self, fingerprints: Iterable[str]) -> None:
        """A process that starts gives its credentials another chance."""
        names = list(fingerprints)
        self._ask(lambda redis: redis.hdel(self._refused_tokens_key, *names) if names else None)

    def _key(self, what: str, fingerprint: str, url: str) -> str:
        return f"{self._versioned_prefix}:{what}:{fingerprint}:{sha256(url.encode()).hexdigest()[:32]}"

    def _get(self, key: str) -> bytes | None:
        held: bytes | None = self._ask(lambda redis: redis.get(key))  # type: ignore[assignment]
        return held if held is not None else self._memory.get(key, self._clock())

    def _set(self, key: str, value: bytes, seconds: int) -> None:
        if self._ask(lambda redis: redis.set(key, value, ex=seconds)) is None:
            self._memory.set(key, value, self._clock() + seconds)

    def _ask(self, question: "Callable[[Redis], object]") -> object:
        """Ask Redis; None when there is none, or it is away."""
        if self._redis is None or not self._circuit_breaker.allow_request():
            return None
        try:
            answer = question(self._redis)
        except RedisError as error:
            if self._circuit_breaker.record_failure(error):
                log.warning("Redis unavailable, responses cached in process", error=str(error))
            return None
        self._circuit_breaker.record_success()
        return answer


class MemoryCache:
    """The most recently used values, up to a size."""

    def __init__(self, most_bytes: int) -> None:
        self._max_bytes = most_bytes
        self._size = 0
        self._held: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: str, now: float) -> bytes | None:
        with self._lock:
            value, until = self._held.get(key, (b"", 0.0))
            if not value or until <= now:
                return None
            self._held.move_to_end(key)
            return value

    def set(self, key: str, value: bytes, until: float) -> None:
        with self._lock:
            old, _ = self._held.pop(key, (b"", 0.0))
            self._held[key] = (value, until)
            self._size += len(value) - len(old)
            while self._size > self._max_bytes:
                _, (oldest, _) = self._held.popitem(last=False)
                self._size -= len(oldest)


def _pack(headers: Mapping[str, str], body: bytes) -> bytes:
    # The fastest level: lists of repositories repeat themselves so much that a better one gains little.
    return zlib.compress(json.dumps(dict(headers)).encode() + b"\n" + body, 1)


def _unpack(packed: bytes) -> CachedResponse | None:
    try:
        headers, _, body = zlib.decompress(packed).partition(b"\n")
        return CachedResponse(json.loads(headers), body)
    except (zlib.error, ValueError):  # damaged, or another's: as if nothing were kept
        return None
