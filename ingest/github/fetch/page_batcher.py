"""Pages of many accounts' repositories in one GraphQL query."""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from core.budget.cost_model import ACCOUNTS_PER_QUERY
from ingest.github.api.graphql import GraphQL
from ingest.github.api.graphql_responses import GraphQLResponse, PageResult, PartialPage
from ingest.github.errors import (
    TRANSIENT_ERRORS,
    GitHubError,
    GraphQLUnavailable,
    InvalidResponse,
    PermissionDenied,
    ServerError,
)
from ingest.github.fetch.batch_size import AdaptiveBatchSize, split_in_halves
from ingest.github.fetch.requests import PendingRequest
from ingest.github.fetch.worker_pool import Task
from ingest.github.http.transport import RequestContext

MAX_ATTEMPTS = 6
MAX_ATTEMPTS_WITHOUT_SPLITTING = 2
MAX_ATTEMPTS_UNREACHABLE = 1
RETRY_DELAY_SECONDS = 0.5

Batch = Sequence[PendingRequest]


class PageBatcher:
    """The queue of PageRequests of one credential. The parts of a batch succeed or fail on their own."""

    def __init__(self, graphql: GraphQL, new_context: Callable[[], RequestContext]) -> None:
        self._graphql = graphql
        self._new_context = new_context
        self._size = AdaptiveBatchSize(ACCOUNTS_PER_QUERY)
        self._first: deque[PendingRequest] = deque()
        self._further: deque[PendingRequest] = deque()
        self._retries: deque[tuple[Batch, float]] = deque()
        """Batches to repeat, and after how many seconds."""
        self._first_in_flight = 0
        self.in_flight = 0

    def add(self, pending: PendingRequest) -> None:
        (self._first if pending.request.cursor is None else self._further).append(pending)

    def next(self) -> Task | None:
        if self._retries:
            return self._task(*self._retries.popleft())
        if self._first:
            return self._task(self._take_batch(self._first))
        # Further pages of many accounts go together: wait until no more can come from first pages.
        if self._further and (len(self._further) >= self._size.current or not self._first_in_flight):
            return self._task(self._take_batch(self._further))
        return None

    def _take_batch(self, queue: deque[PendingRequest]) -> Batch:
        return [queue.popleft() for _ in range(min(self._size.current, len(queue)))]

    def _task(self, batch: Batch, delay: float = 0.0) -> Task:
        batch = sorted(batch, key=lambda pending: pending.request.cursor is not None)  # `pulse` wants first pages first
        context = self._new_context()
        self.in_flight += 1
        self._first_in_flight += _has_first_page(batch)
        pages = [pending.request for pending in batch]
        return Task(
            send=partial(self._graphql.pulse, pages, context, delay_seconds=delay),
            on_response=partial(self._handle_response, batch, context),
            on_error=partial(self._handle_error, batch, context),
        )

    def _end(self, batch: Batch, context: RequestContext) -> None:
        self.in_flight -= 1
        self._first_in_flight -= _has_first_page(batch)
        for pending in batch:
            pending.add_cost(context.tally, 1 / len(batch))

    def _handle_response(
        self, batch: Batch, context: RequestContext, response: tuple[list[PageResult], GraphQLResponse]
    ) -> None:
        self._end(batch, context)
        parts, whole = response
        if whole.is_request_too_large:
            self._size.shrink(len(batch))
        else:
            self._size.record_success()
        retries = [
            pending
            for pending, part in zip(batch, parts, strict=True)
            if not self._respond_to_part(pending, part, is_alone=len(batch) == 1)
        ]
        # A failure unrelated to size may be transient: wait before the retry.
        delay = 0.0 if whole.is_request_too_large else RETRY_DELAY_SECONDS
        self._retries.extend((half, delay) for half in split_in_halves(retries))

    def _respond_to_part(self, pending: PendingRequest, part: PageResult, *, is_alone: bool) -> bool:
        """Respond unless the part is worth a retry; a partial page that stays partial is better than none."""
        if not isinstance(part, PartialPage):
            pending.respond(part)
            return True
        if pending.failed_attempts < MAX_ATTEMPTS_WITHOUT_SPLITTING or (
            part.is_request_too_large and pending.failed_attempts < MAX_ATTEMPTS and not is_alone
        ):
            pending.failed_attempts += 1
            return False
        pending.respond(part.listed or part.error)
        return True

    def _handle_error(self, batch: Batch, context: RequestContext, error: GitHubError) -> None:
        self._end(batch, context)
        if isinstance(error, PermissionDenied):  # the query as a whole: this token may not use GraphQL
            error = GraphQLUnavailable(str(error))
        # A batch that failed several times as it was (`Transport.send` retries) is taken for too large, too.
        may_be_too_large = error.is_request_too_large or isinstance(error, ServerError | InvalidResponse)
        if may_be_too_large and len(batch) > 1:
            self._size.shrink(len(batch))
        retries = []
        for pending in batch:
            pending.failed_attempts += 1
            if isinstance(error, TRANSIENT_ERRORS) and pending.failed_attempts <= _max_attempts(
                batch, may_be_too_large
            ):
                retries.append(pending)
            else:
                pending.respond(error)
        if may_be_too_large:
            self._retries.extend((half, 0.0) for half in split_in_halves(retries))
        elif retries:
            self._retries.append((retries, 0.0))


def _has_first_page(batch: Batch) -> bool:
    return any(pending.request.cursor is None for pending in batch)


def _max_attempts(batch: Batch, may_be_too_large: bool) -> int:
    if not may_be_too_large:
        return MAX_ATTEMPTS_UNREACHABLE
    return MAX_ATTEMPTS if len(batch) > 1 else MAX_ATTEMPTS_WITHOUT_SPLITTING
