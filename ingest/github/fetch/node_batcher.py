"""Languages and extras of repositories: packed full across accounts, asked by node id as soon as a query is full."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ingest.github.api.graphql import GraphQL
from ingest.github.api.graphql_responses import FailedNode, LanguagePage
from ingest.github.errors import GitHubError, InvalidResponse, ServerError
from ingest.github.fetch.account_fetch import AccountFetch
from ingest.github.fetch.batch_size import AdaptiveBatchSize, split_in_halves
from ingest.github.fetch.worker_pool import Task
from ingest.github.http.transport import RequestContext

MAX_TRIES = 5
# A hundred ids cost a point, however they are packed: few requests, and still far from GitHub's ten seconds.
LANGUAGE_NODES_PER_QUERY = 300
EXTRAS_NODES_PER_QUERY = 100


@dataclass(frozen=True)
class NodeRequest:
    """Something asked of one repository for one visit."""

    visit: AccountFetch
    github_id: int
    node_id: str
    cursor: str | None = None
    tries: int = 0


class NodeBatcher:
    """A queue of wants of one kind. *ask* sends a batch; *take* hears what came for each want."""

    def __init__(
        self,
        most: int,
        asking: Callable[[], RequestContext],
        ask: Callable[[Sequence[NodeRequest], RequestContext], Sequence[Any]],
        take: Callable[[NodeRequest, Any], None],
        settle: Callable[[AccountFetch], None],
    ) -> None:
        self._size = AdaptiveBatchSize(most)
        self._asking = asking
        self._ask = ask
        self._handle_node = take
        self._settle = settle
        self._queue: deque[NodeRequest] = deque()
        self._again: deque[list[NodeRequest]] = deque()

    def add(self, want: NodeRequest) -> None:
        self._queue.append(want)

    def next(self, *, flush: bool) -> Task | None:
        """A full batch; when *flush*, whatever there is."""
        if self._again:
            return self._task(self._again.popleft())
        if len(self._queue) >= self._size.now or (flush and self._queue):
            return self._task([self._queue.popleft() for _ in range(min(self._size.now, len(self._queue)))])
        return None

    def _task(self, wants: list[NodeRequest]) -> Task:
        asking = self._asking()
        return Task(
            work=lambda: self._ask(wants, asking),
            done=lambda found: self._handle_response(wants, asking, found),
            failed=lambda error: self._failed(wants, asking, error),
        )

    def _handle_response(self, wants: list[NodeRequest], asking: RequestContext, found: Sequence[Any]) -> None:
        self._share_cost(wants, asking)
        self._size.record_success()
        lost = []
        for want, item in zip(wants, found, strict=True):
            if isinstance(item, FailedNode):
                lost.append((want, item.error))
            else:
                self._handle_node(want, item)
        if any(error.is_request_too_large for _, error in lost):
            self._size.shrink(len(wants))
        self._retry([want for want, _ in lost], {want.github_id: error for want, error in lost})
        self._finish_complete_fetches(wants)

    def _failed(self, wants: list[NodeRequest], asking: RequestContext, error: GitHubError) -> None:
        self._share_cost(wants, asking)
        # A batch that failed several times as it was is taken for too large, too.
        if error.is_request_too_large or isinstance(error, ServerError):
            self._size.shrink(len(wants))
        if error.is_request_too_large or isinstance(error, ServerError | InvalidResponse):
            self._retry(wants, dict.fromkeys((want.github_id for want in wants), error))
        else:
            for want in wants:
                self._record_failure(want, error)
        self._finish_complete_fetches(wants)

    def _retry(self, wants: list[NodeRequest], why: dict[int, GitHubError]) -> None:
        """Ask in halves, so that one bad repository cannot spoil the others for long."""
        for want in wants:
            if want.tries + 1 >= MAX_TRIES:
                self._record_failure(want, why[want.github_id])
        left = [replace(want, tries=want.tries + 1) for want in wants if want.tries + 1 < MAX_TRIES]
        self._again.extend(split_in_halves(left))

    def _record_failure(self, want: NodeRequest, error: GitHubError) -> None:
        want.visit.languages_failed[want.github_id] = error
        want.visit.pending_parts -= 1

    def _finish_complete_fetches(self, wants: list[NodeRequest]) -> None:
        for visit in {id(want.visit): want.visit for want in wants}.values():
            self._settle(visit)

    def _share_cost(self, wants: list[NodeRequest], asking: RequestContext) -> None:
        for want in wants:
            want.visit.share(asking.tally, 1 / len(wants))


def language_batchers(
    graphql: GraphQL, asking: Callable[[], RequestContext], settle: Callable[[AccountFetch], None]
) -> tuple[NodeBatcher, NodeBatcher]:
    """Make the queue for first pages of languages, and the one for further pages, which hardly anybody has."""

    def take(want: NodeRequest, found: LanguagePage | None) -> None:
        visit = want.visit
        if found is None:
            visit.refused[want.github_id] = "not_found"
        else:
            visit.languages.setdefault(want.github_id, {}).update(found.bytes_by_language)
            if found.cursor:
                further.add(replace(want, cursor=found.cursor, tries=0))
                return
        visit.pending_parts -= 1

    first = NodeBatcher(
        LANGUAGE_NODES_PER_QUERY,
        asking,
        lambda wants, by: graphql.languages([want.node_id for want in wants], by),
        take,
        settle,
    )
    further = NodeBatcher(
        LANGUAGE_NODES_PER_QUERY,
        asking,
        lambda wants, by: graphql.more_languages([(want.node_id, want.cursor or "") for want in wants], by),
        take,
        settle,
    )
    return first, further


def extras_batcher(
    graphql: GraphQL, asking: Callable[[], RequestContext], settle: Callable[[AccountFetch], None]
) -> NodeBatcher:
    """Make the queue for watchers, open issues, open change requests and topics."""

    def take(want: NodeRequest, found: Any) -> None:
        if found is not None:
            want.visit.extras[want.github_id] = found
        want.visit.pending_parts -= 1

    return NodeBatcher(
        EXTRAS_NODES_PER_QUERY,
        asking,
        lambda wants, by: graphql.extras([want.node_id for want in wants], by),
        take,
        settle,
    )
