"""Circuit breaker: stop sending requests to a server that does not respond.

Not pybreaker: that calls the function itself and raises when open; most callers here fall back to another store.
"""

import math
import threading
import time
from collections.abc import Callable

RETRY_INTERVAL_SECONDS = 5.0
WARN_INTERVAL_SECONDS = 60.0


class CircuitBreaker:
    """Open after *failure_threshold* failures in a row, closed by the first success. Thread-safe.

    An open breaker refuses requests until *retry_interval_seconds* after the last failure. Callers with a fallback
    ask `allow_request`, which then lets one probe through per interval; callers without one read `is_open`, which
    lets every request through again.
    """

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        failure_threshold: int = 1,
        retry_interval_seconds: float = RETRY_INTERVAL_SECONDS,
    ) -> None:
        self._monotonic = monotonic
        self._failure_threshold = failure_threshold
        self._retry_interval_seconds = retry_interval_seconds
        self._lock = threading.Lock()
        self._failures = 0
        self._retry_at = -math.inf
        self._warned_at = -math.inf
        self.last_error: Exception | None = None

    @property
    def is_open(self) -> bool:
        with self._lock:
            return self._is_tripped and self._monotonic() < self._retry_at

    def allow_request(self) -> bool:
        """Return True if a request may be sent; while tripped, for one caller per retry interval."""
        if not self._is_tripped:
            return True
        with self._lock:
            now = self._monotonic()
            if now < self._retry_at:
                return False
            self._retry_at = now + self._retry_interval_seconds
            return True

    def record_failure(self, error: Exception | None = None) -> bool:
        """Count a failure; True when the caller should log a warning, at most once a minute."""
        with self._lock:
            now = self._monotonic()
            self._failures += 1
            self._retry_at = now + self._retry_interval_seconds
            self.last_error = error
            should_warn = self._is_tripped and now - self._warned_at >= WARN_INTERVAL_SECONDS
            if should_warn:
                self._warned_at = now
            return should_warn

    def record_success(self) -> bool:
        """Close the breaker; True when it had been tripped."""
        with self._lock:
            was_tripped = self._is_tripped
            self._failures = 0
            return was_tripped

    @property
    def _is_tripped(self) -> bool:
        return self._failures >= self._failure_threshold
