"""Where limits are counted: two storages of the `limits` library, asked for the count and its state at once."""

import math
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from limits import RateLimitItem
from limits.storage import MemoryStorage, RedisStorage
from redis import Redis
from redis.exceptions import NoScriptError

from core.redis_client import with_short_timeouts

KEY_PREFIX = "almanac:limits"
# Who counts a page must not wait for a Redis that hangs.
TIMEOUT_SECONDS = 0.3
EPSILON_SECONDS = 0.001


@dataclass(frozen=True)
class WindowState:
    """A sliding window: how many were counted in the one before and in this one, and for how long they weigh."""

    previous: int
    previous_expires_in: float
    current: int
    current_expires_in: float
    taken: bool = True

    @property
    def resets_in_seconds(self) -> float:
        """Seconds until nothing that was counted weighs any more."""
        if self.current:
            return self.current_expires_in
        return self.previous_expires_in if self.previous else 0.0

    def remaining(self, item: RateLimitItem) -> int:
        weight = math.floor(self.previous * self.previous_expires_in / item.get_expiry()) + self.current
        return max(0, item.amount - weight)

    def wait(self, item: RateLimitItem, cost: int) -> float:
        """Seconds until *cost* more fit, if nothing else is counted meanwhile; 0 when they fit now."""
        if cost <= self.remaining(item):
            return 0.0
        if cost > item.amount:
            return self.resets_in_seconds
        window = item.get_expiry()
        fits = item.amount - cost + 1
        if self.current < fits and self.previous:
            # The window before fades; what it may still weigh is what this one leaves.
            return self.previous_expires_in - window * (fits - self.current) / self.previous + EPSILON_SECONDS
        # This window has to become the one before first, and then to fade itself.
        turns_in = max(0.0, self.current_expires_in - window)
        fades_in = self.current_expires_in - window * fits / max(1, self.current)
        return max(turns_in, fades_in) + EPSILON_SECONDS


class WindowStorage(Protocol):
    """Something that counts in sliding windows."""

    def take(self, item: RateLimitItem, key: str, cost: int) -> WindowState:
        """Count *cost* if it fits, and tell how it looks afterwards."""

    def look(self, item: RateLimitItem, key: str) -> WindowState:
        """Tell how it looks, counting nothing."""


class RedisWindow(RedisStorage):
    """The library's storage in Redis on connections of ours; counting and looking is one round trip."""

    def __init__(self, redis: Redis) -> None:
        pool = with_short_timeouts(redis, TIMEOUT_SECONDS, retry=False).connection_pool
        super().__init__("redis://", connection_pool=pool, key_prefix=KEY_PREFIX)

    def take(self, item: RateLimitItem, key: str, cost: int) -> WindowState:
        answers = self._acquire_and_read(item, key, cost)
        if isinstance(answers[0], NoScriptError):
            for script in (self.lua_acquire_sliding_window, self.lua_sliding_window):
                self.storage.script_load(script.script)
            answers = self._acquire_and_read(item, key, cost)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return _parse_window_state(answers[1], taken=bool(answers[0]))

    def look(self, item: RateLimitItem, key: str) -> WindowState:
        return WindowState(*self.get_sliding_window(item.key_for(key), item.get_expiry()))

    def _acquire_and_read(self, item: RateLimitItem, key: str, cost: int) -> list[object]:
        name = item.key_for(key)
        keys = [self.prefixed_key(one(name)) for one in (self._previous_window_key, self._current_window_key)]
        window = item.get_expiry()
        with self.storage.pipeline(transaction=False) as pipe:
            # The pipeline's own way with scripts asks each time whether Redis knows them.
            pipe.evalsha(self.lua_acquire_sliding_window.sha, 2, *keys, item.amount, window, cost)
            pipe.evalsha(self.lua_sliding_window.sha, 2, *keys, window)
            answers: list[object] = pipe.execute(raise_on_error=False)
        return answers


class MemoryWindow:
    """The library's storage in this process's memory."""

    def __init__(self) -> None:
        self._storage = MemoryStorage()
        # One at a time: the storage tidies up its locks while others wait for them.
        self._lock = threading.Lock()

    def take(self, item: RateLimitItem, key: str, cost: int) -> WindowState:
        name, window = item.key_for(key), item.get_expiry()
        with self._lock:
            taken = self._storage.acquire_sliding_window_entry(name, item.amount, window, cost)
            return WindowState(*self._storage.get_sliding_window(name, window), taken=taken)

    def look(self, item: RateLimitItem, key: str) -> WindowState:
        with self._lock:
            return WindowState(*self._storage.get_sliding_window(item.key_for(key), item.get_expiry()))


@lru_cache(maxsize=1)
def redis_window(redis: Redis) -> WindowStorage:
    """The counts in *redis*, whose connections are made once."""
    return RedisWindow(redis)


def memory_window() -> WindowStorage:
    return MemoryWindow()


def _parse_window_state(answer: object, *, taken: bool) -> WindowState:
    """The script's answer: two counts, each with its milliseconds; missing ones are None, negative or 0."""
    if not isinstance(answer, list):
        return WindowState(0, 0.0, 0, 0.0, taken)
    previous, previous_ms, current, current_ms = (float(part or 0) for part in answer)
    return WindowState(int(previous), max(0.0, previous_ms) / 1000, int(current), max(0.0, current_ms) / 1000, taken)
