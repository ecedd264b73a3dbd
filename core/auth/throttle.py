"""Throttle sign-in attempts per username, from any address: increasing delays of at most two seconds, never a lock.

The account's owner is not locked out by someone else's guesses.
"""

from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING

from core.errors import RateLimitExceeded
from core.ratelimit import limiter
from core.settings import settings

if TYPE_CHECKING:
    from limits import RateLimitItem

FREE_FAILURES = 5
STEP_SECONDS = 0.1
MAX_DELAY_SECONDS = 2.0
FAILURE_LIMIT = "40/15 minutes"


def record_failure(name: str) -> None:
    """Count a failed sign-in for *name*, existing or not."""
    if settings().limit_sign_in:
        with suppress(RateLimitExceeded):  # the window is full
            limiter.limiter().acquire("sign_in", _failure_limit(), _key(name), 1)


def current_delay_seconds(name: str) -> float:
    """Return the delay of an attempt for *name* now."""
    if not settings().limit_sign_in:
        return 0.0
    state = limiter.limiter().peek("sign_in", _failure_limit(), _key(name))
    return delay_seconds(state.amount - state.remaining)


def delay_seconds(failures: int) -> float:
    """Return the delay after so many failures; the first FREE_FAILURES cost nothing."""
    return min(MAX_DELAY_SECONDS, max(0, failures - FREE_FAILURES) * STEP_SECONDS)


@lru_cache(maxsize=1)
def _failure_limit() -> "RateLimitItem":
    return limiter.parse_limit(FAILURE_LIMIT)


def _key(name: str) -> str:
    return limiter.limit_key("sign_in_name", name)
