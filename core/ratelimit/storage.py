"""Sliding windows in Redis and in memory: two storages of the `limits` library.

They count and return the window's state in one call. The library's public strategies need two round trips for that,
so `RedisWindow` runs the library's own Lua scripts in one pipeline.
"""

import math
import threading
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

from limits import RateLimitItem
from limits.storage import MemoryStorage, RedisStorage
from redis import Redis
from redis.exceptions import NoScriptError

from core.redis_client import with_short_timeouts

KEY_PREFIX = "almanac:limits"
# A page must not wait for a Redis that hangs.
TIMEOUT_SECONDS = 0.3
EPSILON_SECONDS = 0.001


@dataclass(frozen=True)
class WindowState:
    """A sliding window: the counts of the previous and the current fixed window, and for how long they weigh."""

    previous: int
    previous_expires_in: float
    current: int
    current_expires_in: float
    is_accepted: bool = True

    @property
    def resets_in_seconds(self) -> float:
        """Seconds until nothing that was counted weighs any more."""
        if self.current:
            return self.current_expires_in
        return self.previous_expires_in if self.previous else 0.0

    def remaining(self, item: RateLimitItem) -> int:
        weight = math.floor(self.previous * self.previous_expires_in / item.get_expiry()) + self.current
        return max(0, item.amount - weight)

    def wait_seconds(self, item: RateLimitItem, cost: int) -> float:
        """Return seconds until *cost* more fit, if nothing else is counted meanwhile; 0 when they fit now."""
        if cost <= self.remaining(item):
            return 0.0
        if cost > item.amount:
            return self.resets_in_seconds
        window = item.get_expiry()
        allowed_weight = item.amount - cost + 1
        if self.current < allowed_weight and self.previous:
            # The previous window decays until it weighs no more than the current one leaves room for.
            share = (allowed_weight - self.current) / self.previous
            return self.previous_expires_in - window * share + EPSILON_SECONDS
        # The current window must first become the previous one and then decay.
        rotates_in = max(0.0, self.current_expires_in - window)
        decays_in = self.current_expires_in - window * allowed_weight / max(1, self.current)
        return max(rotates_in, decays_in) + EPSILON_SECONDS


class WindowStorage(Protocol):
    """A place that counts in sliding windows."""

    def acquire(self, item: RateLimitItem, key: str, cost: int) -> WindowState:
        """Count *cost* if it fits, and return the state afterwards."""

    def peek(self, item: RateLimitItem, key: str) -> WindowState:
        """Return the state without counting."""


class RedisWindow(RedisStorage):
    """The library's Redis storage on our connection settings; counting and reading is one round trip."""

    def __init__(self, redis: Redis) -> None:
        pool = with_short_timeouts(redis, TIMEOUT_SECONDS, retry=False).connection_pool
        super().__init__("redis://", connection_pool=pool, key_prefix=KEY_PREFIX)

    def acquire(self, item: RateLimitItem, key: str, cost: int) -> WindowState:
        replies = self._acquire_and_read(item, key, cost)
        if any(isinstance(reply, NoScriptError) for reply in replies):
            for script in (self.lua_acquire_sliding_window, self.lua_sliding_window):
                self.storage.script_load(script.script)
            if not isinstance(replies[0], Exception):
                # Counted: another process was just loading the scripts again, and had loaded the first one.
                return replace(self.peek(item, key), is_accepted=bool(replies[0]))
            replies = self._acquire_and_read(item, key, cost)
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return _parse_window_state(replies[1], is_accepted=bool(replies[0]))

    def peek(self, item: RateLimitItem, key: str) -> WindowState:
        return WindowState(*self.get_sliding_window(item.key_for(key), item.get_expiry()))

    def _acquire_and_read(self, item: RateLimitItem, key: str, cost: int) -> list[object]:
        name = item.key_for(key)
        keys = [self.prefixed_key(key_of(name)) for key_of in (self._previous_window_key, self._current_window_key)]
        window = item.get_expiry()
        with self.storage.pipeline(transaction=False) as pipe:
            # redis-py's script objects would ask Redis each time whether it has the scripts.
            pipe.evalsha(self.lua_acquire_sliding_window.sha, 2, *keys, item.amount, window, cost)
            pipe.evalsha(self.lua_sliding_window.sha, 2, *keys, window)
            replies: list[object] = pipe.execute(raise_on_error=False)
        return replies


class MemoryWindow:
    """The library's storage in this process's memory."""

    def __init__(self) -> None:
        self._storage = MemoryStorage()
        # The storage removes its own locks while other threads wait for them.
        self._lock = threading.Lock()

    def acquire(self, item: RateLimitItem, key: str, cost: int) -> WindowState:
        name, window = item.key_for(key), item.get_expiry()
        with self._lock:
            is_accepted = self._storage.acquire_sliding_window_entry(name, item.amount, window, cost)
            return WindowState(*self._storage.get_sliding_window(name, window), is_accepted=is_accepted)

    def peek(self, item: RateLimitItem, key: str) -> WindowState:
        with self._lock:
            return WindowState(*self._storage.get_sliding_window(item.key_for(key), item.get_expiry()))


@lru_cache(maxsize=1)
def redis_window(redis: Redis) -> WindowStorage:
    """Return the windows in *redis*, with connections created once."""
    return RedisWindow(redis)


def memory_window() -> WindowStorage:
    return MemoryWindow()


def _parse_window_state(reply: object, *, is_accepted: bool) -> WindowState:
    """Parse the script's reply: two counts, each with its milliseconds; missing ones are None, negative or 0."""
    if not isinstance(reply, list):
        return WindowState(0, 0.0, 0, 0.0, is_accepted)
    previous, previous_ms, current, current_ms = (float(part or 0) for part in reply)
    return WindowState(
        int(previous), max(0.0, previous_ms) / 1000, int(current), max(0.0, current_ms) / 1000, is_accepted
    )
