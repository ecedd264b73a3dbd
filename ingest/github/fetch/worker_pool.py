"""A few threads that ask, and one that decides: answers are handled one at a time, so that decisions need no locks."""

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
    """Work for a thread, and who hears of its result; `done` and `failed` run in the deciding thread."""

    work: Callable[[], Any]
    done: Callable[[Any], None]
    failed: Callable[[GitHubError], None]


class TaskSource(Protocol):
    """Knows what to ask next."""

    def next(self) -> Task | None:
        """Give the next thing to ask, None if there is nothing now; asked again after each answer."""


@dataclass(frozen=True)
class _TaskResult:
    task: Task
    value: Any = None
    error: BaseException | None = None


class WorkerPool:
    """Runs the tasks of flows, so many at once. Its threads end with the process, whatever they wait for."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._tasks: SimpleQueue[Task | None] = SimpleQueue()
        self._results: SimpleQueue[_TaskResult] = SimpleQueue()
        self._in_flight = 0

    def run(self, flows: Sequence[TaskSource], stop: StopSignal) -> None:
        """Work until no flow has anything left, or until *stop*; what is under way then is left behind."""
        threads = [Thread(target=self._worker_loop, name=f"github-{i}", daemon=True) for i in range(self._size)]
        for thread in threads:
            thread.start()
        try:
            while not stop.is_set():
                self._start(flows)
                if not self._in_flight:
                    return
                self._handle_result()
        finally:
            for _ in threads:
                self._tasks.put(None)

    def _start(self, flows: Sequence[TaskSource]) -> None:
        for flow in flows:
            while self._in_flight < self._size and (task := flow.next()):
                self._in_flight += 1
                self._tasks.put(task)

    def _handle_result(self) -> None:
        try:
            result = self._results.get(timeout=POLL_SECONDS)
        except Empty:
            return
        self._in_flight -= 1
        if isinstance(result.error, GitHubError):
            result.task.failed(result.error)
        elif result.error is not None:
            raise result.error
        else:
            result.task.done(result.value)

    def _worker_loop(self) -> None:
        while task := self._tasks.get():
            try:
                self._results.put(_TaskResult(task, value=task.work()))
            except BaseException as error:  # it is raised again in the deciding thread
                self._results.put(_TaskResult(task, error=error))
