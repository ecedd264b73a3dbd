"""One after the other: of guesses that come at once each is counted before the next is looked at."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class KeyedLock:
    """Lets one at a time through for each key, and as many keys at once as there are."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, tuple[threading.Lock, int]] = {}

    @contextmanager
    def hold(self, key: str) -> Iterator[None]:
        with self._lock:
            own, waiting = self._held.get(key, (threading.Lock(), 0))
            self._held[key] = own, waiting + 1
        try:
            with own:
                yield
        finally:
            self._release(key)

    def _release(self, key: str) -> None:
        """Keep nothing of a key that nobody waits for."""
        with self._lock:
            own, waiting = self._held[key]
            if waiting > 1:
                self._held[key] = own, waiting - 1
            else:
                del self._held[key]

    def __len__(self) -> int:
        return len(self._held)


sign_in_locks = KeyedLock()
"""Of this process: of several each may let one more through."""
