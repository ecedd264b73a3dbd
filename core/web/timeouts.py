"""Questions that may hang: each is asked in a thread, once however many want to know, and not waited for long."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

Result = TypeVar("Result")


class TimedCalls(Generic[Result]):
    """Asks *questions* by name and waits *seconds* for each."""

    def __init__(self, questions: Mapping[str, Callable[[], Result]], seconds: float) -> None:
        self.calls = questions
        self.seconds = seconds
        self._running: dict[str, asyncio.Future[Result]] = {}

    async def ask(self, name: str) -> Result:
        """The answer. Raises TimeoutError when it takes too long, and what the question raises."""
        running = self._running.get(name)
        if running is None or running.done():
            running = self._running[name] = asyncio.ensure_future(asyncio.to_thread(self.calls[name]))
            running.add_done_callback(lambda done: done.cancelled() or done.exception())
        # Shielded: a question that hangs goes on alone, and who asks next waits for the same answer.
        return await asyncio.wait_for(asyncio.shield(running), self.seconds)
