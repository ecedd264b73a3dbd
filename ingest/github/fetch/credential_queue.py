"""The pending requests of one credential, and the order in which they are sent."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import structlog

from ingest.github.api.graphql import GraphQL, PageRequest
from ingest.github.api.graphql_queries import CONNECTIONS_PER_EXTRAS
from ingest.github.errors import GitHubError, RateLimited
from ingest.github.fetch.node_batcher import NodeBatcher
from ingest.github.fetch.page_batcher import PageBatcher
from ingest.github.fetch.requests import (
    ExtrasRequest,
    LanguagesRequest,
    PendingRequest,
    Priority,
)
from ingest.github.fetch.worker_pool import Task
from ingest.github.http.transport import RequestContext

log = structlog.get_logger()

# By REST, languages cost a request per repository: this share of the budget is left for the lists of other accounts.
LANGUAGES_RESERVE = 0.2


class CredentialQueue:
    """Sends first what other requests wait for: accounts and pages, then languages and extras.

    Languages and extras of many accounts are packed into full queries; smaller ones are sent once no page is pending.
    By REST, languages come last of all, and only while the rate budget lasts.
    """

    def __init__(self, graphql: GraphQL | None, new_context: Callable[[], RequestContext]) -> None:
        self._new_context = new_context
        self._rest: dict[Priority, deque[PendingRequest]] = {priority: deque() for priority in Priority}
        self._rest_lists_in_flight = 0
        self._languages_error: RateLimited | None = None
        self._pages = PageBatcher(graphql, new_context) if graphql else None
        self._nodes: dict[str, NodeBatcher] = _node_batchers(graphql, new_context) if graphql else {}

    def add(self, pending: PendingRequest) -> None:
        request = pending.request
        if isinstance(request, PageRequest):
            assert self._pages is not None
            self._pages.add(pending)
        elif isinstance(request, LanguagesRequest):
            self._nodes["languages" if request.cursor is None else "further languages"].add(pending)
        elif isinstance(request, ExtrasRequest):
            self._nodes["extras"].add(pending)
        else:
            self._rest[request.priority].append(pending)

    def next(self) -> Task | None:
        return (
            self._next_rest_task(Priority.PAGE)
            or self._next_rest_task(Priority.ACCOUNT)
            or (self._pages.next() if self._pages else None)
            or self._next_node_task()
            or self._next_rest_task(Priority.ORGANIZATION)
            or self._next_rest_languages_task()
        )

    @property
    def _is_listing(self) -> bool:
        """Whether pages are in flight, whose repositories may need languages, too."""
        return self._rest_lists_in_flight > 0 or (self._pages is not None and self._pages.in_flight > 0)

    def _next_node_task(self) -> Task | None:
        flush = not self._is_listing
        tasks = (batcher.next(flush=flush) for batcher in self._nodes.values())
        return next((task for task in tasks if task), None)

    def _next_rest_task(self, priority: Priority) -> Task | None:
        queue = self._rest[priority]
        return self._rest_task(queue.popleft(), self._new_context()) if queue else None

    def _next_rest_languages_task(self) -> Task | None:
        queue = self._rest[Priority.LANGUAGES]
        while queue and not self._is_listing:
            pending = queue.popleft()
            if self._languages_error is None:
                context = self._new_context()
                reserve = max(context.reserve, LANGUAGES_RESERVE)
                return self._rest_task(pending, replace(context, reserve=reserve, waits_for_budget=False))
            pending.respond(self._languages_error)
        return None

    def _rest_task(self, pending: PendingRequest, context: RequestContext) -> Task:
        self._rest_lists_in_flight += _is_list(pending)
        return Task(
            send=partial(pending.request.send, context),
            on_response=partial(self._handle_rest_response, pending, context),
            on_error=partial(self._handle_rest_error, pending, context),
        )

    def _handle_rest_response(self, pending: PendingRequest, context: RequestContext, value: Any) -> None:
        self._rest_lists_in_flight -= _is_list(pending)
        pending.add_cost(context.tally, 1.0)
        pending.respond(value)

    def _handle_rest_error(self, pending: PendingRequest, context: RequestContext, error: GitHubError) -> None:
        is_first = self._languages_error is None
        if pending.request.priority is Priority.LANGUAGES and isinstance(error, RateLimited) and is_first:
            self._languages_error = error
            log.info("rate budget exhausted, languages postponed", reason=str(error))
        self._handle_rest_response(pending, context, error)


def _is_list(pending: PendingRequest) -> bool:
    return pending.request.priority in (Priority.PAGE, Priority.ACCOUNT)


def _node_batchers(graphql: GraphQL, new_context: Callable[[], RequestContext]) -> dict[str, NodeBatcher]:
    def languages(requests: Sequence[LanguagesRequest], context: RequestContext) -> Sequence[Any]:
        return graphql.languages([request.node_id for request in requests], context)

    def further_languages(requests: Sequence[LanguagesRequest], context: RequestContext) -> Sequence[Any]:
        return graphql.more_languages([(request.node_id, request.cursor or "") for request in requests], context)

    def extras(requests: Sequence[ExtrasRequest], context: RequestContext) -> Sequence[Any]:
        return graphql.extras([request.node_id for request in requests], context)

    def batcher(connections: int, send: Callable[..., Sequence[Any]]) -> NodeBatcher:
        return NodeBatcher(lambda: graphql.connections_per_point // connections, new_context, send)

    return {
        "languages": batcher(1, languages),
        "further languages": batcher(1, further_languages),
        "extras": batcher(CONNECTIONS_PER_EXTRAS, extras),
    }
