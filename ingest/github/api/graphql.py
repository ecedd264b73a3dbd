"""GraphQL: many accounts, or many repositories, a query. Sends batches; how they are packed is others' business."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from threading import Lock
from typing import Any

import structlog

from ingest.github.api import graphql_queries
from ingest.github.api.graphql_responses import (
    ContributionCalendar,
    FailedNode,
    GraphQLResponse,
    LanguagePage,
    NodeResult,
    PageResult,
    read_account_page,
    read_contribution_calendar,
    read_errors,
    read_extras,
    read_languages,
    read_node,
    read_nodes,
    read_repository,
)
from ingest.github.api.models import Extras, Repository
from ingest.github.errors import GraphQLUnavailable, InvalidResponse, RepositoryNotFound, UnexpectedStatus
from ingest.github.http.credentials import CredentialPool
from ingest.github.http.etag_cache import ResponseCache
from ingest.github.http.rate_budget import GRAPHQL
from ingest.github.http.responses import OK, Response, rate_limit_status, read_json, response_error
from ingest.github.http.transport import ApiRequest, ParsedResponse, RequestContext, Transport
from ingest.github.http.urls import graphql_url

log = structlog.get_logger()

# A failed batch is worth repeating as it is a few times; then it is asked in halves.
MAX_ATTEMPTS = 3
# What a server without GraphQL answers to a POST there.
NO_GRAPHQL_STATUSES = frozenset({404, 405, 410})
BAD_REQUEST, UNPROCESSABLE = 400, 422


@dataclass(frozen=True)
class PageRequest:
    """A page of an account's repositories: the first one, or the one after a cursor."""

    login: str
    cursor: str | None = None


