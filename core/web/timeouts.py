"""Blocking calls with a timeout: each runs in a thread, at most once at a time (single-flight)."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

Result = TypeVar("Result")


class TimedCalls(Generic[Result]):
    """Runs *calls* by name and waits *timeout_seconds* for each."""

    def __init__(self, calls: Mapping[str, Callable[[], Result]], timeout_seconds: float) -> None:
        self.calls = calls
        self.timeout_seconds = timeout_seconds
        self._running: dict[str, asyncio.Future[Result]] = {}

    async def run(self, name: str) -> Result:
        """Return the call's result. Raises TimeoutError, and whatever the call raises."""
        running = self._running.get(name)
        if running is None or running.done():
            running = self._running[name] = asyncio.ensure_future(asyncio.to_thread(self.calls[name]))
            running.add_done_callback(lambda done: done.cancelled() or done.exception())
        # Shielded: a call that hangs keeps running, and the next caller waits for the same result.
        return await asyncio.wait_for(asyncio.shield(running), self.timeout_seconds)
