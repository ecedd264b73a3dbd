"""Fetch many accounts concurrently and yield each result as soon as it is complete, with those complete by then.

How it works: `account_fetch` describes one account as a generator that yields requests and receives their responses
(like the authentication flows of httpx). The dispatcher here runs the generators of all accounts in one thread. It puts
each request into the queue of the credential that sends it (`credential_queue`), where pages of many accounts
(`page_batcher`), and languages and extras of many repositories (`node_batcher`), are packed into common GraphQL
queries of adaptive size (`batch_size`). A few worker threads send them (`worker_pool`) through the rate gate. Parts of
a query that failed are retried, and each response resumes the generator that waits for it. A generator ends with a
snapshot or a GitHubError; either becomes one result. When the stop signal is set, the accounts that are not complete
end with Stopped; when the consumer stops iterating, no further request is sent.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any

from core.wording import quantity
from ingest.github.errors import GitHubError, Stopped
from ingest.github.fetch.account_fetch import AccountFetch, FetchServices
from ingest.github.fetch.credential_queue import CredentialQueue
from ingest.github.fetch.requests import PendingRequest, Steps
from ingest.github.fetch.worker_pool import TaskSource, WorkerPool
from ingest.github.http.credentials import Credential
from ingest.github.http.rate_gate import StopSignal
from ingest.github.http.transport import RequestContext
from ingest.github.types import AccountRequest, AccountResult, AccountSnapshot

# Fetching goes on while the consumer stores results, but only so far ahead.
MAX_QUEUED_RESULTS = 64
MAX_RESULTS_TOGETHER = 50
# Results are taken together until they have as many.
MAX_REPOSITORIES_TOGETHER = 2_000
# How long one waits for others: the accounts of a response become complete one after the other.
GROUP_SECONDS = 0.05
POLL_SECONDS = 0.25


@dataclass(eq=False)
class RunningFetch:
    """An account's generator, and the responses it waits for."""

    fetch: AccountFetch
    steps: Steps[AccountSnapshot]
    responses: list[Any] = field(default_factory=list)
    missing_responses: int = 0


class AccountFetcher:
    """Dispatch the requests of one call of `GitHub.accounts`."""

    def __init__(
        self,
        services: FetchServices,
        requests: Sequence[AccountRequest],
        *,
        worker_threads: int,
        reserve: float,
        stop: StopSignal | None,
    ) -> None:
        self._services = services
        self._account_requests = requests
        self._reserve = reserve
        self._worker_pool = WorkerPool(worker_threads)
        self._abandoned_by_consumer = Event()
        self._stop = EitherStopSignal(self._abandoned_by_consumer, stop)
        self._running: set[RunningFetch] = set()
        self._queues: dict[str, CredentialQueue] = {}
        self._task_sources: list[TaskSource] = []
        self._results: Queue[AccountResult | End] = Queue(MAX_QUEUED_RESULTS)

    def groups(self) -> Iterator[list[AccountResult]]:
        """Yield results while other accounts are still being fetched; ends after one result for each request."""
        Thread(target=self._run, name="github-fetcher", daemon=True).start()
        end = None
        try:
            while end is None:
                group, end = self._take_group()
                if group:
                    yield group
            if end.error:
                raise end.error
        finally:
            self._abandoned_by_consumer.set()

    def _take_group(self) -> tuple[list[AccountResult], "End | None"]:
        """Wait for a result, and a moment for others; returns them, and the end once it is there."""
        group: list[AccountResult] = []
        repositories = 0
        item = self._results.get()
        until = time.monotonic() + GROUP_SECONDS
        while isinstance(item, AccountResult):
            group.append(item)
            repositories += len(item.snapshot.repositories) if item.snapshot else 0
            if len(group) == MAX_RESULTS_TOGETHER or repositories >= MAX_REPOSITORIES_TOGETHER:
                return group, None
            try:
                item = self._results.get(timeout=max(0, until - time.monotonic()))
            except Empty:
                return group, None
        return group, item

    def _run(self) -> None:
        try:
            for request in self._account_requests:
                fetch = AccountFetch(request, self._services)
                running = RunningFetch(fetch, fetch.steps())
                self._running.add(running)
                self._resume(running, None)
            self._worker_pool.run(self._task_sources, self._stop)
            self._stop_unfinished()
        except BaseException as error:  # raised again in the consumer's thread
            self._put_result(End(error))
        else:
            self._put_result(End())

    def _resume(self, running: RunningFetch, responses: list[Any] | None) -> None:
        """Run a generator to its next requests and queue those, or to its end."""
        try:
            requests = running.steps.send(responses)  # type: ignore[arg-type]  # None starts a generator
            while not requests:
                requests = running.steps.send([])
        except StopIteration as end:
            self._finish(running, end.value, None)
        except GitHubError as error:
            self._finish(running, None, error)
        else:
            running.responses = [None] * len(requests)
            running.missing_responses = len(requests)
            assert running.fetch.credential is not None
            queue = self._queue_for(running.fetch.credential)
            for i, request in enumerate(requests):
                queue.add(PendingRequest(request, partial(self._respond, running, i), running.fetch.add_cost))

    def _respond(self, running: RunningFetch, index: int, response: Any) -> None:
        running.responses[index] = response
        running.missing_responses -= 1
        if not running.missing_responses:
            self._resume(running, running.responses)

    def _finish(self, running: RunningFetch, snapshot: AccountSnapshot | None, error: GitHubError | None) -> None:
        self._running.discard(running)
        self._put_result(running.fetch.result(snapshot, error))

    def _stop_unfinished(self) -> None:
        if self._running and not self._stop.is_set():
            raise RuntimeError(f"neither a snapshot nor an error of {quantity(len(self._running), 'account')}")
        for running in list(self._running):
            self._finish(running, None, Stopped())

    def _queue_for(self, credential: Credential) -> CredentialQueue:
        queue = self._queues.get(credential.fingerprint)
        if queue is None:
            queue = CredentialQueue(self._services.graphql, partial(self._new_context, credential))
            self._queues[credential.fingerprint] = queue
            self._task_sources.append(queue)
        return queue

    def _new_context(self, credential: Credential) -> RequestContext:
        return RequestContext(credential, self._reserve, stop=self._stop)

    def _put_result(self, item: "AccountResult | End") -> None:
        while not self._abandoned_by_consumer.is_set():
            try:
                self._results.put(item, timeout=POLL_SECONDS)
            except Full:
                continue
            return


@dataclass(frozen=True)
class End:
    """The mark after the last result; *error* ended the fetching before."""

    error: BaseException | None = None


class EitherStopSignal:
    """Set when one of two stop signals is."""

    def __init__(self, first: StopSignal, second: StopSignal | None) -> None:
        self._first = first
        self._second = second

    def is_set(self) -> bool:
        return self._first.is_set() or (self._second is not None and self._second.is_set())
