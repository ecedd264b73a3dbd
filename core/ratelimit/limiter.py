"""Rate limits per person and per IP address: counted in Redis for all processes, in this process while it is down.

The window slides: what was counted in the previous window decays linearly, as if it had been spread evenly over it.
A request is never refused because Redis is unavailable.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Literal

import structlog

from core import wording
from core.circuit_breaker import CircuitBreaker
from core.clock import now_utc
from core.errors import AlmanacError, RateLimitExceeded
from core.settings import settings

if TYPE_CHECKING:
    from types import ModuleType

    from limits import RateLimitItem

    from core.ratelimit.storage import WindowState, WindowStorage

LimitKind = Literal["pages", "api", "track", "export", "report", "sign_in"]
PERSONAL_LIMITS: tuple[LimitKind, ...] = ("pages", "api", "track", "export", "report")
"""Of these a person sees what is left."""
UNLIMITED = 2**31 - 1
ADDRESS_LIMIT_FACTOR = 6
"""Several people share an IP address: it may fail to sign in that many times as often as one name from it."""
# One IPv6 customer has at least a /64 and may send each request from another address of it.
IPV6_PREFIX = 64

USAGE_SENTENCES: dict[str, tuple[str, str, str]] = {
    "pages": ("You have loaded {}", "page", "pages"),
    "api": ("You have sent {}", "request", "requests"),
    "track": ("You have requested {}", "account", "accounts"),
    "export": ("You have downloaded {}", "export", "exports"),
    "report": ("You have reported {}", "number", "numbers"),
    "sign_in": ("{}", "sign-in has failed", "sign-ins have failed"),
}

log = structlog.get_logger()


@dataclass(frozen=True)
class LimitState:
    """The state of a limit. `is_shared` is False while Redis is unavailable and this process counts alone.

    `resets_at` (UTC) is when all of it is available again, `next_free_at` when the next request is: now, if some are
    left. A limit that is switched off has amount 0 and leaves UNLIMITED.
    """

    kind: LimitKind
    amount: int
    remaining: int
    resets_at: datetime
    window_seconds: int
    is_shared: bool
    next_free_at: datetime

    @property
    def is_limited(self) -> bool:
        return self.amount > 0


class Limiter:
    """Counts in *redis_window*; for a few seconds after that failed, in *memory_window*. Both are created when used."""

    def __init__(
        self,
        redis_window: "Callable[[], WindowStorage]",
        memory_window: "Callable[[], WindowStorage]",
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis_window = redis_window
        self._make_memory_window = memory_window
        self._breaker = CircuitBreaker(monotonic)
        self._lock = threading.Lock()
        self._memory_window: WindowStorage | None = None

    def acquire(self, kind: LimitKind, item: "RateLimitItem", key: str, cost: int) -> LimitState:
        """Count *cost*. Raises RateLimitExceeded, having counted nothing, when it does not fit."""
        window, is_shared = self._call_with_fallback(lambda storage: storage.acquire(item, key, cost))
        state = self._limit_state(kind, item, window, is_shared)
        if not window.is_accepted:
            raise self.error_for_cost(state, item, window, cost)
        return state

    def peek(self, kind: LimitKind, item: "RateLimitItem", key: str) -> LimitState:
        """Return the state without counting."""
        window, is_shared = self._call_with_fallback(lambda storage: storage.peek(item, key))
        return self._limit_state(kind, item, window, is_shared)

    def error_for_cost(
        self, state: LimitState, item: "RateLimitItem", window: "WindowState", cost: int
    ) -> RateLimitExceeded:
        if cost > item.amount:
            are = wording.pluralize(item.amount, "is", "are")
            allowed = f"at most {item.amount:,} {are} allowed within {_window_label(item)}"
            message = f"{cost:,} at once are too many: {allowed}"
            return RateLimitExceeded(message, amount=item.amount, resets_at=state.resets_at)
        seconds = window.wait_seconds(item, cost)
        return rate_limit_error(state.kind, item, now_utc() + timedelta(seconds=seconds), seconds)

    def _limit_state(
        self, kind: LimitKind, item: "RateLimitItem", window: "WindowState", is_shared: bool
    ) -> LimitState:
        now = now_utc()
        return LimitState(
            kind,
            item.amount,
            window.remaining(item),
            now + timedelta(seconds=window.resets_in_seconds),
            item.get_expiry(),
            is_shared,
            now + timedelta(seconds=window.wait_seconds(item, 1)),
        )

    def _call_with_fallback(self, call: "Callable[[WindowStorage], WindowState]") -> "tuple[WindowState, bool]":
        """Return what *call* returns, and whether it was counted in Redis."""
        from redis.exceptions import RedisError  # noqa: PLC0415 - loaded with the first limit that is checked

        if self._breaker.allow_request():
            try:
                window = call(self._redis_window())
            except (RedisError, OSError, AlmanacError) as error:
                if self._breaker.record_failure():
                    log.warning("Redis unavailable, rate limits counted in process", error=type(error).__name__)
                _metrics().rate_limits_shared.set(0)
            else:
                if self._breaker.record_success():
                    log.info("Redis available again, rate limits shared")
                    _metrics().rate_limits_shared.set(1)
                return window, True
        return call(self._get_memory_window()), False

    def _get_memory_window(self) -> "WindowStorage":
        with self._lock:
            if self._memory_window is None:
                self._memory_window = self._make_memory_window()
            return self._memory_window


def _metrics() -> "ModuleType":
    from core import prometheus  # noqa: PLC0415 - needed for refusals and outages only

    return prometheus


@lru_cache(maxsize=1)
def limiter() -> Limiter:
    """Return this process's limiter."""
    from core import redis_client  # noqa: PLC0415 - loaded with the first limit that is checked
    from core.ratelimit import storage  # noqa: PLC0415 - likewise

    return Limiter(lambda: storage.redis_window(redis_client.redis()), storage.memory_window)


