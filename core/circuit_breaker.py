"""Circuit breaker: while a server is unavailable, only one request per interval tries it and the others fail fast.

Not pybreaker: that calls the function itself and raises when open; callers here fall back to another store instead.
"""

import math
import threading
import time
from collections.abc import Callable

RETRY_INTERVAL_SECONDS = 5.0
WARN_INTERVAL_SECONDS = 60.0


class CircuitBreaker:
    """Call `allow_request` before each attempt and report its outcome. Thread-safe."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._is_open = False
        self._retry_at = -math.inf
        self._warned_at = -math.inf

    def allow_request(self) -> bool:
        if not self._is_open:
            return True
        with self._lock:
            now = self._monotonic()
            if now < self._retry_at:
                return False
            self._retry_at = now + RETRY_INTERVAL_SECONDS
            return True

    def record_failure(self) -> bool:
        """Open the circuit; return True if the caller should log a warning: at most once per minute."""
        with self._lock:
            now = self._monotonic()
            self._is_open, self._retry_at = True, now + RETRY_INTERVAL_SECONDS
            should_warn = now - self._warned_at >= WARN_INTERVAL_SECONDS
            if should_warn:
                self._warned_at = now
            return should_warn

    def record_success(self) -> bool:
        """Close the circuit; return True if it was open."""
        was_open, self._is_open = self._is_open, False
        return was_open
