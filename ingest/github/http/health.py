"""Whether GitHub answers at all: after many failures in a row nobody tries in vain for a while."""

import time
from threading import Lock

from ingest.github.http.errors import GitHubError

FAILURE_THRESHOLD = 25
OPEN_SECONDS = 10.0


class CircuitBreaker:
    """Counts failures in a row, whoever met them."""

    def __init__(self) -> None:
        self._failures = 0
        self._last_error: GitHubError | None = None
        self._last_failed_at = 0.0
        self._lock = Lock()

    @property
    def is_open(self) -> bool:
        with self._lock:
            return self._failures >= FAILURE_THRESHOLD and time.monotonic() - self._last_failed_at < OPEN_SECONDS

    def check(self) -> None:
        """Raise what failed last, while GitHub is taken to be down."""
        if self.is_open and self._last_error is not None:
            raise self._last_error

    def failed(self, error: GitHubError) -> None:
        with self._lock:
            self._failures += 1
            self._last_error = error
            self._last_failed_at = time.monotonic()

    def record_success(self) -> None:
        with self._lock:
            self._failures = 0
