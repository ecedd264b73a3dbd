"""Pages of many accounts' repositories in one GraphQL query."""

from bisect import insort
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

from core.budget.cost_model import (
    CONNECTIONS_PER_ACCOUNT,
    CONNECTIONS_PER_NEW_ACCOUNT,
    MAX_REPOSITORIES_PER_QUERY,
    PAGE_SIZE,
    UNKNOWN_REPOSITORIES,
)
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

# An account counts as at least so many repositories.
MIN_REPOSITORIES = 10

Batch = Sequence[PendingRequest]


class PageBatcher:
    """The queue of PageRequests of one credential. The parts of a batch succeed or fail on their own."""

    def __init__(self, graphql: GraphQL, new_context: Callable[[], RequestContext]) -> None:
        self._graphql = graphql
        self._new_context = new_context
        self._size = AdaptiveBatchSize(MAX_REPOSITORIES_PER_QUERY)
        self._first: list[PendingRequest] = []
        """First pages by expected repositories, fewest first."""
        self._further: deque[PendingRequest] = deque()
        self._retries: deque[tuple[Batch, float]] = deque()
        """Batches to repeat, and after how many seconds."""
        self.in_flight = 0

    def add(self, pending: PendingRequest) -> None:
        if pending.request.cursor is None:
            insort(self._first, pending, key=expected_repositories)
        else:
            self._further.append(pending)

    def next(self) -> Task | None:
        if self._retries:
            return self._task(*self._retries.popleft())
        # Further pages of many accounts go together: with first pages, or when no more can come from those in flight.
        if self._first or (self._further and (self._fills_query(self._further) or not self.in_flight)):
            return self._task(self._take_batch())
        return None

    def _fills_query(self, pages: Collection[PendingRequest]) -> bool:
        """Return whether *pages*, all of them further ones, are as many as one query takes."""
        return (
            len(pages) >= self._graphql.connections_per_point
            or sum(map(expected_repositories, pages)) >= self._size.current
        )

    def _take_batch(self) -> Batch:
        """Take as many pages as one point pays for, those that others wait for first.

        The largest accounts, which have the most pages to come, go first; small ones fill up the query.
        """
        room = QueryRoom(self._graphql.connections_per_point, self._size.current)
        batch: list[PendingRequest] = []
        while self._further and (room.fits(1, self._further[0]) or not batch):
            batch.append(room.filled_with(1, self._further.popleft()))
        while self._first:
            has_room = expected_repositories(self._first[-1]) <= room.repositories_per(CONNECTIONS_PER_ACCOUNT)
            index = -1 if has_room else 0
            connections = first_page_connections(self._first[index])
            if batch and not room.fits(connections, self._first[index]):
                break
            batch.append(room.filled_with(connections, self._first.pop(index)))
        return batch

    def _task(self, batch: Batch, delay: float = 0.0) -> Task:
        context = self._new_context()
        self.in_flight += 1
        pages = [pending.request for pending in batch]
        return Task(
            send=partial(self._graphql.pulse, pages, context, delay_seconds=delay),
            on_response=partial(self._handle_response, batch, context),
            on_error=partial(self._handle_error, batch, context),
        )

    def _end(self, batch: Batch, context: RequestContext) -> None:
        self.in_flight -= 1
        for pending in batch:
            pending.add_cost(context.tally, 1 / len(batch))

    def _handle_response(
        self, batch: Batch, context: RequestContext, response: tuple[list[PageResult], GraphQLResponse]
    ) -> None:
        self._end(batch, context)
        parts, whole = response
        if whole.is_request_too_large:
            self._size.shrink(sum(map(expected_repositories, batch)))
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
        """Respond unless the part is worth a retry; a partial page that stays partial is better than none.

        Where the token is denied the account, or all of its repositories, another one is to ask.
        """
        if not isinstance(part, PartialPage):
            pending.respond(part)
            return True
        is_withheld = part.listed is None or (part.listed.total > 0 and not part.listed.repositories)
        if isinstance(part.error, PermissionDenied) and is_withheld:
            pending.respond(part.error)
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
            self._size.shrink(sum(map(expected_repositories, batch)))
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


@dataclass
class QueryRoom:
    """The room left in a query."""

    connections: int
    repositories: int

    def fits(self, connections: int, pending: PendingRequest) -> bool:
        return connections <= self.connections and expected_repositories(pending) <= self.repositories

    def filled_with(self, connections: int, pending: PendingRequest) -> PendingRequest:
        """Take the room of *pending* and return it."""
        self.connections -= connections
        self.repositories -= expected_repositories(pending)
        return pending

    def repositories_per(self, connections: int) -> float:
        """Return how many repositories there is room for in an average page with so many *connections*."""
        return self.repositories * connections / max(self.connections, 1)


def expected_repositories(pending: PendingRequest) -> int:
    expected = pending.request.repositories
    return min(PAGE_SIZE, max(MIN_REPOSITORIES, UNKNOWN_REPOSITORIES if expected is None else expected))


def first_page_connections(pending: PendingRequest) -> int:
    return CONNECTIONS_PER_NEW_ACCOUNT if pending.request.repositories is None else CONNECTIONS_PER_ACCOUNT


def _max_attempts(batch: Batch, may_be_too_large: bool) -> int:
    if not may_be_too_large:
        return MAX_ATTEMPTS_UNREACHABLE
    return MAX_ATTEMPTS if len(batch) > 1 else MAX_ATTEMPTS_WITHOUT_SPLITTING
