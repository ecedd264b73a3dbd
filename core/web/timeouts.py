"""Blocking calls with a timeout: each runs in a thread, at most once at a time (single-flight)."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Result = TypeVar("Result")


class TimedCalls(Generic[Result]):
    """Runs *calls* by name and waits *timeout_seconds* for each."""

    def __init__(self, calls: Mapping[str, Callable[[], Result]], timeout_seconds: float) -> None:
        self.calls = calls
        self.timeout_seconds = timeout_seconds
        # Its own threads, enough for all calls: those of others that hang must not delay them.
        self._threads = ThreadPoolExecutor(max_workers=max(1, len(calls)), thread_name_prefix="timed-call")
        self._running: dict[str, asyncio.Future[Result]] = {}

    async def run(self, name: str) -> Result:
        """Return the call's result. Raises TimeoutError, and whatever the call raises."""
        running = self._running.get(name)
        if running is None or running.done():
            running = self._running[name] = asyncio.get_running_loop().run_in_executor(self._threads, self.calls[name])
            running.add_done_callback(lambda done: done.cancelled() or done.exception())
        # Shielded: a call that hangs keeps running, and the next caller waits for the same result.
        return await asyncio.wait_for(asyncio.shield(running), self.timeout_seconds)
