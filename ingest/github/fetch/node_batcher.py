"""Languages or extras of many accounts' repositories in one GraphQL query, by node id."""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ingest.github.api.graphql_responses import FailedNode
from ingest.github.errors import GitHubError, InvalidResponse, PermissionDenied, ServerError
from ingest.github.fetch.batch_size import AdaptiveBatchSize, split_in_halves
from ingest.github.fetch.requests import PendingRequest
from ingest.github.fetch.worker_pool import Task
from ingest.github.http.transport import RequestContext

MAX_ATTEMPTS = 5

Batch = Sequence[PendingRequest]


class NodeBatcher:
    """The queue of one kind of node requests of one credential.

    *max_size* returns how many nodes one point pays for. *send_batch* sends the requests of a batch and returns a value
    or a FailedNode for each, in their order.
    """

    def __init__(
        self,
        max_size: Callable[[], int],
        new_context: Callable[[], RequestContext],
        send_batch: Callable[[Sequence[Any], RequestContext], Sequence[Any]],
    ) -> None:
        self._max_size = max_size
        self._size = AdaptiveBatchSize(max_size())
        self._new_context = new_context
        self._send_batch = send_batch
        self._queue: deque[PendingRequest] = deque()
        self._retries: deque[Batch] = deque()

    def add(self, pending: PendingRequest) -> None:
        self._queue.append(pending)

    def next(self, *, flush: bool) -> Task | None:
        """Return a full batch; with *flush* a smaller one, too."""
        if self._retries:
            return self._task(self._retries.popleft())
        size = min(self._size.current, self._max_size())
        if len(self._queue) >= size or (flush and self._queue):
            return self._task([self._queue.popleft() for _ in range(min(size, len(self._queue)))])
        return None

    def _task(self, batch: Batch) -> Task:
        context = self._new_context()
        return Task(
            send=partial(self._send_batch, [pending.request for pending in batch], context),
            on_response=partial(self._handle_response, batch, context),
            on_error=partial(self._handle_error, batch, context),
        )

    def _handle_response(self, batch: Batch, context: RequestContext, nodes: Sequence[Any]) -> None:
        _share_cost(batch, context)
        self._size.record_success()
        failed: list[tuple[PendingRequest, GitHubError]] = []
        for pending, node in zip(batch, nodes, strict=True):
            if isinstance(node, FailedNode) and isinstance(node.error, PermissionDenied):
                pending.respond(node.error)  # this token would be refused again
            elif isinstance(node, FailedNode):
                failed.append((pending, node.error))
            else:
                pending.respond(node)
        if any(error.is_request_too_large for _, error in failed):
            self._size.shrink(len(batch))
        self._retry_in_halves(failed)

    def _handle_error(self, batch: Batch, context: RequestContext, error: GitHubError) -> None:
        _share_cost(batch, context)
        # A batch that failed several times as it was (`Transport.send` retries) is taken for too large, too.
        if error.is_request_too_large or isinstance(error, ServerError):
            self._size.shrink(len(batch))
        if error.is_request_too_large or isinstance(error, ServerError | InvalidResponse):
            self._retry_in_halves([(pending, error) for pending in batch])
        else:
            for pending in batch:
                pending.respond(error)

    def _retry_in_halves(self, failed: Sequence[tuple[PendingRequest, GitHubError]]) -> None:
        """Retry in smaller batches, so that one bad repository does not fail the others for long."""
        retries = []
        for pending, error in failed:
            pending.failed_attempts += 1
            if pending.failed_attempts < MAX_ATTEMPTS:
                retries.append(pending)
            else:
                pending.respond(error)
        self._retries.extend(split_in_halves(retries))


def _share_cost(batch: Batch, context: RequestContext) -> None:
    for pending in batch:
        pending.add_cost(context.tally, 1 / len(batch))