class GraphQL:
    """The queries that Almanac needs. Safe to use from many threads."""

    def __init__(self, transport: Transport, pool: CredentialPool, cache: ResponseCache) -> None:
        self._transport = transport
        self._pool = pool
        self._cache = cache
        self._url = graphql_url(transport.root)
        self._unsupported_fields: frozenset[str] = frozenset()
        self.is_missing = False
        self._lock = Lock()

    def pulse(
        self, pages: Sequence[PageRequest], asking: RequestContext, *, delay_seconds: float = 0.0
    ) -> tuple[list[PageResult], GraphQLResponse]:
        """Read accounts and the counts of their repositories, a page each; the parts come in the order asked.

        First pages must come before further ones. *delay_seconds* is how long to wait before sending.
        Source: https://docs.github.com/en/graphql/reference/interfaces#repositoryowner
        """
        if delay_seconds:
            self._transport.gate.wait(delay_seconds, asking.stop)
        firsts = sum(page.cursor is None for page in pages)
        variables: dict[str, object] = {}
        for i, page in enumerate(pages):
            variables |= {f"l{i}": page.login, f"c{i}": page.cursor}
        told = self._send(
            lambda dropped: graphql_queries.pulse_query(firsts, len(pages) - firsts, dropped),
            variables,
            "accounts",
            graphql_queries.cost_in_points(graphql_queries.pulse_connection_count(firsts, len(pages) - firsts)),
            asking,
        )
        parts = [read_account_page(told, f"a{i}", page.login, first=i < firsts) for i, page in enumerate(pages)]
        return parts, told

    def profiles(self, logins: Sequence[str], asking: RequestContext) -> GraphQLResponse:
        """Read who logins belong to; the answer of the i-th one is called `a{i}`."""
        variables: dict[str, object] = {f"l{i}": login for i, login in enumerate(logins)}
        return self._send(
            lambda dropped: graphql_queries.profiles_query(len(logins), dropped),
            variables,
            "accounts",
            graphql_queries.cost_in_points(len(logins)),
            asking,
        )

    def languages(self, node_ids: Sequence[str], asking: RequestContext) -> list[LanguagePage | FailedNode | None]:
        """Read the languages of repositories; None for one that GitHub does not show, Lost for one to ask for again."""
        found = self._nodes(graphql_queries.languages_selection(), node_ids, "languages", 1, asking)
        return [read_languages(node) if isinstance(node, dict) else node for node in found]

    def more_languages(
        self, pages: Sequence[tuple[str, str]], asking: RequestContext
    ) -> list[LanguagePage | FailedNode | None]:
        """Read a further page of languages of each (node id, cursor)."""
        variables: dict[str, object] = {}
        for i, (node_id, cursor) in enumerate(pages):
            variables |= {f"i{i}": node_id, f"c{i}": cursor}
        cost = graphql_queries.cost_in_points(len(pages))
        told = self._send(
            lambda dropped: graphql_queries.more_languages_query(len(pages), dropped),
            variables,
            "languages",
            cost,
            asking,
        )
        found = [read_node(told, f"n{i}", "languages") for i in range(len(pages))]
        return [read_languages(node) if isinstance(node, dict) else node for node in found]

    def extras(self, node_ids: Sequence[str], asking: RequestContext) -> list[Extras | FailedNode | None]:
        """Read what costs a connection each: watchers, open issues, open change requests, topics."""
        return self.extras_with_timestamp(node_ids, asking)[0]

    def extras_with_timestamp(
        self, node_ids: Sequence[str], asking: RequestContext
    ) -> tuple[list[Extras | FailedNode | None], datetime]:
        """The same, and the moment of the answer."""
        found, told = self._nodes_with_response(
            graphql_queries.EXTRAS_FIELDS, node_ids, "extras", graphql_queries.CONNECTIONS_PER_EXTRAS, asking
        )
        return [read_extras(node) if isinstance(node, dict) else node for node in found], told.captured_at

    def contribution_calendar(
        self, node_id: str, spans: Sequence[tuple[date, date]], asking: RequestContext
    ) -> ContributionCalendar | None:
        """Read a user's public contributions by day, of spans of a year at most; None for one not shown.

        Source: https://docs.github.com/en/graphql/reference/objects#contributionscollection
        """
        variables: dict[str, object] = {"i": node_id}
        for i, (first, last) in enumerate(spans):
            variables |= {f"f{i}": f"{first}T00:00:00Z", f"t{i}": f"{last}T23:59:59Z"}
        told = self._send(
            lambda dropped: graphql_queries.contribution_calendar_query(len(spans), dropped),
            variables,
            "contributions",
            graphql_queries.cost_in_points(0),
            asking,
        )
        node = read_node(told, "n0", "contributions")
        found = read_contribution_calendar(node, told.captured_at) if isinstance(node, dict) else node
        if isinstance(found, FailedNode):
            raise found.error
        return found

    def repositories(self, node_ids: Sequence[str], asking: RequestContext) -> list[Repository | FailedNode | None]:
        """Read repositories wherever they are now; None for one not shown, Lost for one to ask again."""
        found = self._nodes(graphql_queries.REPOSITORY_FIELDS, node_ids, "repositories", 0, asking)
        return [read_repository(node) if isinstance(node, dict) else node for node in found]

    def _nodes(
        self, selection: Sequence[str], node_ids: Sequence[str], what: str, connections: int, asking: RequestContext
    ) -> list[NodeResult]:
        return self._nodes_with_response(selection, node_ids, what, connections, asking)[0]

    def _nodes_with_response(
        self, selection: Sequence[str], node_ids: Sequence[str], what: str, connections: int, asking: RequestContext
    ) -> tuple[list[NodeResult], GraphQLResponse]:
        lists = [
            node_ids[i : i + graphql_queries.IDS_PER_LIST]
            for i in range(0, len(node_ids), graphql_queries.IDS_PER_LIST)
        ]
        told = self._send(
            lambda dropped: graphql_queries.nodes_query(selection, len(lists), dropped),
            {f"i{i}": list(ids) for i, ids in enumerate(lists)},
            what,
            graphql_queries.cost_in_points(len(node_ids) * connections),
            asking,
        )
        found: list[NodeResult] = []
        for i, ids in enumerate(lists):
            found += read_nodes(told, f"n{i}", len(ids), what)
        return found, told

    def _send(
        self,
        text: Callable[[frozenset[str]], str],
        variables: dict[str, object],
        what: str,
        cost: int,
        asking: RequestContext,
    ) -> GraphQLResponse:
        """Send a query; where the server lacks a field we can do without, send it again without that field."""
        while True:
            dropped = self._unsupported_fields
            body = {"query": text(dropped), "variables": variables}
            call = ApiRequest(
                self._url, what, asking, "POST", "graphql", GRAPHQL, json=body, cost=cost, attempts=MAX_ATTEMPTS
            )
            told, answer = self._ask(call)
            self._record_usage(told, answer, cost, asking)
            if told.data:
                return told
            lacking = {fault.optional_field for fault in told.faults} - {None} - dropped
            if not lacking:
                raise told.to_exception(what)
            self._drop({name for name in lacking if name})

    def _ask(self, call: ApiRequest) -> tuple[GraphQLResponse, Response]:
        reply = self._transport.send(call)
        try:
            return _parse_response(reply, call.what), reply.response
        except GraphQLUnavailable:
            self.is_missing = True
            log.warning("no graphql here, going on with rest", status=reply.response.status)
            raise

    def _drop(self, names: set[str]) -> None:
        with self._lock:
            self._unsupported_fields |= names
        log.warning("github's graphql lacks fields, going on without", fields=sorted(names))

    def _record_usage(self, told: GraphQLResponse, answer: Response, estimate: int, asking: RequestContext) -> None:
        """Note the price, the budget, and whose token this is: all told for nothing."""
        points = told.points if told.points is not None else estimate if told.data else 0
        asking.tally.points += points
        self._transport.count(points=points)
        credential = asking.credential
        limits = None if rate_limit_status(answer) else told.limits()
        if limits:
            self._transport.gate.record_status(self._pool.owner(credential), "graphql", limits)
        before = self._pool.owner(credential)
        if told.viewer and self._pool.learn_owner(credential.fingerprint, told.viewer.lower()):
            self._transport.gate.rename_owner(before, told.viewer.lower())
            self._cache.learn_owner(credential.fingerprint, told.viewer.lower())


def _parse_response(reply: ParsedResponse, what: str) -> GraphQLResponse:
    answer = reply.response
    body = reply.body if answer.status == OK else _error_body(answer, what)
    if not isinstance(body, dict) or not (isinstance(body.get("data"), dict) or body.get("errors")):
        raise InvalidResponse(what, "it has neither data nor errors")
    data = body.get("data")
    return GraphQLResponse(data if isinstance(data, dict) else {}, read_errors(body), answer.date)


def _error_body(answer: Response, what: str) -> Any:
    """Some servers refuse a query with 400 and its errors; any other status is a refusal of its own."""
    refused = response_error(answer, what)
    if answer.status in (BAD_REQUEST, UNPROCESSABLE) and b'"errors"' in answer.body:
        return read_json(answer, what)
    if answer.status in NO_GRAPHQL_STATUSES or isinstance(refused, RepositoryNotFound):
        raise GraphQLUnavailable(f"status {answer.status}")
    raise refused or UnexpectedStatus(answer.status, what)
