"""How much one person may ask for in how long: counted in Redis for all processes, here while Redis is away.

The window slides: what was counted in the window before weighs less and less, as if it had been spread evenly
over it. Nobody is ever refused because Redis is away.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Literal

import structlog

from core.circuit_breaker import CircuitBreaker
from core.errors import AlmanacError, RateLimitExceeded
from core.settings import settings

if TYPE_CHECKING:
    from types import ModuleType

    from limits import RateLimitItem

    from core.ratelimit.storage import WindowState, WindowStorage

LimitKind = Literal["pages", "api", "track", "export", "sign_in"]
LIMIT_KINDS: tuple[LimitKind, ...] = ("pages", "api", "track", "export", "sign_in")
UNLIMITED = 2**31 - 1
ADDRESS_LIMIT_FACTOR = 6
"""Several people share an address: it may fail that many times as often as one name from it."""
SECONDS_PER_MINUTE = 60
# An IPv6 address costs its owner nothing: who has one has at least these 64 bits of them.
IPV6_PREFIX = 64

USAGE_SENTENCES: dict[str, tuple[str, str]] = {
    "pages": ("You have loaded {n} page", "You have loaded {n} pages"),
    "api": ("You have sent {n} request", "You have sent {n} requests"),
    "track": ("You have asked for {n} account", "You have asked for {n} accounts"),
    "export": ("You have taken {n} export", "You have taken {n} exports"),
    "sign_in": ("{n} sign-in has failed", "{n} sign-ins have failed"),
}

log = structlog.get_logger()


@dataclass(frozen=True)
class LimitState:
    """What is left of a limit. `shared` is False while Redis is away and this process counts alone.

    `resets_at` (UTC) is when all of it is free again, `free_at` when the next one is: now, if some are left.
    A limit that is switched off has amount 0 and leaves UNLIMITED.
    """

    kind: LimitKind
    amount: int
    remaining: int
    resets_at: datetime
    window_seconds: int
    is_shared: bool
    next_free_at: datetime

    @property
    def limited(self) -> bool:
        return self.amount > 0


class Limiter:
    """Counts with *shared*, and with a memory of its own for a while after that failed."""

    def __init__(
        self,
        shared: "Callable[[], WindowStorage]",
        own: "Callable[[], WindowStorage]",
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shared = shared
        self._make_memory_window = own
        self._clock = clock
        self._breaker = CircuitBreaker(monotonic)
        self._lock = threading.Lock()
        self._memory_window: WindowStorage | None = None

    def take(self, kind: LimitKind, item: "RateLimitItem", key: str, cost: int) -> LimitState:
        """Count *cost*. Raises RateLimitExceeded, having counted nothing, when it does not fit."""
        seen, shared = self._ask(lambda counts: counts.take(item, key, cost))
        state = self._state(kind, item, seen, shared)
        if not seen.taken:
            raise self.refusal(state, item, seen, cost)
        return state

    def look(self, kind: LimitKind, item: "RateLimitItem", key: str) -> LimitState:
        seen, shared = self._ask(lambda counts: counts.look(item, key))
        return self._state(kind, item, seen, shared)

    def refusal(self, state: LimitState, item: "RateLimitItem", seen: "WindowState", cost: int) -> RateLimitExceeded:
        if cost > item.amount:
            sentence = f"That is {cost:,} at once, and at most {item.amount:,} are allowed within {window_label(item)}"
            return RateLimitExceeded(sentence, amount=item.amount, resets_at=state.resets_at)
        seconds = seen.wait(item, cost)
        return rate_limit_error(state.kind, item, self._clock() + timedelta(seconds=seconds), seconds)

    def _state(self, kind: LimitKind, item: "RateLimitItem", seen: "WindowState", shared: bool) -> LimitState:
        now = self._clock()
        return LimitState(
            kind,
            item.amount,
            seen.remaining(item),
            now + timedelta(seconds=seen.resets_in_seconds),
            item.get_expiry(),
            shared,
            now + timedelta(seconds=seen.wait(item, 1)),
        )

    def _ask(self, question: "Callable[[WindowStorage], WindowState]") -> "tuple[WindowState, bool]":
        from redis.exceptions import RedisError  # noqa: PLC0415 - with its client, once there is something to count

        if self._breaker.allow_request():
            try:
                seen = question(self._shared())
            except (RedisError, OSError, AlmanacError) as error:
                if self._breaker.record_failure():
                    log.warning("redis is away, limits are this process's own", error=type(error).__name__)
                _metrics().rate_limits_shared.set(0)
            else:
                if self._breaker.record_success():
                    log.info("redis is back, limits are shared again")
                    _metrics().rate_limits_shared.set(1)
                return seen, True
        return question(self._get_memory_window()), False

    def _get_memory_window(self) -> "WindowStorage":
        with self._lock:
            if self._memory_window is None:
                self._memory_window = self._make_memory_window()
            return self._memory_window


def _metrics() -> "ModuleType":
    from core import prometheus  # noqa: PLC0415 - only who refuses or warns needs them

    return prometheus


@lru_cache(maxsize=1)
def limiter() -> Limiter:
    """This process's limiter."""
    from core import redis_client  # noqa: PLC0415 - nothing to load before something is to be counted
    from core.ratelimit import storage  # noqa: PLC0415 - nothing to load before something is to be counted

    return Limiter(lambda: storage.redis_window(redis_client.redis()), storage.memory_window)