def check(kind: LimitKind, who: str, cost: int = 1) -> LimitState:
    """Count *cost* for *who* and return what is left. Raises RateLimitExceeded when it does not fit."""
    item = configured_limit(kind)
    if item is None:
        return unlimited_state(kind)
    try:
        return limiter().acquire(kind, item, limit_key(kind, who), cost)
    except RateLimitExceeded:
        report_refusal(kind, who)
        raise


def require_remaining(kind: LimitKind, who: str) -> None:
    """Raise RateLimitExceeded when nothing is left for *who*; count nothing."""
    if item := configured_limit(kind):
        _require_remaining(kind, item, limit_key(kind, who), who)


def _require_remaining(kind: LimitKind, item: "RateLimitItem", key: str, who: str) -> None:
    state = limiter().peek(kind, item, key)
    if state.remaining < 1:
        report_refusal(kind, who)
        seconds = (state.next_free_at - now_utc()).total_seconds()
        raise rate_limit_error(kind, item, state.next_free_at, seconds)


def report_refusal(kind: LimitKind, who: str) -> None:
    """Log and count that *who* (a person's id or `address …`) was refused by a limit."""
    log.info("rate limit exceeded", limit=kind, who=who)
    _metrics().rate_limit_refusals.labels(kind).inc()


def anonymous_client(address: str | None) -> str:
    """Return the name under which requests without a valid session or key count: IP address or IPv6 network."""
    return f"address {client_network(address)}"


def peek(kind: LimitKind, who: str) -> LimitState:
    """Return what is left for *who* without counting."""
    item = configured_limit(kind)
    return limiter().peek(kind, item, limit_key(kind, who)) if item else unlimited_state(kind)


def record_failed_sign_in(name: str, address: str | None) -> None:
    """Count a failure for this name from this IP address, and one for the address whatever the name."""
    item = configured_limit("sign_in")
    if item is None:
        return
    for key, limit in _sign_in_limits(name, address, item):
        try:
            limiter().acquire("sign_in", limit, key, 1)
        except RateLimitExceeded:
            continue  # already at the limit


def check_sign_in(name: str, address: str | None) -> None:
    """Raise RateLimitExceeded after too many failures of this name or IP address; count nothing.

    Unknown names count like known ones, so that the error does not reveal which exist.
    """
    item = configured_limit("sign_in")
    if item is None:
        return
    for key, limit in _sign_in_limits(name, address, item):
        _require_remaining("sign_in", limit, key, anonymous_client(address))


def _sign_in_limits(name: str, address: str | None, item: "RateLimitItem") -> "tuple[tuple[str, RateLimitItem], ...]":
    return (
        (limit_key("sign_in", name_and_network(name, address)), item),
        (address_key(address), address_limit(item)),
    )


@lru_cache(maxsize=32)
def parse_limit(text: str) -> "RateLimitItem":
    import limits  # noqa: PLC0415 - loaded with the first limit that is checked

    return limits.parse(text)


def configured_limit(kind: LimitKind) -> "RateLimitItem | None":
    """Return the limit from the settings, None where it is empty."""
    text: str = getattr(settings(), f"limit_{kind}")
    return parse_limit(text) if text else None


@lru_cache(maxsize=32)
def address_limit(item: "RateLimitItem") -> "RateLimitItem":
    return type(item)(item.amount * ADDRESS_LIMIT_FACTOR, item.multiples, item.namespace)


def limit_key(kind: str, who: str) -> str:
    """Return a key for Redis: hashed, so that any name is allowed and none can be read there."""
    return f"{kind}/{sha256(who.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def name_and_network(name: str, address: str | None) -> str:
    return f"{name} {client_network(address)}"


def address_key(address: str | None) -> str:
    return limit_key("sign_in_address", client_network(address))


def client_network(address: str | None) -> str:
    """Return an IPv4 address as it is, of an IPv6 address the /64 network; other text unchanged."""
    try:
        parsed = ip_address((address or "").partition("%")[0])
    except ValueError:
        return address or ""
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or ip_network((parsed, IPV6_PREFIX), strict=False))
    return str(parsed)


def unlimited_state(kind: LimitKind) -> LimitState:
    now = now_utc()
    return LimitState(kind, 0, UNLIMITED, now, 0, is_shared=True, next_free_at=now)


def rate_limit_error(kind: LimitKind, item: "RateLimitItem", resets_at: datetime, seconds: float) -> RateLimitExceeded:
    sentence, singular, plural = USAGE_SENTENCES[kind]
    usage = sentence.format(wording.quantity(item.amount, singular, plural))
    wait = wording.duration(timedelta(seconds=seconds), round_up=True)
    message = f"{usage} within {_window_label(item)}; try again in {wait}"
    return RateLimitExceeded(message, amount=item.amount, resets_at=resets_at)


def _window_label(item: "RateLimitItem") -> str:
    return wording.window(timedelta(seconds=item.get_expiry()))
