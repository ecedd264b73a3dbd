"""A server that is away is tried by one request in a few seconds; the others do not wait with it."""

import math
import threading
import time
from collections.abc import Callable

RETRY_INTERVAL_SECONDS = 5.0
WARN_INTERVAL_SECONDS = 60.0


class CircuitBreaker:
    """Ask `may_try` before each attempt, and tell what came of it. Safe to use from many threads."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._is_open = False
        self._away_until = -math.inf
        self._warned_at = -math.inf

    def allow_request(self) -> bool:
        if not self._is_open:
            return True
        with self._lock:
            now = self._monotonic()
            if now < self._away_until:
                return False
            self._away_until = now + RETRY_INTERVAL_SECONDS
            return True

    def failed(self) -> bool:
        """Note that it did not answer; True when somebody should be warned: once in a minute."""
        with self._lock:
            now = self._monotonic()
            self._is_open, self._away_until = True, now + RETRY_INTERVAL_SECONDS
            tell = now - self._warned_at >= WARN_INTERVAL_SECONDS
            if tell:
                self._warned_at = now
            return tell

    def record_success(self) -> bool:
        """Note that it answered; True when it had been away."""
        was_away, self._is_open = self._is_open, False
        return was_away