def check(kind: LimitKind, who: str, cost: int = 1) -> LimitState:
    """Count *cost* against what *who* may do, and tell what is left. Raises RateLimitExceeded when it is too much."""
    item = configured_limit(kind)
    if item is None:
        return unlimited_state(kind)
    try:
        return limiter().take(kind, item, limit_key(kind, who), cost)
    except RateLimitExceeded:
        _metrics().rate_limit_refusals.labels(kind).inc()
        raise


def peek(kind: LimitKind, who: str) -> LimitState:
    """Tell what is left for *who*, counting nothing."""
    item = configured_limit(kind)
    return limiter().look(kind, item, limit_key(kind, who)) if item else unlimited_state(kind)


def record_failed_sign_in(name: str, address: str | None) -> None:
    """Count a failure for this name from this address, and for the address whatever the name."""
    item = configured_limit("sign_in")
    if item is None:
        return
    for at, counted in (
        (limit_key("sign_in", name_and_network(name, address)), item),
        (address_key(address), address_limit(item)),
    ):
        try:
            limiter().take("sign_in", counted, at, 1)
        except RateLimitExceeded:
            continue  # as full as it gets


def check_sign_in(name: str, address: str | None) -> None:
    """Whether another sign-in may be tried. Raises RateLimitExceeded after too many failures; unknown names count like known."""
    item = configured_limit("sign_in")
    if item is None:
        return
    for at, counted in (
        (limit_key("sign_in", name_and_network(name, address)), item),
        (address_key(address), address_limit(item)),
    ):
        state = limiter().look("sign_in", counted, at)
        if state.remaining < 1:
            seconds = (state.next_free_at - datetime.now(UTC)).total_seconds()
            _metrics().rate_limit_refusals.labels("sign_in").inc()
            raise rate_limit_error("sign_in", counted, state.next_free_at, seconds)


@lru_cache(maxsize=32)
def parse_limit(text: str) -> "RateLimitItem":
    import limits  # noqa: PLC0415 - as above

    return limits.parse(text)


def configured_limit(kind: LimitKind) -> "RateLimitItem | None":
    """The limit that the settings give for *kind*; None where there is none."""
    text: str = getattr(settings(), f"limit_{kind}")
    return parse_limit(text) if text else None


@lru_cache(maxsize=32)
def address_limit(item: "RateLimitItem") -> "RateLimitItem":
    return type(item)(item.amount * ADDRESS_LIMIT_FACTOR, item.multiples, item.namespace)


def limit_key(kind: str, who: str) -> str:
    """A name's place in Redis: hashed, so that any name will do and none can be read there."""
    return f"{kind}/{sha256(who.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def name_and_network(name: str, address: str | None) -> str:
    return f"{name.strip().casefold()} {client_network(address)}"


def address_key(address: str | None) -> str:
    return limit_key("sign_in_address", client_network(address))


def client_network(address: str | None) -> str:
    """The address; of IPv6 the part that is one customer's."""
    try:
        read = ip_address((address or "").partition("%")[0])
    except ValueError:
        return address or ""
    if isinstance(read, IPv6Address):
        return str(read.ipv4_mapped or ip_network((read, IPV6_PREFIX), strict=False))
    return str(read)


def unlimited_state(kind: LimitKind) -> LimitState:
    now = datetime.now(UTC)
    return LimitState(kind, 0, UNLIMITED, now, 0, is_shared=True, next_free_at=now)


def rate_limit_error(kind: LimitKind, item: "RateLimitItem", resets_at: datetime, seconds: float) -> RateLimitExceeded:
    done = USAGE_SENTENCES[kind][item.amount != 1].format(n=f"{item.amount:,}")
    sentence = f"{done} within {window_label(item)}; go on in {wait_label(seconds)}"
    return RateLimitExceeded(sentence, amount=item.amount, resets_at=resets_at)


def window_label(item: "RateLimitItem") -> str:
    """`a minute`, `15 minutes`."""
    name = item.GRANULARITY.name
    article = "an" if name == "hour" else "a"
    return f"{article} {name}" if item.multiples == 1 else f"{item.multiples} {name}s"


def wait_label(seconds: float) -> str:
    """`12 s`, `4 minutes`, `2 hours`: rounded up, so that who waits that long has waited long enough."""
    whole = max(1, math.ceil(seconds))
    if whole < 2 * SECONDS_PER_MINUTE:
        return f"{whole} s"
    minutes = math.ceil(whole / SECONDS_PER_MINUTE)
    return (
        f"{minutes} minutes" if minutes < 3 * SECONDS_PER_MINUTE else f"{math.ceil(minutes / SECONDS_PER_MINUTE)} hours"
    )
