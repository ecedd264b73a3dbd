"""Serialise concurrent sign-in attempts per key, so that parallel guesses cannot slip past the failure counter."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class KeyedLock:
    """One lock per key; locks exist only while they are held or waited for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: dict[str, tuple[threading.Lock, int]] = {}

    @contextmanager
    def hold(self, key: str) -> Iterator[None]:
        with self._lock:
            own, waiting = self._locks.get(key, (threading.Lock(), 0))
            self._locks[key] = own, waiting + 1
        try:
            with own:
                yield
        finally:
            self._release(key)

    def _release(self, key: str) -> None:
        """Remove the lock of a key that no thread waits for."""
        with self._lock:
            own, waiting = self._locks[key]
            if waiting > 1:
                self._locks[key] = own, waiting - 1
            else:
                del self._locks[key]

    def __len__(self) -> int:
        return len(self._locks)


sign_in_locks = KeyedLock()
"""Of this process: with several processes, each may admit one attempt more."""
