"""A name that fails often, from wherever, is answered a little later each time, and never locked.

Who guesses one name from many addresses gets few tries an hour; its owner waits two seconds at most.
"""

from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING

from core.errors import TooMany
from core.ratelimit import limiter
from core.settings import settings

if TYPE_CHECKING:
    from limits import RateLimitItem

FREE = 5
STEP_SECONDS = 0.1
LONGEST_SECONDS = 2.0
COUNTED = "40/15 minutes"


def note_failure(name: str) -> None:
    """Count a failure for *name* from anywhere; unknown names count like known."""
    if settings().limit_sign_in:
        with suppress(TooMany):  # as full as it gets
            limiter.limiter().take("sign_in", _item(), _key(name), 1)


def seconds(name: str) -> float:
    """How long who tries *name* now has to wait."""
    if not settings().limit_sign_in:
        return 0.0
    state = limiter.limiter().look("sign_in", _item(), _key(name))
    return delay(state.amount - state.remaining)


def delay(failures: int) -> float:
    """A few failures are free: people mistype."""
    return min(LONGEST_SECONDS, max(0, failures - FREE) * STEP_SECONDS)


@lru_cache(maxsize=1)
def _item() -> "RateLimitItem":
    return limiter.parsed(COUNTED)


def _key(name: str) -> str:
    return limiter.key("sign_in_name", name)
