"""A few worker threads that send requests, and one thread that handles the responses, so that it needs no locks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Protocol

from ingest.github.errors import GitHubError
from ingest.github.http.rate_gate import StopSignal

POLL_SECONDS = 0.25


@dataclass(frozen=True)
class Task:
    """`send` runs in a worker thread, `on_response` or `on_error` in the thread that called `WorkerPool.run`."""

    send: Callable[[], Any]
    on_response: Callable[[Any], None]
    on_error: Callable[[GitHubError], None]


class TaskSource(Protocol):
    def next(self) -> Task | None:
        """Return the next task, None if there is none now; called again after each response."""


@dataclass(frozen=True)
class _TaskResult:
    task: Task
    value: Any = None
    error: BaseException | None = None


class WorkerPool:
    """Runs tasks, at most *size* at a time. Its threads are daemons: the process may exit while they wait."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._results: SimpleQueue[_TaskResult] = SimpleQueue()
        self._in_flight = 0

    def run(self, sources: Sequence[TaskSource], stop: StopSignal) -> None:
        """Work until no source has a task left, or until *stop* is set; tasks in flight are then abandoned.

        *sources* may grow meanwhile; the first ones come first. Raises what a task raises other than GitHubError.
        """
        threads = [Thread(target=self._worker_loop, name=f"github-{i}", daemon=True) for i in range(self._size)]
        for thread in threads:
            thread.start()
        try:
            while not stop.is_set():
                self._start_tasks(sources)
                if not self._in_flight:
                    return
                self._handle_result()
        finally:
            for _ in threads:
                self._tasks.put(None)

    def _start_tasks(self, sources: Sequence[TaskSource]) -> None:
        for source in sources:
            while self._in_flight < self._size and (task := source.next()):
                self._in_flight += 1
                self._tasks.put(task)

    def _handle_result(self) -> None:
        try:
            result = self._results.get(timeout=POLL_SECONDS)
        except Empty:
            return
        self._in_flight -= 1
        if isinstance(result.error, GitHubError):
            result.task.on_error(result.error)
        elif result.error is not None:
            raise result.error
        else:
            result.task.on_response(result.value)

    def _worker_loop(self) -> None:
        while task := self._tasks.get():
            try:
                self._results.put(_TaskResult(task, value=task.send()))
            except BaseException as error:  # raised again in the thread that called `run`
                self._results.put(_TaskResult(task, error=error))
